// What Gradio's HTML component does with a new value: it patches the old nodes by their position.
function patch(old, next) {
  if (old.nodeType !== next.nodeType || old.tagName !== next.tagName) return old.replaceWith(next.cloneNode(true));
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.textContent !== next.textContent) old.textContent = next.textContent;
    return;
  }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const [before, after] = [[...old.childNodes], [...next.childNodes]];
  for (let at = 0; at < Math.max(before.length, after.length); at++) {
    if (!before[at]) old.append(after[at].cloneNode(true));
    else if (!after[at]) before[at].remove();
    else patch(before[at], after[at]);
  }
}

window.draw = (selector, html) => {
  const old = document.querySelector(selector);
  const next = old.cloneNode(false);
  next.innerHTML = html;
  patch(old, next);
};
