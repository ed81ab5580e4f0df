// Finds ops in both graphs by type, layer name or tensor name.

const MOST = 40;

class Search {
  constructor(views) {
    this.views = views;
    this.index = views.flatMap((view) => view.graph.ops.map((op, id) => ({ view, id, op,
      text: [op.type, op.name, ...op.outputs.map((tensor) => view.graph.tensors[tensor].name)].join("\n").toLowerCase() })));
    this.input = element("input", { type: "search", id: "search", placeholder: "Find an op, layer or tensor", autocomplete: "off", spellcheck: "false",
      role: "combobox", "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list", "aria-label": "Find an op in both graphs",
      oninput: () => this.find(), onkeydown: (event) => this.key(event), onfocus: () => this.find() });
    this.list = element("ul", { id: "found", role: "listbox", "aria-label": "Ops found", hidden: true });
    this.status = element("span", { class: "soft", role: "status" });
    this.host = element("div", { class: "search" }, this.input, this.list, this.status);
    this.active = -1;
    document.addEventListener("pointerdown", (event) => this.host.contains(event.target) || this.close());
    document.addEventListener("keydown", (event) => {
      const typing = /^(input|textarea|select)$/i.test(document.activeElement.tagName);
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.input.focus();
    });
  }

  find() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.found = words.length ? this.index.filter(({ text }) => words.every((word) => text.includes(word))) : [];
    for (const view of this.views) {
      view.hits = new Set(this.found.filter((entry) => entry.view === view).map((entry) => entry.id));
      view.mark();
    }
    this.status.textContent = words.length ? `${plural(this.found.length, "op")} found` : "";
    this.active = this.found.length ? 0 : -1;
    this.list.replaceChildren(...this.found.slice(0, MOST).map((entry, k) => this.option(entry, k)));
    this.list.hidden = !this.found.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.highlight();
  }

  option({ view, id, op }, k) {
    return element("li", { role: "option", id: `found-${k}`, onclick: () => this.choose(k) }, element("span", { class: "where" }, view.side),
      element("strong", {}, op.type), ` ${op.name}`);
  }

  highlight() {
    [...this.list.children].forEach((option, k) => option.setAttribute("aria-selected", String(k === this.active)));
    if (this.active >= 0) {
      this.input.setAttribute("aria-activedescendant", `found-${this.active}`);
      this.list.children[this.active].scrollIntoView({ block: "nearest" });
    } else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const shown = this.list.hidden ? 0 : this.list.children.length;
    if (event.key === "Escape") {
      this.input.value = "";
      this.find();
    } else if (event.key === "Enter" && this.active >= 0) this.choose(this.active);
    else if (shown && event.key === "ArrowDown") this.active = (this.active + 1) % shown;
    else if (shown && event.key === "ArrowUp") this.active = (this.active + shown - 1) % shown;
    else return;
    event.preventDefault();
    this.highlight();
  }

  choose(k) {
    const { view, id } = this.found[k];
    this.active = k;
    this.close();
    view.hooks.shown(view);
    view.reveal(id);
    view.focus(`op:${id}`);
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }
}
