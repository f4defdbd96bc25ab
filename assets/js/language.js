// Changes the page's language: stores it in a cookie, which the server prefers to the browser's language, and reloads the page.
//
// Needs:
// - data-language="de": on the button of a language.
(() => {
  "use strict";

  const COOKIE = "dreamina_language";

  document.addEventListener("click", (event) => {
    const button = dreamina.targetOf(event)?.closest("[data-language]");
    if (!button) return;
    dreamina.keepCookie(COOKIE, button.dataset.language);
    location.reload();
  });
})();
