// Runs axe-core on what it has not seen yet, with the same options and in the same window, in this document; gives its
// violations. It looks at parts, which are elements with an id: what one looks like may depend on the elements around it.
async (options) => {
  const looked = (window.axeLooked ??= new Map());
  const key = JSON.stringify([options, innerWidth, innerHeight]);
  if (!looked.has(key)) looked.set(key, new Set());
  const known = looked.get(key);
  const unchanged = [];
  const later = [];

  const tag = (node) => [node.tagName, ...[...node.attributes].map(({ name, value }) => `${name}=${value}`)].join(" ");
  const around = (node) => (node ? `${around(node.parentElement)} > ${tag(node)}` : "");
  const fields = (node) =>
    [...node.querySelectorAll("input, textarea, select")].map((field) => [field.value, field.checked, field.disabled]);

  function look(node) {
    const { width, height } = node.getBoundingClientRect();
    const text = JSON.stringify([around(node.parentElement), node.outerHTML, fields(node), width, height]);
    if (known.has(text)) unchanged.push(node);
    else later.push(text);
    for (const part of node.querySelectorAll("[id]")) {
      if (part.parentElement.closest("[id]") === node) look(part);
    }
  }
  for (const part of document.querySelectorAll("body [id]")) {
    if (!part.parentElement.closest("[id]")) look(part);
  }
  for (const text of later) known.add(text);
  const outermost = unchanged.filter((node) => !unchanged.some((other) => other !== node && other.contains(node)));
  const { violations } = await axe.run(outermost.length ? { include: [document], exclude: outermost } : document, options);
  return violations;
}
