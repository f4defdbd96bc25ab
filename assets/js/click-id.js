// Gives each click that costs money an id, so that the server makes only one job for a double click or a repeated request.
//
// Needs:
// - `js="window.dreamina.withClickId"`: on a Gradio event whose last input takes the id.
(() => {
  "use strict";

  const SAME_CLICK_MS = 1000;
  let last = { id: "", values: "", at: -Infinity };

  // The same values within a second are the same click. Other values are another one.
  function idOf(values) {
    const now = performance.now();
    const isSame = values === last.values && now - last.at <= SAME_CLICK_MS;
    last = { id: isSame ? last.id : randomId(), values, at: now };
    return last.id;
  }

  function randomId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  dreamina.withClickId = (...values) => [...values.slice(0, -1), idOf(JSON.stringify(values.slice(0, -1)))];
})();
