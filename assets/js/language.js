// Changes the page's language: keeps the choice in a cookie, which the server prefers to the browser's language, and reloads.
//
// Needs:
// - data-language="de": on the button of a language.
(() => {
  "use strict";

  const COOKIE = "dreamina_language";
  const YEAR_S = 31536000;

  document.addEventListener("click", (event) => {
    const button = dreamina.targetOf(event)?.closest("[data-language]");
    if (!button) return;
    // In a frame of another site, as on a Space, browsers keep only a cookie with these marks, and only over https.
    const site = location.protocol === "https:" ? "; Secure; SameSite=None; Partitioned" : "; SameSite=Lax";
    document.cookie = `${COOKIE}=${button.dataset.language}; Path=${new URL(".", location.href).pathname}; Max-Age=${YEAR_S}${site}`;
    location.reload();
  });
})();
