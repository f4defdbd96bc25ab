// Keeps what is typed and chosen until it is sent: it outlives a reload, a crash of the tab, and a change of the language.
//
// It is kept for this tab alone, in its session's storage; where a browser refuses that, as one without cookies does, in the
// page's entry in the tab's history.
//
// Needs: as `js=` of Gradio's events, with the names of the components (their ids),
// - `dreamina.keepDraft(part, names, values)`: at each change of one of them.
// - `dreamina.draftOf(part, names, choices)`: when the page is loaded, with the components as outputs. `choices` are what each
//   may hold, or null for anything.
// - `dreamina.dropDraft(part)`: when it was sent.
(() => {
  "use strict";

  const FIELD = "field-"; // begins the id of a field whose value a link may hold
  const restored = new Map(); // by part, whether a draft was found; before that, a part has its defaults, which are no draft
  const place = (part) => `dreamina_draft_${part}`;

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

  const isAllowed = (value, choices) => !choices || (Array.isArray(value) ? value : [value]).every((each) => choices.includes(each));

  Object.assign(dreamina, {
    keepDraft(part, names, values) {
      if (!restored.has(part)) return;
      const held = Object.fromEntries(names.map((name, at) => [name, values[at]]));
      write(part, JSON.stringify({ search: location.search, values: held }));
    },

    // What is undefined stays as it is. The settings in a link are newer than a draft from before that link.
    draftOf(part, names, choices) {
      const { search, values } = read(part) ?? { search: null, values: {} };
      restored.set(part, search === location.search);
      const linked = search === location.search ? new URLSearchParams() : new URLSearchParams(location.search);
      return names.map((name, at) => {
        // Behind the @ is the id of another model than the default.
        const value = linked.has(name.replace(FIELD, "").split("@")[0]) ? undefined : values[name];
        return value !== undefined && isAllowed(value, choices[at]) ? value : undefined;
      });
    },

    dropDraft: (part) => write(part, null),
    hasDraft: (part) => restored.get(part) ?? read(part)?.search === location.search,
  });
})();
