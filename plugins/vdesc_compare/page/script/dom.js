// Elements, made of properties and text alone: nothing here or elsewhere turns data into markup.

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

/** An element. Functions in `props` are listeners, booleans are set or not, everything else is an attribute. */
function el(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

function svg(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (name.startsWith("aria-")) {
      if (value != null) node.setAttribute(name, value);
    } else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

/** Words from data: a language where it is known, and a direction of their own. */
function words(text, language, tag = "p", className = "") {
  return el(tag, { class: `words ${className}`, dir: "auto", lang: language || null }, text);
}

/** The name of a captioner, which may break between its options. */
const parted = (name) => name.split(/(?<=[@=,/:])/).flatMap((part) => [el("wbr"), part]);

/** Milliseconds as 0:05.5, or 1:02:05.5 from an hour on. */
function clock(at) {
  const tenths = Math.floor(at / 100);
  const [hours, minutes, seconds] = [
    Math.floor(tenths / 36000),
    Math.floor(tenths / 600) % 60,
    Math.floor(tenths / 10) % 60,
  ];
  const tail = `${String(seconds).padStart(2, "0")}.${tenths % 10}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** A number with about three figures that mean something. */
function figure(value) {
  if (value == null) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** Milliseconds as a duration. */
const lasting = (ms) =>
  ms >= 60000
    ? `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`
    : ms >= 999.5
      ? `${(ms / 1000).toFixed(ms >= 10000 ? 0 : 1)} s`
      : `${Math.round(ms)} ms`;

/** A count in thousands, millions, billions. */
function rough(count, unit = "") {
  const [size, name] = [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
    [1, ""],
  ].find(([size]) => count >= size) ?? [1, ""];
  return `${figure(count / size).replace(/\.0+$/, "")} ${name}${unit}`.trim();
}

const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

/** Whether two stretches share time; an instant counts where it lies inside. */
const overlap = (one, other) =>
  (one[0] < other[1] && other[0] < one[1]) || instantIn(one, other) || instantIn(other, one);
const instantIn = ([start, end], [first, last]) => start === end && first <= start && (start < last || first === last);

/** Says something to those who listen to the page. */
const tell = (text) => {
  $("live").textContent = text;
};
