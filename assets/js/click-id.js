// Gives each click that costs money an id, so that the server makes only one job for a double click or a repeated request.
//
// Needs:
// - `js="window.dreamina.withClickId"`: on a Gradio event whose last input takes the id.
// - the event `dreamina:unanswered` (connection.js).
(() => {
  "use strict";

  const SAME_CLICK_MS = 1000;
  const given = new Set();
  const unanswered = new Map(); // values → the id of a click with them, of which nobody knows whether it has arrived
  let last = { id: "", values: "", at: -Infinity };

  // The same values within a second are the same click, and so they are after a click without an answer. Others are another one.
  function idOf(values) {
    const now = performance.now();
    const isSame = values === last.values && now - last.at <= SAME_CLICK_MS;
    const id = isSame ? last.id : unanswered.get(values) ?? randomId();
    unanswered.delete(values);
    last = { id, values, at: now };
    given.add(id);
    return id;
  }

  function randomId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  document.addEventListener("dreamina:unanswered", ({ detail }) => {
    if (detail === last.id) unanswered.set(last.values, detail);
  });

  Object.assign(dreamina, {
    withClickId: (...values) => [...values.slice(0, -1), idOf(JSON.stringify(values.slice(0, -1)))],
    isClick: (values) => given.has(values.at(-1)),
  });
})();
