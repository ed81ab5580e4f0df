// A placed graph as SVG.

const KINDS = {
  last: "channels-last",
  source: "as in the source",
  other: "another order",
  plain: "orders cannot differ",
};

const measure = (() => {
  const context = document.createElement("canvas").getContext("2d");
  const known = new Map();
  return (text, font) => {
    const key = font + text;
    if (!known.has(key)) {
      context.font = font;
      known.set(key, context.measureText(text).width);
    }
    return known.get(key);
  };
})();

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";

// What is written on a node: two lines.
function captions(graph, kind, id) {
  if (kind === "module") {
    const level = graph.levels[id];
    return [shortened(level.label, 30), plural(level.ops, "op")];
  }
  const op = graph.ops[id];
  const tensor = graph.tensors[op.end === "output" ? op.inputs[0] : op.outputs[0]];
  return [op.end ? shortened(op.name, 24) : op.type, tensor ? shortened(shortShape(tensor.type), 26) : op.end];
}

function captionWidth(graph, kind, id) {
  const [first, second] = captions(graph, kind, id);
  const room = kind === "module" ? 34 : 22;
  return Math.max(64, Math.ceil(Math.max(measure(first, `600 12px ${FONT}`), measure(second, `11px ${FONT}`))) + room);
}

// Draws the level `number`, placed at (x, y), into the three groups of `into`: what is behind open modules, edges, and nodes. `facts` says
// for ops and levels what to mark.
function drawLevel(graph, number, placed, x, y, into, facts) {
  const level = graph.levels[number];
  level.edges.forEach((edge, e) => {
    const kinds = new Set(edge.tensors.map((tensor) => graph.tensors[tensor].kind));
    const kind = kinds.size === 1 ? [...kinds][0] : "plain";
    into.edges.append(shape("path", { class: `edge ${kind}`, d: placed.edges[e], transform: `translate(${x} ${y})` }));
  });
  for (const item of placed.items) {
    if (item.kind !== "op" && item.kind !== "module") continue;
    const [left, top] = [round(x + item.x - item.width / 2), round(y + item.y)];
    into.nodes.append(drawNode(graph, item, left, top, facts));
    if (!item.inside) continue;
    into.backs.append(shape("rect", { class: "back", x: left, y: top, width: item.width, height: item.height, rx: 9 }));
    drawLevel(graph, item.id, item.inside, left + item.shift, top + HEAD, into, facts);
  }
}

function drawNode(graph, item, left, top, facts) {
  const { kind, id, width, height } = item;
  const [first, second] = captions(graph, kind, id);
  const marks = facts.marks(kind, id);
  const open = Boolean(item.inside);
  const attributes = {
    class: `node ${kind} ${open ? "open" : ""} ${marks.classes}`, transform: `translate(${left} ${top})`, "data-key": `${kind}:${id}`,
    role: "button", tabindex: "-1", "aria-label": `${first}, ${marks.label || second}`,
  };
  if (kind === "module") attributes["aria-expanded"] = String(open);
  const node = shape("g", attributes, shape("rect", { class: "box", width, height, rx: kind === "module" ? 9 : 5 }));
  if (kind === "op") node.append(shape("rect", { class: `stripe ${marks.kind}`, x: 0.5, y: 0.5, width: 5, height: height - 1, rx: 2.5 }));
  if (open) {
    node.append(shape("rect", { class: "body", y: HEAD, width, height: height - HEAD }));
    node.append(shape("text", { class: "first", x: 12, y: 18 }, `▾ ${first}`));
    const used = measure(`▾ ${first}`, `600 12px ${FONT}`);
    if (used + 90 < width) node.append(shape("text", { class: "second", x: width - 10, y: 18, "text-anchor": "end" }, second));
  } else {
    const middle = width / 2 + (kind === "op" ? 2 : 0);
    node.append(
      shape("text", { class: "first", x: middle, y: 16, "text-anchor": "middle" }, kind === "module" ? `▸ ${first}` : first),
      shape("text", { class: "second", x: middle, y: 30, "text-anchor": "middle" }, second),
    );
  }
  if (marks.badge) {
    node.append(shape("circle", { class: "badge", cx: width - 2, cy: 2, r: 8 }), shape("text", { class: "badge-text", x: width - 2, y: 5.5,
      "text-anchor": "middle" }, marks.badge));
  }
  return node;
}
