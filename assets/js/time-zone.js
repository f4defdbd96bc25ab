// Tells the server the browser's time zone by a cookie: the names of downloads begin with the day where the person is.
//
// Needs:
// - nothing of the page.
(() => {
  "use strict";

  const COOKIE = "dreamina_zone";
  const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "");

  if (zone && !document.cookie.split("; ").includes(`${COOKIE}=${zone}`)) dreamina.keepCookie(COOKIE, zone);
})();
