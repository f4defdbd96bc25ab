// What the layout tests look at; gives the faults of the page as it is, one line each.
() => {
  const dialog = document.querySelector("dialog[open]");
  // A dialog, or a bar at the foot of the window, covers the rest by design: of a dialog, its own content is looked at.
  const covers = "dialog, .picked-bar, .undo-bar";
  // Lies on a picture or a video, or in the empty part of an upload area, by design; or is for ears only.
  const meant = ".visually-hidden, .poster-pick, .poster-star, .poster-state, .variation span, .compare-letter, label.float, #player .controls";
  // Boxes that scroll by themselves or end in an ellipsis may hold more than they show.
  const mayHide = ".batch-scroll, .poster-prompt, textarea, dialog";
  const CONTROL = "a[href], button, input:not([type=file]), textarea, select, [role=tab], video";

  const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim());
  const isSeen = (node) =>
    node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !node.closest(`svg, footer, ${meant}`);
  const name = (node) =>
    `<${node.tagName.toLowerCase()} #${node.closest("[id]")?.id ?? ""} .${node.className}> ${node.textContent.trim().slice(0, 30)}`;

  // What an ancestor and its own ancestors leave of the page; each is asked once.
  const windows = new Map();
  function windowOf(node) {
    if (!node || node === document.body) return { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity };
    if (!windows.has(node)) {
      const outer = windowOf(node.parentElement);
      const style = getComputedStyle(node);
      const isOpen = style.overflowX === "visible" && style.overflowY === "visible";
      windows.set(node, isOpen ? outer : common(outer, node.getBoundingClientRect()));
    }
    return windows.get(node);
  }
  const common = (one, two) => ({
    left: Math.max(one.left, two.left),
    top: Math.max(one.top, two.top),
    right: Math.min(one.right, two.right),
    bottom: Math.min(one.bottom, two.bottom),
  });
  // The part of a node's box that its ancestors do not cut away.
  const shownPart = (node) => common(windowOf(node.parentElement), node.getBoundingClientRect());

  const seen = [...(dialog ?? document.querySelector(".gradio-container")).querySelectorAll("*")]
    .filter((node) => (node.matches(CONTROL) || hasText(node)) && isSeen(node) && (dialog || !node.closest(covers)))
    .map((node) => ({ node, whole: node.getBoundingClientRect(), box: shownPart(node) }));
  const shown = seen.filter(({ box }) => box.right - box.left > 1 && box.bottom - box.top > 1);
  const found = [];

  const { scrollWidth } = document.scrollingElement;
  if (scrollWidth > innerWidth) found.push(`scrolls sideways: ${scrollWidth} in ${innerWidth}`);

  for (const [at, one] of shown.entries()) {
    for (let next = at + 1; next < shown.length; next++) {
      const two = shown[next];
      const wide = Math.min(one.box.right, two.box.right) - Math.max(one.box.left, two.box.left);
      const high = Math.min(one.box.bottom, two.box.bottom) - Math.max(one.box.top, two.box.top);
      if (wide <= 2 || high <= 2 || one.node.contains(two.node) || two.node.contains(one.node)) continue;
      found.push(`overlap: ${name(one.node)} and ${name(two.node)}: ${wide.toFixed()} × ${high.toFixed()}`);
    }
  }

  for (const { node, whole, box } of seen) {
    if (!whole.width || node.closest(mayHide)) continue;
    const isOutside = whole.left < -1 || whole.right > innerWidth + 1;
    const isCut = box.right < whole.right - 1 || box.bottom < whole.bottom - 1;
    if (isOutside || isCut) found.push(`cut off: ${name(node)}: ${[whole.right, box.right, whole.bottom, box.bottom].map(Math.round)}`);
  }
  // A label belongs to what is below it: there is room between it and the control above.
  const controls = shown
    .filter(({ node }) => node.matches(CONTROL))
    .map(({ node }) => ({ node, box: (node.closest("label") ?? node).getBoundingClientRect() }));
  const labels = [...document.querySelectorAll("[data-testid=block-info]")].filter((node) => !dialog && isSeen(node));
  for (const [node, box] of labels.map((node) => [node, node.getBoundingClientRect()])) {
    for (const above of controls) {
      const room = box.top - above.box.bottom;
      const isBeside = above.box.right <= box.left || above.box.left >= box.right;
      if (!isBeside && room > -3 && room < 4) found.push(`touches: ${name(above.node)} and ${name(node)}: ${room.toFixed(1)}`);
    }
  }

  const boxOf = (selector, within = document) => within.querySelector(selector)?.getBoundingClientRect();
  for (const poster of dialog ? [] : document.querySelectorAll(".posters .poster")) {
    const room = poster.getBoundingClientRect().bottom - boxOf(".poster-prompt", poster).bottom;
    if (room < 4) found.push(`no room below: ${name(poster)}: ${room.toFixed(1)}`);
  }
  for (const row of dialog ? [] : document.querySelectorAll(".stage-actions")) {
    const [first] = [...row.querySelectorAll("button, a")].filter(isSeen);
    if (!first) continue;
    const aside = first.getBoundingClientRect().left - row.getBoundingClientRect().left;
    if (Math.abs(aside) > 1) found.push(`not aligned: ${name(first)}: ${aside.toFixed(1)}`);
  }
  const [bell, sign] = [boxOf("#notify"), boxOf("#notify svg")];
  if (!dialog && bell?.width) {
    const off = [sign.left + sign.right - bell.left - bell.right, sign.top + sign.bottom - bell.top - bell.bottom];
    if (off.some((twice) => Math.abs(twice) > 2)) found.push(`not centred: the bell: ${off}`);
  }

  // One sentence is shown once.
  const said = [...document.querySelectorAll(".stage :is(.lead, .note, .status-words, .field-problem)")].filter(isSeen);
  const sentences = said.map((node) => node.textContent.trim()).filter(Boolean);
  for (const twice of sentences.filter((text, at) => sentences.indexOf(text) !== at)) found.push(`said twice: ${twice}`);
  return found;
}
