// What is known about the selected op or module.

class Details {
  constructor(data, views) {
    Object.assign(this, { data, views });
    this.host = element("section", { class: "details", "aria-label": "Selection", "aria-live": "polite" });
    this.nothing();
  }

  nothing() {
    this.host.replaceChildren(element("h3", {}, "Selection"), element("p", { class: "soft" },
      "Choose an op to see its attributes, tensors and layouts, or a module to open it. The op that it corresponds to in the other graph is shown too."));
  }

  show(view, key) {
    const [kind, id] = key.split(":");
    this.host.replaceChildren(...(kind === "op" ? this.op(view, Number(id)) : this.module(view, Number(id))));
  }

  module(view, id) {
    const level = view.graph.levels[id];
    const ops = view.graph.ops.filter((op, k) => view.above.ops[k].includes(id));
    const counts = new Map();
    for (const op of ops) counts.set(op.type, (counts.get(op.type) || 0) + 1);
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    return [element("h3", {}, level.label), element("p", { class: "soft" }, `Module of the ${view.side} with ${plural(level.ops, "op")}`),
      this.list("Ops", sorted.map(([type, count]) => [`${count} × ${type}`]))];
  }

  op(view, id) {
    const op = view.graph.ops[id];
    const tensors = (numbers) => numbers.map((number) => this.tensor(view.graph.tensors[number]));
    const parts = [element("h3", {}, op.end ? `${op.end === "input" ? "Input" : "Output"} of the ${view.side}` : op.type),
      element("p", { class: "name" }, breakable(op.name), op.layer_type && op.layer_type !== op.type ? ` (${op.layer_type} in the source)` : "")];
    if (op.transpose >= 0) parts.push(this.transpose(this.data.transposes[op.transpose]));
    const layer = this.layer(view, op);
    if (layer) parts.push(layer);
    parts.push(this.list("Attributes", op.text.map((line) => [element("code", {}, line)])), this.list("Reads", tensors(op.inputs)),
      this.list("Constants", op.constants.map((text) => [breakable(text)])), this.list("Makes", tensors(op.outputs)),
      this.list("Made by passes", op.passes.length ? [[op.passes.join(" → ")]] : []), this.twins(view, op));
    return parts.filter(Boolean);
  }

  transpose({ explanation, bytes }) {
    return element("div", { class: "why" }, element("strong", {}, "Why this transpose is left"), element("p", {}, breakable(explanation)),
      element("p", { class: "soft" }, `It moves ${bytesText(bytes)} in one run.`));
  }

  layer(view, op) {
    const { layers } = this.data;
    if (!layers) return null;
    const made = new Set(op.outputs.map((number) => view.graph.tensors[number].name));
    const k = layers.records.findIndex((record) => made.has(record.tensor));
    if (k < 0) return null;
    const text = `Error of its result: ${errorText(layers.records[k].error)}`;
    return element("div", { class: k === layers.culprit ? "why" : "fact" }, k === layers.culprit
      ? element("strong", {}, "The first op whose result is off although what it reads is right") : null, element("p", {}, text));
  }

  tensor(tensor) {
    const order = tensor.order ? `stored as ${tensor.order}` : "";
    return [element("span", { class: `dot ${tensor.kind}`, title: KINDS[tensor.kind] }), element("code", {}, tensor.type),
      element("div", { class: "under" }, breakable(tensor.name), order ? element("span", { class: "soft" }, ` ${order}`) : null)];
  }

  twins(view, op) {
    const other = this.views[view.side === "source" ? "result" : "source"];
    if (!op.twins.length) {
      const text = view.side === "source" ? "None of its own: folded into constants or another op, or it only renames axes." : "None: the conversion added it.";
      return this.list(`In the ${other.side}`, [[text]]);
    }
    return this.list(`In the ${other.side}`, op.twins.map((twin) => {
      const { type, name } = other.graph.ops[twin];
      return [element("button", { type: "button", class: "link", onclick: () => other.reveal(twin) }, `${type} `, breakable(name))];
    }));
  }

  list(title, rows) {
    if (!rows.length) return null;
    return element("div", {}, element("h4", {}, title), element("ul", {}, ...rows.map((row) => element("li", {}, ...row.filter(Boolean)))));
  }
}
