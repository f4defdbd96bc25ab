// The account: Gradio gives a password field an empty `autocomplete`, with which a browser would offer to keep the key.
(() => {
  "use strict";

  document.addEventListener("focusin", ({ target }) => {
    if (target instanceof Element && target.matches("#key input")) target.setAttribute("autocomplete", "off");
  });
})();
