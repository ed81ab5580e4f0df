// The sections besides the graphs.

function headline(data) {
  const what = [data.format, data.source && `from ${data.source}`].filter(Boolean).join(" ");
  return element("header", { class: "top" }, element("h1", {}, data.title), element("p", { class: "soft" }, `Conversion report · ${what} · ${data.product}`));
}

function tiles(data) {
  const { ops, transposes, files, seconds } = data.report;
  const before = countOf(data.counts.source, "Transpose");
  const sure = transposes.proven_minimal ? "proven minimal" : transposes.gap ? `gap ${(100 * transposes.gap).toFixed(1)} %` : "not proven minimal";
  const tile = (title, value, note, state = "") => element("div", { class: `tile ${state}` }, element("dt", {}, title),
    element("dd", {}, element("strong", {}, value), element("span", {}, note)));
  const written = Object.entries(files);
  const [kind, file] = written[0] || [];
  return element("dl", { class: "tiles" }, checkTile(data, tile),
    tile("Transposes left", String(transposes.count), `${sure}${transposes.count ? `, ${bytesText(transposes.bytes)} moved` : ""}${transposes.operators < transposes.count ? `, ${transposes.operators} as operators` : ""}; ${before} in the source`),
    tile("Ops", `${ops.source.toLocaleString("en")} → ${ops.result.toLocaleString("en")}`, "in the source, in the result"),
    file ? tile("File", bytesText(file.bytes), written.length > 1 ? `${kind}; ${plural(written.length, "file")} in all` : kind) : null,
    tile("Time", secondsText(seconds.total), "for the whole conversion"));
}

function checkTile(data, tile) {
  const checks = Object.entries(data.checks);
  if (!checks.length) return tile("Check", "skipped", data.unchecked);
  const bad = checks.find(([, check]) => !check.passed);
  const [kind, worst] = bad || checks[0];
  return tile("Check", `${bad ? "✗" : "✓"} ${errorText(worst.max_rel_error)}`, `${kind} ${bad ? "failed" : "passed"}; ${worst.tolerance} allowed`, bad ? "bad" : "good");
}

function countOf(counts, type) {
  return (counts.find(([name]) => name === type) || [type, 0])[1];
}

function interfaceTable(data) {
  const kinds = Object.keys(data.checks);
  const rows = ["inputs", "outputs"].flatMap((side) => data.report[side].map((info, k) => [side.slice(0, -1), [element("code", {}, info.name)],
    shapeText(info.source_shape), shapeText(info.shape), data.layouts[side][k], info.dtype,
    ...kinds.map((kind) => (side === "outputs" ? errorText(data.checks[kind].outputs[info.name]) : ""))]));
  return section("interface", "Inputs and outputs", element("div", { class: "wide stacked sides" }, table(["", "name", "shape in the source", "shape in the result", "layout",
    "type", ...kinds.map((kind) => `error (${kind})`)], rows, "Inputs and outputs")));
}

// What quantized files have lost: all outputs, then the layers of each file, those that add most noise first.
function quantizedTables(data) {
  const files = Object.entries(data.report.quantizations);
  if (!files.length) return null;
  const share = (value) => (value === null ? "" : `${(100 * value).toFixed(2)} %`);
  const decibels = (value) => `${value.toFixed(1)} dB`;
  const outputs = files.flatMap(([mode, file]) => Object.entries(file.outputs).map(([name, output]) => [mode, [element("code", {}, name)],
    output.equal === null ? decibels(output.sqnr) : "", name in file.plain ? decibels(file.plain[name]) : "", output.cosine.toFixed(6), share(output.equal),
    share(output.top1), share(output.top5)]));
  const layersOf = ([mode, file]) => {
    const worst = file.layers.filter((layer) => layer.own < 200).sort((a, b) => a.own - b.own);
    const kept = file.kept.length ? `; kept for that: ${file.kept.join(", ")}` : "";
    return element("details", {}, element("summary", {}, `${mode}: ${file.passed ? "passed" : "failed"}, ${decibels(file.sqnr)} (${file.min_sqnr} needed), `
      + `${plural(file.samples, "sample")}, ${file.data}${kept}`), element("div", { class: "wide stacked" }, table(["layer", "type", "SQNR of its result", "of its own noise"],
      worst.map((layer) => [[element("code", {}, layer.layer || layer.tensor)], layer.type, decibels(layer.sqnr), decibels(layer.own)]),
      `Layers of ${mode}, those that lose most first`)));
  };
  const heads = ["file", "output", "SQNR", "with built-in kernels", "cosine", "equal", "top-1 agreement", "top-5"];
  const said = heads.map((_, k) => outputs.some((row) => row[k] !== ""));
  const ofSaid = (row) => row.filter((_, k) => said[k]);
  return section("quantized", "Quantized files", element("div", { class: "wide stacked" }, table(ofSaid(heads), outputs.map(ofSaid), "Quantized files")),
    ...files.map(layersOf));
}

