// The page calls the server under the address that the browser has it from: a proxy may serve it under a path, or by https, that
// the server was not told. Needs nothing of the page.
document.addEventListener("readystatechange", () => {
  // Gradio's own script reads its configuration after this.
  if (document.readyState === "interactive" && window.gradio_config)
    window.gradio_config.root = new URL(".", location.href).href.replace(/\/$/, "");
});
