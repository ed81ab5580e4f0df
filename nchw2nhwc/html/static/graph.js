// One of the two graphs: its picture, and how it is zoomed, panned, opened and walked through.

const OVERVIEW = 60;
const EVERYTHING = 4000;
const READABLE = 0.75;

class GraphView {
  constructor(side, title, graph, facts, hooks) {
    Object.assign(this, { side, graph, facts, hooks });
    this.open = new Set();
    this.above = parents(graph);
    [this.selected, this.target] = ["", ""];
    this.hits = new Set();
    this.twins = new Set();
    this.layers = { backs: shape("g"), edges: shape("g"), nodes: shape("g") };
    this.world = shape("g", {}, ...Object.values(this.layers));
    this.svg = shape("svg", { role: "group", "aria-label": `${title} graph`, tabindex: "0", class: "canvas" }, this.world);
    this.view = { x: 0, y: 0, k: 1 };
    this.host = element("section", { class: "pane", "data-side": side, "aria-label": title },
      element("header", {}, element("h3", {}, title), this.buttons()), this.svg);
    this.listen();
    this.overview();
  }

  buttons() {
    const button = (label, text, action) => element("button", { type: "button", title: label, "aria-label": `${label} (${this.side})`, onclick: action }, text);
    return element("div", { class: "buttons" },
      button("Zoom in", "+", () => this.zoom(1.3)), button("Zoom out", "−", () => this.zoom(1 / 1.3)), button("Fit to the pane", "Fit", () => this.fit()),
      button("Open all modules", "Open", () => this.openAll()), button("Close modules", "Close", () => this.overview()));
  }

  // ---- what is open ----
  // Opens modules, outer before inner, while the picture stays small.
  overview() {
    this.open.clear();
    const members = (level) => this.graph.levels[level].items.filter(([kind]) => kind === "op" || kind === "module");
    let shown = members(0).length;
    const queue = [0];
    while (queue.length) {
      for (const [kind, id] of members(queue.shift())) {
        if (kind !== "module" || shown + members(id).length > OVERVIEW) continue;
        shown += members(id).length;
        this.open.add(id);
        queue.push(id);
      }
    }
    this.draw();
    this.fit();
  }

  openAll() {
    let shown = 0;
    this.graph.levels.forEach((level, number) => {
      shown += level.items.length;
      if (number && shown <= EVERYTHING) this.open.add(number);
    });
    this.draw();
    this.fit();
  }

  toggle(level) {
    const before = this.box(`module:${level}`);
    if (!this.open.delete(level)) this.open.add(level);
    this.draw();
    const after = this.box(`module:${level}`);
    this.view.x += (before.x + before.width / 2 - after.x - after.width / 2) * this.view.k;
    this.view.y += (before.y - after.y) * this.view.k;
    this.move();
    this.focus(`module:${level}`);
  }

  // ---- drawing ----
  draw() {
    const widthOf = (kind, id) => captionWidth(this.graph, kind, id);
    const placed = placeLevel(this.graph, 0, this.open, widthOf);
    this.size = { width: placed.width, height: placed.height };
    for (const layer of Object.values(this.layers)) layer.replaceChildren();
    drawLevel(this.graph, 0, placed, 0, 0, this.layers, this.facts);
    this.nodes = new Map([...this.layers.nodes.children].map((node) => [node.dataset.key, node]));
    this.mark();
  }

  // The node that shows an op now: its own, or that of the closed module it is in.
  shown(op) {
    const closed = this.above.ops[op].find((level) => level && !this.open.has(level));
    return closed ? `module:${closed}` : `op:${op}`;
  }

  mark() {
    for (const node of this.nodes.values()) node.classList.remove("hit", "twin", "selected");
    for (const op of this.hits) this.nodes.get(this.shown(op)).classList.add("hit");
    for (const op of this.twins) this.nodes.get(this.shown(op)).classList.add("twin");
    const key = this.selected.startsWith("op:") ? this.shown(Number(this.selected.slice(3))) : this.selected;
    const node = this.nodes.get(key);
    if (node) node.classList.add("selected");
  }

  box(key) {
    const node = this.nodes.get(key);
    const [x, y] = node.getAttribute("transform").slice(10, -1).split(" ").map(Number);
    const rect = node.firstChild;
    return { x, y, width: Number(rect.getAttribute("width")), height: Number(rect.getAttribute("height")) };
  }

  // ---- the view ----
  move() {
    const { x, y, k } = this.view;
    this.world.setAttribute("transform", `translate(${round(x)} ${round(y)}) scale(${k})`);
    this.svg.classList.toggle("far", k < 0.35);
  }

