// Signals the end of a job by a sound and, while the tab is hidden, by a notification, if the person has turned this on.
//
// Needs:
// - #notify: the button that turns it on and off; aria-pressed is its state.
// - .stage-prompt: the prompt, for the notification's text.
// - the event `dreamina:ended` (title.js).
(() => {
  "use strict";

  const { find, observe, loadValue, saveValue, targetOf, writeAttribute } = dreamina;
  const STORED = "dreamina_notify";
  let audio = null;

  const isOn = () => loadValue(STORED) === "yes";
  const show = () => writeAttribute(find("#notify"), "aria-pressed", String(isOn()));

  async function toggle() {
    saveValue(STORED, isOn() ? "no" : "yes");
    show();
    if (!isOn()) return;
    playSound(true); // so that the person knows the sound
    if (window.Notification && Notification.permission === "default") await Notification.requestPermission();
  }

  // Browsers let a page play sounds only after a click or a key.
  function wakeAudio() {
    if (!window.AudioContext) return;
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume().catch(() => {});
  }

  function playSound(isReady) {
    wakeAudio();
    if (!audio) return;
    const tones = isReady ? [587.33, 880] : [440, 329.63];
    tones.forEach((frequency, index) => {
      const from = audio.currentTime + 0.03 + index * 0.16;
      const tone = new OscillatorNode(audio, { type: "sine", frequency });
      const loudness = new GainNode(audio, { gain: 0 });
      loudness.gain.setValueAtTime(0, from);
      loudness.gain.linearRampToValueAtTime(0.12, from + 0.03);
      loudness.gain.exponentialRampToValueAtTime(0.0001, from + 0.55);
      tone.connect(loudness).connect(audio.destination);
      tone.start(from);
      tone.stop(from + 0.6);
    });
  }

  function notify({ job, words, line }) {
    if (!document.hidden || !window.Notification || Notification.permission !== "granted") return;
    const prompt = find(".stage-prompt")?.textContent ?? "";
    try {
      const shown = new Notification(words, {
        body: [line, prompt].filter(Boolean).join("\n").slice(0, 200),
        tag: job,
        icon: find("link[rel~=icon]")?.href ?? "",
      });
      shown.onclick = () => {
        window.focus();
        shown.close();
      };
    } catch {
      // Android shows notifications only through a service worker; the sound and the title remain.
    }
  }

  document.addEventListener("dreamina:ended", ({ detail }) => {
    if (!isOn()) return;
    playSound(detail.isReady);
    notify(detail);
  });
  document.addEventListener("click", (event) => targetOf(event)?.closest("#notify") && toggle());
  for (const name of ["pointerdown", "keydown"]) {
    document.addEventListener(name, () => isOn() && wakeAudio(), { capture: true, passive: true });
  }
  observe(show, "aria-pressed");
})();
