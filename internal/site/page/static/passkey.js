// Asks the browser for a passkey with what the page holds, and sends the answer
// by the page's own form. Without it, passwords work as ever.
(() => {
  "use strict";
  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential) return;
  const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const failed = form.querySelector("[data-failed]");
  const button = form.querySelector("button");
  const options = JSON.parse(form.dataset.passkey);
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.excludeCredentials, options.allowCredentials]) for (const c of list || []) c.id = bytes(c.id);
  const ask = async () => {
    failed.hidden = true;
    button.disabled = true;
    try {
      const made = options.user ? await navigator.credentials.create({publicKey: options}) : await navigator.credentials.get({publicKey: options});
      const r = made.response;
      const answer = {id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {}, response: {clientDataJSON: text(r.clientDataJSON)}};
      if (options.user) {
        answer.response.attestationObject = text(r.attestationObject);
        if (r.getTransports) answer.response.transports = r.getTransports();
      } else {
        answer.response.authenticatorData = text(r.authenticatorData);
        answer.response.signature = text(r.signature);
        if (r.userHandle) answer.response.userHandle = text(r.userHandle);
      }
      form.elements.answer.value = JSON.stringify(answer);
      form.submit();
    } catch (e) {
      failed.hidden = false;
      button.disabled = false;
    }
  };
  button.hidden = false;
  button.type = "button";
  button.addEventListener("click", ask);
  ask();
})();
