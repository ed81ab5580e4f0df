// Elements, and numbers as people read them.

function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function shape(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

// Powers of 1000, as the command line prints them.
function bytesText(size) {
  if (size < 1000) return `${size} B`;
  const units = ["kB", "MB", "GB"];
  let unit = -1;
  do {
    size /= 1000;
    unit += 1;
  } while (size >= 1000 && unit < units.length - 1);
  return `${size.toFixed(1)} ${units[unit]}`;
}

function secondsText(seconds) {
  return seconds < 0.0095 ? `${(seconds * 1000).toFixed(1)} ms` : seconds < 0.9995 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
}

function errorText(error) {
  return error === null ? "not a number" : error === 0 ? "0" : error.toExponential(1);
}

function shapeText(sizes) {
  return `[${sizes.map((size) => (size < 0 ? "?" : size)).join(", ")}]`;
}

// "float32[1, 64, 56, 56]" as "1×64×56×56".
function shortShape(type) {
  const inside = type.slice(type.indexOf("[") + 1, -1);
  return inside ? inside.split(", ").join("×") : "scalar";
}

function shortened(text, length) {
  return text.length <= length ? text : `…${text.slice(1 - length)}`;
}

// Text with names that may be broken before the slashes inside them.
function breakable(text) {
  const parts = text.split(/(?<=[\w)\]])(?=\/)/);
  return element("span", {}, ...parts.flatMap((part, k) => (k ? [element("wbr"), part] : [part])));
}
