// What the page knows, and what the person has set. Whoever shows something listens for its change.

const data = JSON.parse($("data").textContent);
const { video, slots, keyframes, columns, evidence } = data;
const timed = !video.still;
const working = columns.filter((column) => column.cells.some((cell) => cell.length));
const kinds = [...new Set(evidence.map((found) => found.kind))].sort();
const MARKS = ["object", "text", "speech", "face", "expression", "sound"];

const state = {
  slot: slots.length ? 0 : null, // where the person is
  track: null, // the column whose subtitles are shown
  kinds: new Set(), // evidence that is switched on
  blind: false,
  query: "",
};

const bus = new EventTarget();
const changed = (name) => bus.dispatchEvent(new Event(name));
const when = (names, act) => names.split(" ").forEach((name) => bus.addEventListener(name, act));

const tint = (column) => `var(--c${columns.indexOf(column) % 8})`;
const tintOf = (kind) => (MARKS.includes(kind) ? `var(--k-${kind})` : "var(--brand)");

/** The evidence of a stretch of time, of the kinds that are switched on. */
const evidenceDuring = (span) => evidence.filter((found) => state.kinds.has(found.kind) && overlap(found.span, span));

/** The slot that a time falls in; the nearest before it where it falls between. */
function slotAt(at) {
  let [low, high] = [0, slots.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (slots[middle].span[0] <= at) low = middle + 1;
    else high = middle;
  }
  return slots.length ? Math.max(0, low - 1) : null;
}

/** The keyframe nearest to a time, as an index. */
function keyframeAt(at) {
  let best = 0;
  keyframes.forEach((keyframe, i) => {
    if (Math.abs(keyframe.at - at) < Math.abs(keyframes[best].at - at)) best = i;
  });
  return keyframes.length ? best : null;
}

/** Goes to a slot: everything that shows where the person is follows. */
function visit(index, { seek = true } = {}) {
  if (index == null || (index === state.slot && !seek)) return;
  state.slot = index;
  if (seek && timed) player.seek(slots[index].span[0]);
  changed("slot");
}

/** What is kept between visits, where the browser allows it. */
const kept = {
  get(name) {
    try {
      return JSON.parse(localStorage.getItem(`vdesc:${name}`));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`vdesc:${name}`, JSON.stringify(value));
    } catch {
      /* a private window, or no storage for files */
    }
  },
};
