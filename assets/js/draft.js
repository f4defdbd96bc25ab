// Keeps what is typed and chosen until it is sent: it outlives a reload, a crash of the tab, and a change of the language.
//
// It is kept for this tab alone, in its session's storage; where a browser refuses that, as one without cookies does, in the
// page's entry in the tab's history. A draft is put into Gradio's description of the page before Gradio reads it: no form without
// it is ever drawn, so nothing can be typed that it would replace, and no default be kept in its place.
//
// Needs:
// - `gradio_config.dreamina.drafts`: by part of the page, the components by their names (their elements' ids).
// - `gradio_config.dreamina.forms`: the component that picks a model, the one that says whose form is `shown`, the `groups` with the
//   forms by model, and the parameter by which a link names one (`linked`, or null).
// As `js=` of Gradio's events:
// - `dreamina.restored(part)`: when the page is loaded.
// - `dreamina.keepDraft(part, values)`: at each change of a component of this part, with the values of all.
// - `dreamina.dropDraft(part)`: when it was sent.
(() => {
  "use strict";

  const FIELD = "field-"; // begins the id of a field whose value a link may hold
  const restored = new Map(); // by part, whether it has another content than its defaults
  const current = new Map(); // by part, whether its draft is newer than the settings in the link
  const open = new Set(); // the parts that can be changed: before that, Gradio may tell of changes that nobody made
  const place = (part) => `dreamina_draft_${part}`;
  const told = () => window.gradio_config?.dreamina;

  function read(part) {
    const name = place(part);
    let text = history.state?.[name] ?? null;
    try {
      text = sessionStorage.getItem(name);
    } catch {
      // Refused.
    }
    return JSON.parse(text);
  }

  // Without a text, the draft is taken away.
  function write(part, text) {
    const name = place(part);
    const places = [
      () => (text ? sessionStorage.setItem(name, text) : sessionStorage.removeItem(name)),
      () => history.replaceState({ ...history.state, [name]: text }, ""),
    ];
    for (const put of places) {
      try {
        put();
        return;
      } catch {
        // Refused, full, or, in the history, too often: the next place; the page works without any.
      }
    }
  }

  // Behind the @ is the id of another model than the default.
  const fieldOf = (name) => name.replace(FIELD, "").split("@")[0];

  function isAllowed(value, { choices, allow_custom_value: isOpen }) {
    if (value === undefined || !choices || isOpen) return value !== undefined;
    return (Array.isArray(value) ? value : [value]).every((each) => choices.some(([, choice]) => choice === each));
  }

  function putDraft(part, components, propsOf) {
    const { search, values } = read(part) ?? { search: null, values: {} };
    current.set(part, search === location.search);
    // The settings in a link are newer than a draft from before that link.
    const linked = current.get(part) ? new URLSearchParams() : new URLSearchParams(location.search);
    for (const [name, id] of Object.entries(components)) {
      const props = propsOf.get(id);
      if (linked.has(fieldOf(name)) || !props || !isAllowed(values[name], props)) continue;
      props.value = values[name];
      restored.set(part, true);
    }
  }

  // The form of the model that the draft or the link names.
  function putForm({ picker, shown, groups, linked }, propsOf) {
    const picked = propsOf.get(picker);
    const named = linked && !current.get("form") ? new URLSearchParams(location.search).get(linked) : null;
    if (Object.hasOwn(groups, named ?? "")) picked.value = named;
    const before = propsOf.get(shown).value;
    if (picked.value === before || !Object.hasOwn(groups, picked.value)) return;
    propsOf.get(shown).value = picked.value;
    for (const [model, id] of Object.entries(groups)) propsOf.get(id).visible = model === picked.value;
    // The price and the batch depend on the model.
    for (const part of current.keys()) restored.set(part, true);
  }

  document.addEventListener("readystatechange", () => {
    if (document.readyState !== "interactive" || !told()) return;
    const propsOf = new Map(window.gradio_config.components.map(({ id, props }) => [id, props]));
    for (const [part, components] of Object.entries(told().drafts)) putDraft(part, components, propsOf);
    putForm(told().forms, propsOf);
  });

  Object.assign(dreamina, {
    // Returns the new value of a component on whose change depends what all these components make.
    keepDraft(part, values) {
      if (open.has(part)) {
        const names = Object.keys(told().drafts[part]);
        const held = Object.fromEntries(names.map((name, at) => [name, values[at]]));
        write(part, JSON.stringify({ search: location.search, values: held }));
      }
      return String(Math.random());
    },

    // The new value of a component, so that what depends on a draft is asked for; undefined changes nothing.
    restored(part) {
      open.add(part);
      return restored.get(part) ? "yes" : undefined;
    },

    dropDraft: (part) => write(part, null),
    hasDraft: (part) => current.get(part) ?? false,
    isRestored: (part) => restored.get(part) ?? false,
  });
})();
