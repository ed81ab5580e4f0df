// Puts the page together.

const data = JSON.parse(document.getElementById("data").textContent);

// How ops and modules are marked in the graph of one side.
function factsOf(graph, side) {
  const culprit = data.layers && data.layers.culprit >= 0 ? data.layers.records[data.layers.culprit].tensor : null;
  const above = parents(graph);
  const left = new Map();
  const culprits = new Set();
  graph.ops.forEach((op, k) => {
    if (op.transpose >= 0) above.ops[k].forEach((level) => left.set(level, (left.get(level) || 0) + 1));
    if (culprit !== null && !op.end && op.outputs.some((tensor) => graph.tensors[tensor].name === culprit)) {
      culprits.add(`op:${k}`);
      above.ops[k].forEach((level) => culprits.add(`module:${level}`));
    }
  });
  return {
    marks(kind, id) {
      const off = culprits.has(`${kind}:${id}`) ? "culprit" : "";
      if (kind === "module") {
        const count = left.get(id) || 0;
        const label = `${plural(graph.levels[id].ops, "op")}${count ? `, ${plural(count, "transpose")} left` : ""}${off ? ", holds the op that is off" : ""}`;
        return { classes: `${off} ${count ? "holds" : ""}`, label, badge: off ? "!" : count ? String(count) : "" };
      }
      const op = graph.ops[id];
      const tensor = graph.tensors[op.end === "output" ? op.inputs[0] : op.outputs[0]];
      const move = op.transpose >= 0 ? "left" : op.type === "Transpose" && side === "source" ? "move" : "";
      const kindOf = tensor ? tensor.kind : "plain";
      const label = [op.name, tensor && tensor.type, tensor && KINDS[kindOf], op.transpose >= 0 && "a transpose that is left", off && "the op that is off"];
      return { classes: `${op.end ? "end" : ""} ${move} ${off}`, kind: kindOf, label: label.filter(Boolean).join(", "), badge: off ? "!" : "" };
    },
  };
}

function legend() {
  const entry = (kind, text) => element("span", {}, element("span", { class: `dot ${kind}` }), text);
  return element("p", { class: "legend" }, ...["last", "source", "other", "plain"].map((kind) => entry(kind, KINDS[kind])),
    data.transposes.length ? entry("left", "transpose that is left") : null, data.layers && data.layers.culprit >= 0 ? entry("culprit", "first op that is off") : null);
}

function graphs() {
  const views = {};
  const details = new Details(data, views);
  const tabs = { source: null, result: null };
  const both = element("div", { class: "panes" });
  const front = (side) => {
    both.dataset.front = side;
    for (const name of Object.keys(tabs)) tabs[name].setAttribute("aria-pressed", String(name === side));
  };
  const hooks = {
    shown: (view) => front(view.side),
    selected: (view, key) => {
      const other = views[view.side === "source" ? "result" : "source"];
      details.show(view, key);
      front(view.side);
      other.selected = "";
      other.showTwins(key.startsWith("op:") ? view.graph.ops[Number(key.slice(3))].twins : []);
    },
  };
  const titles = { source: `Source · ${plural(data.report.ops.source, "op")}`, result: `Result · ${plural(data.report.ops.result, "op")}` };
  for (const side of Object.keys(tabs)) {
    tabs[side] = element("button", { type: "button", onclick: () => front(side) }, titles[side]);
    views[side] = new GraphView(side, titles[side], data.graphs[side], factsOf(data.graphs[side], side), hooks);
  }
  const search = new Search(Object.values(views));
  both.append(views.source.host, views.result.host);
  front("result");
  const keys = element("p", { class: "soft keys" }, "Drag to move, Ctrl and wheel or + and − to zoom, 0 to fit, arrow keys and Enter to walk, / to search.");
  const block = section("graphs", "Graphs", element("div", { class: "bar-row" }, search.host, element("div", { class: "tabs", role: "group", "aria-label": "Graph" },
    ...Object.values(tabs)), legend()), element("div", { class: "stage" }, both, details.host), keys);
  return { block, views };
}

function opOfTensor({ ops, tensors }, name) {
  return ops.findIndex((op) => op.outputs.some((number) => tensors[number].name === name));
}

function main() {
  const { block, views } = graphs();
  const toGraph = (view, op) => {
    document.getElementById("graphs").scrollIntoView({ block: "start" });
    view.reveal(op);
  };
  const byTensor = (tensor) => {
    const op = opOfTensor(views.source.graph, tensor);
    if (op >= 0) toGraph(views.source, op);
  };
  const chart = data.layers ? section("layers", "Error along the network", new ErrorChart(data.layers, byTensor).host) : null;
  const blocks = [interfaceTable(data), block, transposeList(data, (op) => toGraph(views.result, op)), fallbackTable(data), quantizedTables(data), chart, pictureGrid(data), countTables(data), timesAndSizes(data)]
    .filter(Boolean);
  const links = element("nav", { "aria-label": "Sections" }, ...blocks.map((each) => element("a", { href: `#${each.id}` }, each.firstChild.textContent)));
  document.body.append(element("a", { class: "skip", href: "#graphs" }, "To the graphs"), element("div", { class: "page" }, headline(data),
    element("main", {}, tiles(data), links, ...blocks)));
  for (const view of Object.values(views)) view.fit();
  if (data.layers && data.layers.culprit >= 0) {
    const op = opOfTensor(views.source.graph, data.layers.records[data.layers.culprit].tensor);
    if (op >= 0) views.source.reveal(op);
  }
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

main();
