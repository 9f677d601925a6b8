// Asks the browser to be pushed to, and sends what it gives by the page's own form.
// Without it the list on the site and mail tell as much.
(() => {
  "use strict";
  const form = document.querySelector("form[data-push]");
  if (!form || !("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return;
  const button = form.querySelector("button");
  const failed = form.querySelector("[data-failed]");
  const key = Uint8Array.from(atob(form.dataset.push.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const same = (a) => a && a.byteLength === key.length && new Uint8Array(a).every((b, i) => b === key[i]);
  document.querySelector("[data-without]").hidden = true;
  form.hidden = false;
  button.addEventListener("click", async () => {
    failed.hidden = true;
    button.disabled = true;
    try {
      if (await Notification.requestPermission() !== "granted") throw new Error("not allowed");
      await navigator.serviceWorker.register("/sw.js");
      const worker = await navigator.serviceWorker.ready;
      let made = await worker.pushManager.getSubscription();
      if (made && !same(made.options.applicationServerKey)) { await made.unsubscribe(); made = null; }
      made = made || await worker.pushManager.subscribe({userVisibleOnly: true, applicationServerKey: key});
      form.elements.subscription.value = JSON.stringify(made);
      form.submit();
    } catch (e) {
      failed.hidden = false;
      button.disabled = false;
    }
  });
})();
