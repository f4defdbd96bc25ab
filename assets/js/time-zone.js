// Tells the server the browser's time zone by a cookie: the names of downloads begin with the day where the person is.
//
// Needs:
// - `dreamina.tellZone()`: before the page asks for what has a time or a name, but after the form is drawn: the first
//   question for the time zone takes the browser a while.
(() => {
  "use strict";

  const COOKIE = "dreamina_zone";

  dreamina.tellZone = () => {
    const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "");
    if (zone && !document.cookie.split("; ").includes(`${COOKIE}=${zone}`)) dreamina.keepCookie(COOKIE, zone);
  };
})();