  // All of it, or as much as stays readable: its top, with the first node in the middle where it is too wide.
  fit() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (!width) return;
    const margin = 16;
    const across = (width - 2 * margin) / Math.max(1, this.size.width);
    const whole = Math.min(across, (height - 2 * margin) / Math.max(1, this.size.height));
    const k = Math.min(1, Math.max(whole, READABLE));
    const first = this.box(this.nodes.keys().next().value);
    const x = this.size.width * k + 2 * margin <= width ? this.size.width / 2 : first.x + first.width / 2;
    this.view = { k, x: width / 2 - x * k, y: Math.max(margin, (height - this.size.height * k) / 2) };
    this.move();
  }

  zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
    const k = Math.min(4, Math.max(0.02, this.view.k * factor));
    const real = k / this.view.k;
    this.view = { k, x: x - (x - this.view.x) * real, y: y - (y - this.view.y) * real };
    this.move();
  }

  // Brings a node into the middle, large enough to read.
  center(key) {
    this.target = key;
    const box = this.box(key);
    const k = Math.max(this.view.k, READABLE);
    this.view = { k, x: this.svg.clientWidth / 2 - (box.x + box.width / 2) * k,
      y: this.svg.clientHeight / 2 - (box.y + Math.min(box.height, 60) / 2) * k };
    this.move();
  }

  // ---- selecting ----
  reveal(op) {
    const closed = this.above.ops[op].filter((level) => level && !this.open.has(level));
    closed.forEach((level) => this.open.add(level));
    if (closed.length) this.draw();
    this.select(`op:${op}`);
    this.center(`op:${op}`);
  }

  select(key) {
    this.selected = key;
    this.mark();
    this.focus(key, false);
    this.hooks.selected(this, key);
  }

  // Shows which ops correspond to what is selected in the other graph.
  showTwins(ops) {
    this.twins = new Set(ops);
    this.mark();
    if (ops.length) this.center(this.shown(ops[0]));
  }

  focus(key, take = true) {
    for (const node of this.nodes.values()) node.setAttribute("tabindex", "-1");
    const node = this.nodes.get(key);
    if (!node) return;
    node.setAttribute("tabindex", "0");
    if (take) node.focus({ preventScroll: true });
  }

  // ---- pointer and keyboard ----
  listen() {
    const pointers = new Map();
    let moved = 0;
    this.svg.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, event);
      moved = 0;
    });
    this.svg.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
      moved += Math.abs(dx) + Math.abs(dy);
      if (moved > 4) this.svg.setPointerCapture(event.pointerId);
      this.target = "";
      if (pointers.size === 2) this.pinch(pointers, event);
      else {
        this.view.x += dx;
        this.view.y += dy;
        this.move();
      }
      pointers.set(event.pointerId, event);
    });
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) this.svg.addEventListener(name, (event) => pointers.delete(event.pointerId));
    this.svg.addEventListener("click", (event) => {
      const node = event.target.closest(".node");
      if (node && moved <= 4) this.activate(node.dataset.key, event.target.closest(".body") === null);
    });
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !this.host.contains(document.activeElement)) return;
      event.preventDefault();
      const [x, y] = this.local(event);
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
    }, { passive: false });
    this.svg.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resized()).observe(this.svg);
  }

  // The pane has another width, or is shown now: what was brought into the middle goes back there.
  resized() {
    const width = this.svg.clientWidth;
    if (!width || width === this.lastWidth) return;
    this.lastWidth = width;
    if (this.nodes.has(this.target)) this.center(this.target);
    else this.fit();
  }

  local(event) {
    const bounds = this.svg.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  }

  pinch(pointers, event) {
    const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    const last = pointers.get(event.pointerId);
    const apart = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
    const [x, y] = this.local({ clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 });
    this.zoom(apart(event) / Math.max(1, apart(last)), x, y);
  }

  // Selects a node; a module opens or closes too, unless what was clicked is the free space in an open one.
  activate(key, toggle = true) {
    const [kind, id] = key.split(":");
    this.select(key);
    if (kind === "module" && toggle) this.toggle(Number(id));
  }

  key(event) {
    const focused = document.activeElement.closest(".node");
    const arrows = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    if (event.key === "+" || event.key === "=") this.zoom(1.3);
    else if (event.key === "-") this.zoom(1 / 1.3);
    else if (event.key === "0") this.fit();
    else if (focused && (event.key === "Enter" || event.key === " ")) this.activate(focused.dataset.key);
    else if (arrows[event.key]) this.step(focused && focused.dataset.key, ...arrows[event.key]);
    else return;
    event.preventDefault();
  }

  // Moves the focus to the nearest node in a direction.
  step(key, dx, dy) {
    let best = "";
    let nearest = Infinity;
    if (!key) best = [...this.nodes.keys()][0] || "";
    else {
      const [x, y] = this.anchor(key);
      for (const other of this.nodes.keys()) {
        const [ox, oy] = this.anchor(other);
        const along = (ox - x) * dx + (oy - y) * dy;
        const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
        const far = along + 2 * aside;
        if (other !== key && along > 1 && far < nearest) [best, nearest] = [other, far];
      }
    }
    if (!best) return;
    this.focus(best);
    this.center(best);
  }

  anchor(key) {
    const box = this.box(key);
    return [box.x + box.width / 2, box.y + Math.min(box.height, NODE_HEIGHT) / 2];
  }
}

// For every op and level the levels around it, outermost first.
function parents(graph) {
  const above = { ops: [], levels: [[]] };
  graph.levels.forEach((level, number) => {
    for (const [kind, id] of level.items) {
      if (kind === "op") above.ops[id] = [...above.levels[number], number];
      if (kind === "module") above.levels[id] = [...above.levels[number], number];
    }
  });
  return above;
}
