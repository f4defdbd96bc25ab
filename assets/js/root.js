// Calls the server under the address that the browser has the page from.
//
// A proxy may serve the page under a path, or by https, and not tell the server.
//
// Needs:
// - `gradio_config.root`: the address that the server believes in. Gradio's own script reads it later.
document.addEventListener("readystatechange", () => {
  if (document.readyState === "interactive" && window.gradio_config)
    window.gradio_config.root = new URL(".", location.href).href.replace(/\/$/, "");
});
