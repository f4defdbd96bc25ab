// Where the focus is: whose box, whether the place is marked to be seen, and in which part of the page; null = nowhere.
() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;

  // The mark may be around the node, or around the box that is drawn for it.
  const boxes = [node, ...[".poster", ".wrap", "label", ".container"].map((name) => node.closest(name))].filter(Boolean);
  const looks = () =>
    boxes.map((box) => {
      const { outlineStyle, outlineWidth, outlineColor, boxShadow } = getComputedStyle(box);
      return `${outlineStyle === "none" ? "" : outlineStyle + outlineWidth + outlineColor} ${boxShadow}`;
    });
  const marked = looks();
  node.blur();
  const plain = looks();
  node.focus();

  const box = node.getBoundingClientRect();
  const [left, top] = [box.x + scrollX, box.y + scrollY];
  const { scrollWidth, scrollHeight } = document.documentElement;
  return {
    name: `${node.tagName.toLowerCase()} #${node.closest("[id]")?.id} .${node.className}`,
    part: ["header", "compose", "stage", "examples", "filters", "history"].find((name) => node.closest(`.${name}`)) ?? "",
    isVisible: box.width >= 1 && box.height >= 1 && left > -1 && top > -1 && left + box.width <= scrollWidth + 1 && top + box.height <= scrollHeight + 1,
    isMarked: marked.some((look, at) => look !== plain[at]),
    isPrompt: Boolean(node.closest("#field-prompt")),
    isRatio: Boolean(node.closest("#field-aspect_ratio")),
    isDownload: node.matches("a[download]"),
  };
}
