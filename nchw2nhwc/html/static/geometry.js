// Where the members of a level stand. Their layers and order are given; this finds places that keep edges straight, for the modules that
// are open now.

const NODE_HEIGHT = 38;
const HEAD = 26;
const PAD = 12;
const GAP = 16;
const BEND = 10;
const PORT = 8;
const LAYER_GAP = 26;
const SWEEPS = 12;

// The level as { width, height, items, edges }: an item's x is its middle and y its top, an edge is the text of a path.
function placeLevel(graph, number, open, widthOf) {
  const level = graph.levels[number];
  const items = level.items.map(([kind, id]) => measureItem(graph, kind, id, open, widthOf));
  const count = level.layers.reduce((sum, layer) => sum + layer.length, 0);
  while (items.length < count) items.push({ kind: "bend", width: BEND, height: 0 });
  const routes = level.edges.map((edge, e) => segmentsOf(edge, e, items));
  const segments = routes.flat();
  placeAcross(level.layers, items, segments);
  const height = placeDown(level.layers, items, segments);
  const width = Math.max(0, ...items.map((item) => item.x + item.width / 2));
  return { width, height, items, edges: routes.map(edgePath) };
}

function measureItem(graph, kind, id, open, widthOf) {
  if (kind === "in" || kind === "out") return { kind, id, width: PORT, height: 0 };
  if (kind === "op" || !open.has(id)) return { kind, id, width: widthOf(kind, id), height: NODE_HEIGHT };
  const inside = placeLevel(graph, id, open, widthOf);
  const width = Math.max(inside.width + 2 * PAD, widthOf(kind, id) + 24);
  return { kind, id, inside, shift: (width - inside.width) / 2, width, height: inside.height + HEAD + PAD };
}

// The stretches of an edge between neighbouring layers, with where each meets its two items, measured from their middles.
function segmentsOf(edge, number, items) {
  const segments = [];
  for (let k = 0; k + 1 < edge.route.length; k += 1) {
    const [a, b] = [edge.route[k], edge.route[k + 1]];
    const bends = (items[a].kind === "bend") + (items[b].kind === "bend");
    segments.push({ a, b, from: portOf(items[a], "out", number), to: portOf(items[b], "in", number), weight: [4, 1, 6][bends] });
  }
  return segments;
}

// Where an edge goes on inside an open module, measured from the module's middle.
function portOf(item, kind, edge) {
  const port = item.inside && item.inside.items.find((inner) => inner.kind === kind && inner.id === edge);
  return port ? item.shift + port.x - item.width / 2 : 0;
}

function placeAcross(layers, items, segments) {
  const above = items.map(() => []);
  const below = items.map(() => []);
  for (const segment of segments) {
    above[segment.b].push([segment.a, segment.from - segment.to, segment.weight]);
    below[segment.a].push([segment.b, segment.to - segment.from, segment.weight]);
  }
  for (const layer of layers) {
    let x = 0;
    for (const item of layer) {
      items[item].x = x + items[item].width / 2;
      x += items[item].width + GAP;
    }
    for (const item of layer) items[item].x -= x / 2;
  }
  for (let sweep = 0; sweep < SWEEPS + 2; sweep += 1) {
    const down = sweep % 2 === 0;
    const sides = sweep >= SWEEPS ? [above, below] : down ? [above] : [below];
    for (const layer of down ? layers : [...layers].reverse()) settleLayer(layer, items, sides);
  }
  const left = Math.min(...items.map((item) => item.x - item.width / 2));
  for (const item of items) item.x -= left;
}

// The places nearest to where the neighbours want each item, in order and without overlap: least squares with a fixed order, solved by
// pooling adjacent violators.
function settleLayer(layer, items, sides) {
  const blocks = [];
  let offset = 0;
  layer.forEach((number, k) => {
    const item = items[number];
    if (k > 0) {
      const before = items[layer[k - 1]];
      const gap = item.kind === "bend" && before.kind === "bend" ? 0 : GAP;
      offset += before.width / 2 + gap + item.width / 2;
    }
    let weight = 0.01;
    let wish = 0.01 * item.x;
    for (const side of sides) {
      for (const [other, shift, strength] of side[number]) {
        weight += strength;
        wish += strength * (items[other].x + shift);
      }
    }
    item.offset = offset;
    blocks.push({ sum: wish - weight * offset, weight, members: [number] });
    while (blocks.length > 1 && blocks.at(-2).sum / blocks.at(-2).weight > blocks.at(-1).sum / blocks.at(-1).weight) {
      const last = blocks.pop();
      const into = blocks.at(-1);
      into.sum += last.sum;
      into.weight += last.weight;
      into.members.push(...last.members);
    }
  });
  for (const block of blocks) for (const number of block.members) items[number].x = block.sum / block.weight + items[number].offset;
}

// Layers below each other; the gap grows with how far the edges in it go sideways. Returns the height.
function placeDown(layers, items, segments) {
  const layerOf = [];
  layers.forEach((layer, k) => layer.forEach((item) => (layerOf[item] = k)));
  const gaps = layers.map(() => 0);
  for (const { a, b, from, to } of segments) {
    const across = Math.abs(items[a].x + from - items[b].x - to);
    gaps[layerOf[a]] = Math.max(gaps[layerOf[a]], Math.min(70, across * 0.08));
  }
  let y = 0;
  layers.forEach((layer, k) => {
    const height = Math.max(0, ...layer.map((item) => items[item].height));
    for (const number of layer) {
      const item = items[number];
      item.top = y;
      item.bottom = y + height;
      item.y = y + (height - item.height) / 2;
    }
    y += height + (k + 1 < layers.length ? LAYER_GAP + gaps[k] : 0);
  });
  for (const segment of segments) {
    const [a, b] = [items[segment.a], items[segment.b]];
    // At a port the edge goes on to the rim of the module around it.
    segment.start = [a.x + segment.from, a.kind === "in" ? -HEAD : a.y + a.height, a.bottom];
    segment.end = [b.x + segment.to, b.top, b.kind === "out" ? b.y + PAD : b.y];
  }
  return y;
}

function edgePath(segments) {
  const path = [];
  for (const { start, end } of segments) {
    const [x, y, low] = start;
    const [x2, high, y2] = end;
    const half = (high - low) / 2;
    if (!path.length) path.push(`M${round(x)} ${round(y)}`);
    path.push(`V${round(low)}C${round(x)} ${round(low + half)} ${round(x2)} ${round(high - half)} ${round(x2)} ${round(high)}V${round(y2)}`);
  }
  return path.join("");
}

function round(x) {
  return Math.round(x * 10) / 10;
}
