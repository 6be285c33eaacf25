// The list of slots: found, sorted, filled as they come near, so that two thousand open as fast as twenty.

const list = { cards: slots.map((_, i) => card(i)), order: slots.map((_, i) => i) };

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries)
      if (entry.isIntersecting) {
        near.unobserve(entry.target);
        furnish(entry.target);
      }
  },
  { rootMargin: "1200px 0px" },
);

const folded = (text) => text.normalize("NFKC").toLowerCase();

/** All words of a slot, made when they are first looked for. */
const wordsOf = (() => {
  const known = [];
  return (i) =>
    (known[i] ??= folded(
      [
        ...columns.flatMap((column) => column.cells[i].map((candidate) => candidate.text)),
        ...evidence.filter((found) => overlap(found.span, slots[i].span)).map((found) => found.value),
        ...data.references
          .filter((reference) => overlap(reference.span, slots[i].span))
          .map((reference) => reference.text),
      ].join("\n"),
    ));
})();

/** The lowest, or highest, of all columns' values of a figure in a slot. */
function extreme(name, i, choose) {
  const values = columns.map((column) => column.slotScores[name]?.[i]).filter((value) => value != null);
  return values.length ? choose(...values) : null;
}

/** Ways to sort: each gives a number for a slot, the least comes first; null comes last. */
function sortings() {
  const ways = { time: [timed ? "Time" : "Place", (i) => i] };
  if (data.disagreement.length && working.length > 1) ways.differ = ["Most disagreement", (i) => -data.disagreement[i]];
  for (const [name, { title, better }] of Object.entries(data.figures)) {
    if (!columns.some((column) => column.slotScores[name]?.some((value) => value != null))) continue;
    if (better === "lower")
      ways[name] = [
        `Highest ${title}`,
        (i) => {
          const most = extreme(name, i, Math.max);
          return most == null ? null : -most;
        },
      ];
    else ways[name] = [`Lowest ${title}`, (i) => extreme(name, i, Math.min)];
  }
  if (columns.some((column) => column.cost.slots.length))
    ways.slow = ["Slowest", (i) => -Math.max(...columns.map((column) => column.cost.slots[i] ?? 0))];
  return ways;
}

function showings() {
  const said = (i) => columns.map((column) => column.cells[i][0]?.text).filter((text) => text != null);
  const ways = { all: ["All slots", () => true] };
  if (working.length > 1) ways.differ = ["Where captions differ", (i) => new Set(said(i)).size > 1];
  if (votable) ((ways.open = ["Not yet voted", (i) => !votes.has(i)]), (ways.voted = ["Voted", (i) => votes.has(i)]));
  if (columns.some((column) => column.cells.some((cell) => !cell.length)))
    ways.gaps = ["Where one said nothing", (i) => said(i).length < columns.length];
  if (data.references.length)
    ways.referred = [
      "With a reference",
      (i) => data.references.some((reference) => overlap(reference.span, slots[i].span)),
    ];
  for (const kind of kinds)
    ways[`kind:${kind}`] = [
      `With ${kind}`,
      (i) => evidence.some((found) => found.kind === kind && overlap(found.span, slots[i].span)),
    ];
  return ways;
}

function startList() {
  const [sorts, shows] = [sortings(), showings()];
  for (const [id, ways] of [
    ["sort", sorts],
    ["show", shows],
  ]) {
    $(id).append(...Object.entries(ways).map(([value, [title]]) => el("option", { value }, title)));
    $(id).addEventListener("change", arrange);
  }
  let wait = 0;
  $("search").addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(arrange, 120);
  });
  $("sift").addEventListener("submit", (event) => {
    event.preventDefault();
    arrange();
  });
  when("slot", follow);
  arrange();

  /** Puts the cards that are wanted into the order that is wanted. */
  function arrange() {
    const [query, value, keep] = [
      folded($("search").value.trim()),
      sorts[$("sort").value][1],
      shows[$("show").value][1],
    ];
    const keyed = slots
      .map((_, i) => i)
      .filter((i) => keep(i) && (!query || wordsOf(i).includes(query)))
      .map((i) => [i, value(i) ?? Infinity]);
    list.order = keyed.sort(([i, one], [j, other]) => (one === other ? i - j : one - other)).map(([i]) => i);
    $("list").replaceChildren(
      ...(list.order.length
        ? list.order.map((i) => list.cards[i])
        : [
            el(
              "li",
              { class: "empty" },
              slots.length ? "No slot has this." : "There are no slots: nothing in this video was captioned.",
            ),
          ]),
    );
    near.disconnect();
    for (const i of list.order) if (!list.cards[i].classList.contains("filled")) near.observe(list.cards[i]);
    const some =
      list.order.length === slots.length
        ? count(slots.length, "slot")
        : `${list.order.length} of ${count(slots.length, "slot")}`;
    if ($("count").textContent && $("count").textContent !== some) tell(`${some} shown`);
    $("count").textContent = some;
  }
}

/** Marks where the person is, and scrolls there where that is wanted. */
function follow() {
  document.querySelector(".slot.here")?.classList.remove("here");
  const here = list.cards[state.slot];
  here?.classList.add("here");
  if (here?.isConnected && $("follow").checked && !here.contains(document.activeElement))
    here.scrollIntoView({ block: "center" });
}

/** Goes so many cards on in the list as it is shown, and puts the focus there. */
function step(by) {
  const place = list.order.indexOf(state.slot);
  const next = list.order[place < 0 ? 0 : Math.max(0, Math.min(list.order.length - 1, place + by))];
  if (next == null) return;
  visit(next);
  furnish(list.cards[next]);
  list.cards[next].focus({ preventScroll: true });
  list.cards[next].scrollIntoView({ block: "nearest" });
}
