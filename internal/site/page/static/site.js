// The countdown ticks, and what a report may repeat is shown while its title is
// typed. Everything works without this file.
"use strict";
for (const el of document.querySelectorAll("[data-until]")) {
  const until = Date.parse(el.dataset.until);
  const skew = Date.parse(el.dataset.now) - Date.now(); // the server's clock counts
  const cells = el.querySelectorAll("b");
  const tick = () => {
    let s = Math.max(0, Math.floor((until - Date.now() - skew) / 1000));
    const parts = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60];
    parts.forEach((n, i) => { const t = String(n).padStart(i ? 2 : 1, "0"); if (cells[i].textContent !== t) cells[i].textContent = t; });
    if (s > 0) setTimeout(tick, 1000 - ((Date.now() + skew) % 1000));
  };
  tick();
  el.classList.add("ticking");
}
for (const el of document.querySelectorAll("[data-alike]")) {
  const title = document.getElementById("title");
  let timer = 0, asked = "";
  title.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const text = title.value.trim();
      if (text === asked) return;
      asked = text;
      if ([...text].length < 2) { el.replaceChildren(); return; }
      try {
        const answer = await fetch(el.dataset.alike + "?title=" + encodeURIComponent(text));
        if (answer.ok && !answer.redirected && text === asked) el.innerHTML = await answer.text();
      } catch { } // suggestions are not worth a message
    }, 250);
  });
}
