// Keeps what is typed and chosen until it is sent: it outlives a reload, a crash of the tab, and a change of the language.
//
// It is kept for this tab alone, in its session's storage; where a browser refuses that, it lasts as long as the page.
//
// Needs: as `js=` of Gradio's events, with the names of the components (their ids),
// - `dreamina.keepDraft(part, names, values)`: at each change of one of them.
// - `dreamina.draftOf(part, names, choices)`: when the page is loaded, with the components as outputs. `choices` are what each
//   may hold, or null for anything.
// - `dreamina.dropDraft(part)`: when it was sent.
(() => {
  "use strict";

  const FIELD = "field-"; // begins the id of a field whose value a link may hold
  const restored = new Set(); // before that, a part has its defaults, which are no draft
  const place = (part) => `dreamina_draft_${part}`;

  function read(part) {
    try {
      return JSON.parse(sessionStorage.getItem(place(part)));
    } catch {
      return null;
    }
  }

  function change(act) {
    try {
      act(sessionStorage);
    } catch {
      // Refused, or full: the page works without.
    }
  }

  const isAllowed = (value, choices) => !choices || (Array.isArray(value) ? value : [value]).every((each) => choices.includes(each));

  Object.assign(dreamina, {
    keepDraft(part, names, values) {
      if (!restored.has(part)) return;
      const held = Object.fromEntries(names.map((name, at) => [name, values[at]]));
      change((storage) => storage.setItem(place(part), JSON.stringify({ search: location.search, values: held })));
    },

    // What is undefined stays as it is. The settings in a link are newer than a draft from before that link.
    draftOf(part, names, choices) {
      const { search, values } = read(part) ?? { search: "", values: {} };
      restored.add(part);
      const linked = search === location.search ? new URLSearchParams() : new URLSearchParams(location.search);
      return names.map((name, at) => {
        const value = linked.has(name.replace(FIELD, "")) ? undefined : values[name];
        return value !== undefined && isAllowed(value, choices[at]) ? value : undefined;
      });
    },

    dropDraft: (part) => change((storage) => storage.removeItem(place(part))),
    hasDraft: (part) => read(part)?.search === location.search,
  });
})();
