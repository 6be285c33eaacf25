// Small charts in SVG. Each says in words what it shows.

/** A row for each column: its name, a bar from nothing to the highest value, the value. */
function bars(rows, best = null) {
  const top = Math.max(...rows.map((row) => row.value ?? 0), 1e-9);
  return el(
    "dl",
    { class: "bars" },
    rows.map(({ name, value, tint, shown }) =>
      el(
        "div",
        { class: value === best ? "best" : null },
        el("dt", { title: name }, el("span", { class: "dot", "--tint": tint }), el("span", { dir: "auto" }, parted(name))),
        el("dd", { class: "value" }, shown ?? figure(value)),
        el("dd", { class: "length" }, bar((value ?? 0) / top, tint)),
      ),
    ),
  );
}

function bar(part, tint = null) {
  const length = `${(100 * Math.max(0, Math.min(1, part))).toFixed(1)}%`;
  return svg(
    "svg",
    { "aria-hidden": "true", "--tint": tint },
    svg("rect", { class: "base", width: "100%", height: "100%", rx: 3 }),
    svg("rect", { class: "fill", width: length, height: "100%", rx: 3 }),
  );
}

/** How a figure goes through the video, a line for each column; the mean of a few slots each where there are many. */
function spark(name) {
  const lines = working
    .map((column) => [column, binned(column.slotScores[name] ?? [], 60)])
    .filter(([, values]) => values.some((value) => value != null));
  const all = lines.flatMap(([, values]) => values).filter((value) => value != null);
  if (all.length < 4) return null;
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const y = (value) => 38 - (36 * (value - low)) / (high - low || 1);
  return svg(
    "svg",
    {
      class: "spark",
      viewBox: "0 0 100 40",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `Through the video, from ${figure(low)} to ${figure(high)}`,
    },
    lines.map(([column, values]) => svg("path", { d: path(values, y), "--tint": tint(column) })),
  );
}

function binned(values, most) {
  const size = Math.ceil(values.length / most) || 1;
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => {
    const some = values.slice(i * size, (i + 1) * size).filter((value) => value != null);
    return some.length ? some.reduce((sum, value) => sum + value, 0) / some.length : null;
  });
}

/** An SVG path that is broken where there is no value. */
function path(values, y) {
  let pen = "M";
  return values
    .map((value, i) => {
      if (value == null) {
        pen = "M";
        return "";
      }
      const step = `${pen}${((100 * i) / Math.max(1, values.length - 1)).toFixed(2)} ${y(value).toFixed(2)}`;
      pen = "L";
      return step;
    })
    .join("");
}

/** What choosing wins: the ways to choose on one line, from worst to best. */
function rungs(values) {
  const known = Object.entries(values).filter(([, value]) => value != null);
  const [low, high] = [Math.min(...known.map(([, value]) => value)), Math.max(...known.map(([, value]) => value))];
  const at = (value) => 8 + (84 * (value - low)) / (high - low || 1);
  return svg(
    "svg",
    { class: "rungs", role: "img", "aria-label": known.map(([way, value]) => `${way} ${figure(value)}`).join(", ") },
    svg("line", { x1: "8%", x2: "92%", y1: 20, y2: 20 }),
    known.map(([way, value], i) =>
      svg(
        "g",
        {},
        svg("circle", { cx: `${at(value)}%`, cy: 20, r: 6 }),
        svg("text", { x: `${at(value)}%`, y: i % 2 ? 38 : 9, "text-anchor": "middle" }, way),
      ),
    ),
  );
}
