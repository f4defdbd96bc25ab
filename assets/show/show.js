// Show mode: plays the slides of its page, one after the other, or up to four side by side in step. Nothing lies over the picture.
//
// Two places take turns: one shows a slide, the other loads the next one meanwhile, so that nothing stutters in between.
//
// Needs:
// - `dreamina` (dreamina.js), `dreamina.playInStep` (compare-playback.js); videos are loaded again by reload-media.js.
// - data-words, data-together, data-play: on the body; "yes" shows all side by side, "on" plays on from slide to slide.
// - .slide with data-kind, data-source, data-poster, data-name; .about in it, its prompt and settings.
// - data-part: the buttons, which are out of sight until they have the focus.
// - dialog.keys: the list of keys.
// Makes:
// - the message "dreamina:end" to the page whose frame this is in, when the person leaves.
(() => {
  "use strict";

  const { all, announce, find, make, prefersLessMotion, targetOf, wordsOf } = dreamina;
  const SWIPE = 48; // pixels
  const LEVEL = 0.7; // a swipe is twice as long as high
  let say;
  let slides;
  let at = 0;
  let playsOn = false; // to the next slide, instead of repeating this one
  let isMuted = false;
  let places;
  let playback = null; // of videos side by side
  let isStepPlaying = false;

  const slideAt = (index) => slides[(index + slides.length) % slides.length];
  const mediumOf = (place) => place.querySelector("video, audio, img");
  const front = () => mediumOf(places[0]);

  function load(place, slide) {
    if (place.dataset.source === slide.dataset.source) return;
    const { kind, source, poster, name } = slide.dataset;
    place.dataset.source = source;
    const medium = make(kind === "video" ? "video" : kind === "sound" ? "audio" : "img", { src: source });
    if (kind === "image") medium.alt = name;
    else {
      medium.setAttribute("aria-label", name);
      medium.preload = "auto";
      medium.playsInline = true;
      if (poster) medium.poster = poster;
      medium.addEventListener("ended", () => places[0] === place && playsOn && turn(1, false));
      // Phones load nothing more of a video that nobody has started: its poster is shown.
      medium.addEventListener("loadedmetadata", () => medium.paused && places[0] === place && reveal());
    }
    for (const name of ["playing", "loadeddata", "load", "error"]) medium.addEventListener(name, () => places[0] === place && reveal());
    place.replaceChildren(medium);
  }

  // The new slide comes into sight when it has something to show; until then the last one stays.
  function reveal() {
    places[0].classList.add("seen");
    places[1].classList.remove("seen");
    const last = mediumOf(places[1]);
    if (last?.pause) last.pause();
    load(places[1], slideAt(at + 1));
  }

  function turn(by, isWanted = true) {
    if (playback || !slides.length) return;
    const isLast = !isWanted && at + by >= slides.length;
    if (isLast) return announce(say("end"));
    const wasPaused = front()?.paused ?? false;
    at = (at + by + slides.length) % slides.length;
    places.reverse();
    load(places[0], slideAt(at));
    const medium = front();
    if (medium.play) {
      medium.currentTime = 0;
      medium.loop = !playsOn;
      medium.muted = isMuted;
      if (!wasPaused || !isWanted) play(medium);
    }
    if (medium.complete || medium.error || medium.readyState >= (medium.paused ? 1 : 2)) reveal();
    show();
  }

  async function play(medium) {
    try {
      await medium.play();
    } catch (problem) {
      if (problem.name !== "NotAllowedError" || medium.muted) return;
      // Browsers start no sound before the first key or click.
      medium.muted = true;
      await medium.play().catch(() => {});
    }
  }

  function show() {
    for (const about of all(".about")) about.hidden = !document.body.classList.contains("with-about") || !isShown(about);
    const { name } = slideAt(at).dataset;
    announce(playback ? say("together", { count: slides.length }) : say("place", { number: at + 1, count: slides.length, name }));
  }

  const isShown = (about) => Boolean(playback) || about.closest(".slide") === slideAt(at);

  const parts = {
    back: () => turn(-1),
    next: () => turn(1),
    first: () => turn(-at),
    last: () => turn(slides.length - 1 - at),
    play() {
      if (playback) {
        playback.toggle();
        isStepPlaying = !isStepPlaying;
        return announce(say(isStepPlaying ? "playing" : "paused"));
      }
      const medium = front();
      if (!medium.play) return turn(1); // a picture
      if (medium.paused) play(medium);
      else medium.pause();
      return announce(say(medium.paused ? "paused" : "playing"));
    },
    loop() {
      playsOn = !playsOn;
      if (!playback && front().play) front().loop = !playsOn;
      announce(say(playsOn ? "on" : "loop"));
    },
    about() {
      document.body.classList.toggle("with-about");
      show();
    },
    sound() {
      isMuted = !isMuted;
      for (const medium of all("video, audio")) if (!playback) medium.muted = isMuted;
      announce(say(isMuted ? "muted" : "loud"));
    },
    screen() {
      if (window.parent !== window) parts.end(); // the frame fills the screen
      else if (document.fullscreenElement) document.exitFullscreen();
      else document.documentElement.requestFullscreen?.().catch(() => {});
    },
    help: () => find("dialog.keys").showModal(),
    end() {
      if (window.parent !== window) window.parent.postMessage("dreamina:end", location.origin);
      else if (document.fullscreenElement) document.exitFullscreen();
      else history.back();
    },
  };
  // PageUp and PageDown are what presenters' remotes send, and the full stop or B where they have a third button.
  const KEYS = {
    ArrowRight: "next", ArrowDown: "next", PageDown: "next", ArrowLeft: "back", ArrowUp: "back", PageUp: "back",
    Home: "first", End: "last", " ": "play", ".": "play", b: "play", l: "loop", i: "about", m: "sound", f: "screen",
    "?": "help", Escape: "end",
  };

  function pressKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
    const isOnButton = targetOf(event)?.closest("button") && (event.key === " " || event.key === "Enter");
    const part = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!part || isOnButton || (event.repeat && part !== "next" && part !== "back")) return;
    event.preventDefault();
    parts[part]();
  }

  function listenToFingers() {
    let start = null;
    document.addEventListener("touchstart", ({ touches }) => {
      start = touches.length === 1 ? touches[0] : null;
    }, { passive: true });
    document.addEventListener("touchend", ({ changedTouches: [end] }) => {
      if (!start) return;
      const [across, down] = [end.clientX - start.clientX, end.clientY - start.clientY];
      start = null;
      if (Math.abs(across) > SWIPE && Math.abs(across) * LEVEL > Math.abs(down)) turn(across < 0 ? 1 : -1);
    });
  }

  function playTogether() {
    document.body.classList.add("together");
    const videos = slides.map((slide) => {
      const { source, poster, name } = slide.dataset;
      const video = make("video", { src: source, poster, preload: "auto", playsinline: "", "aria-label": name });
      video.muted = true;
      slide.prepend(video);
      return video;
    });
    playback = dreamina.playInStep(videos, () => {});
    isStepPlaying = !prefersLessMotion();
    playback.start(isStepPlaying);
  }

  function begin() {
    say = wordsOf(document.body);
    slides = all(".slide");
    playsOn = document.body.dataset.play === "on";
    for (const link of all(".slide > a")) link.remove();
    document.body.classList.add("ready");
    if (document.body.dataset.together === "yes" && slides.every((slide) => slide.dataset.kind === "video")) playTogether();
    else {
      places = [0, 1].map(() => find("main").appendChild(make("div", { "class": "place" })));
      load(places[0], slides[0]);
      const medium = front();
      if (medium.play) {
        medium.loop = !playsOn;
        if (!prefersLessMotion()) play(medium);
      }
    }
    document.addEventListener("keydown", pressKey);
    document.addEventListener("click", (event) => {
      const button = targetOf(event)?.closest("[data-part]");
      if (button) parts[button.dataset.part]();
      else if (!targetOf(event)?.closest("dialog, .about")) parts.play();
    });
    listenToFingers();
    show();
  }

  begin();
})();
