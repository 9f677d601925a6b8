// Shows what the server pushes, and opens it. It keeps no page and answers no request.
"use strict";
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => {
  let told = {};
  try { told = event.data.json(); } catch { } // browsers want a notice for every push
  event.waitUntil(self.registration.showNotification(told.title || self.location.host, {
    body: told.body || "", lang: told.lang || "", dir: "auto", tag: told.tag || "friday", icon: "/static/icon.svg", data: told.url || "/notices",
  }));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const to = new URL(event.notification.data, self.location.origin);
  if (to.origin !== self.location.origin) return;
  event.waitUntil((async () => {
    for (const page of await self.clients.matchAll({type: "window", includeUncontrolled: true})) {
      if (page.url === to.href) return page.focus();
    }
    return self.clients.openWindow(to.href);
  })());
});
self.addEventListener("pushsubscriptionchange", (event) => {
  event.waitUntil((async () => {
    const old = event.oldSubscription;
    const made = event.newSubscription || (old && await self.registration.pushManager.subscribe(old.options));
    if (made) await fetch("/notices/push", {method: "POST", credentials: "same-origin", redirect: "manual", body: new URLSearchParams({subscription: JSON.stringify(made)})});
  })());
});
