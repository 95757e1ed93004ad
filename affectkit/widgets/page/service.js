// Keeps the page's files, so that it opens without a network. FILES, from each file's name to its
// hash, stands before this; when it changes, the browser takes it for a new page.

const NAME = `${registration.scope} ${Object.values(FILES).join("")}`;

addEventListener("install", (event) => event.waitUntil(caches.open(NAME).then((cache) =>
  cache.addAll(Object.entries(FILES).map(([file, integrity]) =>
    new Request(file, { integrity, cache: "no-cache" }))))));
addEventListener("activate", (event) => event.waitUntil(caches.keys().then((names) =>
  Promise.all(names.filter((name) => name.startsWith(`${registration.scope} `) && name !== NAME)
    .map((name) => caches.delete(name)))).then(() => clients.claim())));
addEventListener("fetch", (event) => event.respondWith(
  caches.match(event.request).then((kept) => kept || fetch(event.request))));
