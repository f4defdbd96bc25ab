// Keeps browsers from offering to save the API key: Gradio gives a password field an empty `autocomplete`.
//
// Needs:
// - #key: Gradio's field for the visitor's own key.
(() => {
  "use strict";

  document.addEventListener("focusin", (event) => {
    if (dreamina.targetOf(event)?.matches("#key input")) event.target.setAttribute("autocomplete", "off");
  });
})();
