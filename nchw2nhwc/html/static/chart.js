// The errors along the network, on a logarithmic scale.

const HEIGHT = 260;
const EDGES = { left: 58, right: 16, top: 22, bottom: 34 };

class ErrorChart {
  constructor(layers, choose) {
    Object.assign(this, { layers, choose });
    this.active = layers.culprit >= 0 ? layers.culprit : 0;
    this.svg = shape("svg", { class: "chart", tabindex: "0", role: "slider", "aria-label": "Error of every layer's result, along the network",
      "aria-valuemin": "1", "aria-valuemax": String(layers.records.length), onkeydown: (event) => this.key(event) });
    this.text = element("p", { class: "reading" });
    const { records, culprit } = layers;
    const worst = culprit >= 0 ? `The first op that is off is ${records[culprit].type} ${records[culprit].layer}.` : "No op is off although what it reads is right.";
    this.host = element("div", {}, element("p", {}, breakable(worst)), this.svg, this.text, this.table());
    const errors = records.map((record) => record.error).filter((error) => error > 0);
    this.low = Math.floor(Math.log10(Math.min(1e-7, ...errors)));
    this.high = Math.max(this.low + 2, Math.ceil(Math.log10(Math.max(layers.tolerance, ...errors))));
    this.svg.addEventListener("pointermove", (event) => this.hover(event));
    this.svg.addEventListener("click", () => this.choose(records[this.active].tensor));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  x(k) {
    const room = this.svg.clientWidth - EDGES.left - EDGES.right;
    return EDGES.left + (this.layers.records.length > 1 ? (room * k) / (this.layers.records.length - 1) : room / 2);
  }

  // Errors of 0 stand on the lower edge, those that are not a number on the upper one.
  y(error) {
    const exponent = error === null ? this.high : Math.max(this.low, Math.log10(error));
    return EDGES.top + ((HEIGHT - EDGES.top - EDGES.bottom) * (this.high - exponent)) / (this.high - this.low);
  }

  draw() {
    const width = this.svg.clientWidth;
    if (!width) return;
    const { records, culprit, tolerance } = this.layers;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const parts = [];
    const every = Math.ceil((this.high - this.low) / 8);
    for (let power = this.low; power <= this.high; power += every) {
      const y = round(this.y(10 ** power));
      parts.push(shape("line", { class: "grid", x1: EDGES.left, x2: width - EDGES.right, y1: y, y2: y }),
        shape("text", { class: "tick", x: EDGES.left - 8, y: y + 4, "text-anchor": "end" }, power === this.low ? "0" : `1e${power}`));
    }
    const limit = round(this.y(tolerance));
    parts.push(shape("line", { class: "limit", x1: EDGES.left, x2: width - EDGES.right, y1: limit, y2: limit }),
      shape("text", { class: "tick", x: width - EDGES.right, y: limit - 5, "text-anchor": "end" }, `allowed for an output: ${tolerance}`),
      shape("text", { class: "tick", x: EDGES.left, y: HEIGHT - 10 }, "first layer"),
      shape("text", { class: "tick", x: width - EDGES.right, y: HEIGHT - 10, "text-anchor": "end" }, "last layer"),
      shape("polyline", { class: "line", points: records.map((record, k) => `${round(this.x(k))},${round(this.y(record.error))}`).join(" ") }));
    records.forEach((record, k) => {
      if (record.error === null || records.length <= 150) parts.push(this.point(record, k));
    });
    if (culprit >= 0) {
      const [x, y] = [round(this.x(culprit)), round(this.y(records[culprit].error))];
      const right = x > width / 2;
      parts.push(shape("line", { class: "culprit", x1: x, x2: x, y1: EDGES.top - 6, y2: HEIGHT - EDGES.bottom }),
        shape("circle", { class: "culprit", cx: x, cy: y, r: 5 }),
        shape("text", { class: "culprit", x: x + (right ? -8 : 8), y: EDGES.top - 8, "text-anchor": right ? "end" : "start" },
          shortened(`${records[culprit].type} ${records[culprit].layer}`, Math.floor(width / 14))));
    }
    this.cursor = shape("circle", { class: "cursor", r: 6 });
    this.svg.replaceChildren(...parts, this.cursor);
    this.read(this.active);
  }

  point(record, k) {
    const [x, y] = [round(this.x(k)), round(this.y(record.error))];
    return record.error === null ? shape("path", { class: "point bad", d: `M${x - 5} ${y - 4}h10l-5 9z` }) : shape("circle", { class: "point", cx: x, cy: y, r: 2.5 });
  }

  read(k) {
    const { records } = this.layers;
    this.active = Math.min(records.length - 1, Math.max(0, k));
    const { type, layer, tensor, error } = records[this.active];
    const text = `${this.active + 1} of ${records.length}: ${type} ${layer}, error ${errorText(error)}`;
    this.cursor.setAttribute("cx", round(this.x(this.active)));
    this.cursor.setAttribute("cy", round(this.y(error)));
    this.svg.setAttribute("aria-valuenow", String(this.active + 1));
    this.svg.setAttribute("aria-valuetext", text);
    this.text.replaceChildren(breakable(layer === tensor ? text : `${text} (${tensor})`));
  }

  hover(event) {
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const room = this.svg.clientWidth - EDGES.left - EDGES.right;
    this.read(Math.round(((x - EDGES.left) / room) * (this.layers.records.length - 1)));
  }

  key(event) {
    const last = this.layers.records.length - 1;
    const to = { ArrowLeft: this.active - 1, ArrowDown: this.active - 1, ArrowRight: this.active + 1, ArrowUp: this.active + 1, PageDown: this.active - 10,
      PageUp: this.active + 10, Home: 0, End: last }[event.key];
    if (to !== undefined) this.read(to);
    else if (event.key === "Enter") this.choose(this.layers.records[this.active].tensor);
    else return;
    event.preventDefault();
  }

  table() {
    const body = element("div", { class: "wide" });
    const rows = () => this.layers.records.map((record, k) => [String(k + 1), record.type, record.layer, errorText(record.error)]);
    const whole = element("details", { ontoggle: () => body.children.length || body.append(table(["", "type", "layer", "error"], rows(), "Errors by layer")) },
      element("summary", {}, "As a table"), body);
    return whole;
  }
}

function table(head, rows, caption) {
  return element("table", {}, element("caption", { class: "unseen" }, caption),
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, k) => element(k ? "td" : "th", k ? { "data-head": head[k] } : { scope: "row" },
      ...(Array.isArray(cell) ? cell : [cell])))))));
}
