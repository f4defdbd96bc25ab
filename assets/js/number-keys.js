// Lets the arrow keys count in the fields for numbers. They are text fields, so that the wheel does not change them.
//
// Needs:
// - .counts.step-<number>: around a field, with what a key adds; "_" stands for the decimal point.
(() => {
  "use strict";

  const WHOLE = /^[-+]?\d+$/;

  function counted(text, step, sign) {
    // Whole numbers of any size are exact.
    if (WHOLE.test(text) && Number.isInteger(step)) return String(BigInt(text) + BigInt(sign * step));
    const number = Number(text);
    const digits = (part) => String(part).split(".")[1]?.length ?? 0;
    return text && Number.isFinite(number) ? (number + sign * step).toFixed(Math.max(digits(text), digits(step))) : text;
  }

  document.addEventListener("keydown", (event) => {
    const sign = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const box = dreamina.targetOf(event);
    const field = sign && box?.matches("input") && box.closest(".counts");
    if (!field || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    const [, step] = /(?:^| )step-(\S+)/.exec(field.className);
    box.value = counted(box.value.trim(), Number(step.replace("_", ".")), sign);
    // Gradio takes the text over at this event.
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