function transposeList(data, show) {
  if (!data.transposes.length) return null;
  const moves = data.transposes.map((move, k) => [move, k]).sort(([a], [b]) => b.bytes - a.bytes);
  const items = moves.map(([move, k]) => element("li", {}, move.op < 0 ? null : element("button", { type: "button", class: "link",
    "aria-label": `Show transpose ${k + 1} in the graph`, onclick: () => show(move.op) }, "Show"), element("span", { class: "size" }, bytesText(move.bytes)),
  element("span", {}, breakable(move.explanation))));
  return section("transposes", `${plural(data.transposes.length, "transpose")} left, and why`, element("ol", { class: "moves" }, ...items));
}

function fallbackTable(data) {
  const target = data.report.target;
  if (!target || !target.fallbacks.length) return null;
  const rows = target.fallbacks.map(({ op, layer, type, reason }) => [op, [element("code", {}, breakable(layer))], type, reason]);
  return section("fallbacks", `Not run by ${target.name}: ${target.fallbacks.length} of ${plural(target.ops, "operator")}`,
    element("div", { class: "wide stacked" }, table(["operator", "layer", "type", "reason"], rows, "Operators that the device does not run")));
}

const SMALLEST_SHOT = 72;

function pictureGrid(data) {
  if (!data.pictures.length) return null;
  return section("pictures", "The first sample", element("div", { class: "pictures" }, ...data.pictures.map(pictureOf)));
}

function pictureOf({ name, side, channels, rows }) {
  const shown = rows[0].shots.length;
  const note = shown > 1 && shown < channels ? `, ${shown} of ${plural(channels, "channel")}` : "";
  const shot = (who, each) => {
    const scale = Math.max(1, Math.ceil(SMALLEST_SHOT / Math.max(each.width, each.height)));
    const caption = [rows.length > 1 ? who : "", channels > 1 ? each.channel : ""].filter(Boolean).join(", ");
    return element("div", {}, element("img", { src: each.png, width: each.width * scale, height: each.height * scale, alt: `${side} ${name}, ${who} ${each.channel}` }),
      element("span", { class: "soft" }, caption));
  };
  const lines = rows.map(({ who, shots }) => shots.map((each) => shot(who, each)));
  const grouped = shown > 1 ? lines : [lines.flat()];
  return element("figure", {}, element("figcaption", {}, `${side} `, element("code", {}, name), note),
    ...grouped.map((line) => element("div", { class: "shots" }, ...line)));
}

function countTables(data) {
  const side = (title, counts) => {
    const most = Math.max(1, ...counts.map(([, count]) => count));
    return element("div", {}, element("h3", {}, title), bars(counts.map(([name, count]) => [name, count / most, String(count)]), title));
  };
  return section("ops", "Ops", element("div", { class: "columns" }, side(`Source: ${plural(data.report.ops.source, "op")}`, data.counts.source),
    side(`Result: ${plural(data.report.ops.result, "op")}`, data.counts.result)));
}

function timesAndSizes(data) {
  const stages = Object.entries(data.report.seconds).filter(([name]) => name !== "total");
  const longest = Math.max(...stages.map(([, seconds]) => seconds));
  const files = Object.entries(data.report.files);
  const largest = Math.max(1, ...files.map(([, file]) => file.bytes));
  const name = (path) => path.split(/[\\/]/).pop();
  return section("time", "Time and sizes", element("div", { class: "columns" },
    element("div", {}, element("h3", {}, "Seconds per stage"), bars(stages.map(([stage, seconds]) => [stage, seconds / longest, secondsText(seconds)]), "Seconds per stage")),
    files.length ? element("div", {}, element("h3", {}, "Files"), bars(files.map(([, file]) => [name(file.path), file.bytes / largest, bytesText(file.bytes)]), "Files")) : null));
}

// Rows of a name, a bar of a length from 0 to 1, and a text.
function bars(rows, caption) {
  return element("table", { class: "bars" }, element("caption", { class: "unseen" }, caption), element("tbody", {}, ...rows.map(([name, length, text]) => {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${Math.max(0.5, 100 * length)}%`;
    return element("tr", {}, element("th", { scope: "row" }, name), element("td", { "aria-hidden": "true" }, bar), element("td", {}, text));
  })));
}

function section(id, title, ...content) {
  return element("section", { id, "aria-labelledby": `${id}-title`, class: "block" }, element("h2", { id: `${id}-title` }, title), ...content);
}
