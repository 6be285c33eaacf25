// A slot as a card: its keyframes, what each captioner says of it, evidence and references.

/** The card of a slot with its heading alone; `furnish` brings the rest when it comes near. */
function card(i) {
  const [start, end] = slots[i].span;
  const go = el(
    "button",
    {
      type: "button",
      class: "time",
      "aria-label": `Play from ${clock(start)}`,
      click: () => {
        visit(i);
        player.play();
      },
    },
    `${clock(start)} – ${clock(end)}`,
  );
  const name = `Slot ${i + 1}${timed ? ` of ${slots.length}, ${clock(start)} to ${clock(end)}` : ""}`;
  return el(
    "li",
    { class: "slot", id: `slot-${i}`, tabindex: -1, "data-slot": i, "aria-label": name },
    el(
      "div",
      { class: "slot-head" },
      el("h3", {}, timed && go, el("span", {}, timed ? `Slot ${i + 1}` : "Photo")),
      differing(i),
    ),
  );
}

function differing(i) {
  const value = data.disagreement[i];
  return working.length > 1 && value != null
    ? el("span", { class: "meter" }, `differ by ${Math.round(100 * value)} %`, bar(value))
    : null;
}

function furnish(node) {
  if (node.classList.contains("filled")) return;
  node.classList.add("filled");
  const i = Number(node.dataset.slot);
  node.append(
    el(
      "div",
      { class: "slot-body" },
      el("div", { class: "frames" }, frames(i)),
      el("div", { class: "cells" }, cells(i)),
    ),
    el("ul", { class: "also" }, also(i)),
  );
}

/** Renews parts of the cards that are filled. */
function refresh(part, make) {
  for (const node of document.querySelectorAll(".slot.filled"))
    node.querySelector(part).replaceChildren(...make(Number(node.dataset.slot)).filter(Boolean));
}

function startCards() {
  when("blind votes", () => refocused(() => refresh(".cells", cells)));
  when("kinds", () => {
    refresh(".also", also);
    refresh(".frames", frames);
  });
}

/** Does `act`, which makes buttons anew, and gives the focus back to the one in the old one's place. */
function refocused(act) {
  const [slot, key] = [document.activeElement?.closest(".slot"), document.activeElement?.dataset.vote];
  act();
  if (slot && key) slot.querySelector(`[data-vote="${CSS.escape(key)}"]`)?.focus();
}

function frames(i) {
  const shown = slots[i].keyframes.slice(0, 7);
  return shown.map((k) =>
    el(
      "button",
      {
        type: "button",
        class: "frame",
        "aria-label": timed ? `Show ${clock(keyframes[k].at)}` : "Photo",
        click: () => {
          visit(i, { seek: false });
          player.seek(keyframes[k].at);
        },
      },
      picture(keyframes[k]),
      state.kinds.size
        ? svg(
            "svg",
            { class: "boxes", "aria-hidden": "true" },
            evidenceDuring(slots[i].span).flatMap((found) => boxesOf(found, k, false)),
          )
        : null,
    ),
  );
}

const cells = (i) => arranged(i).map((column, place) => cell(i, column, place));

function cell(i, column, place) {
  const [pick, ...others] = column.cells[i];
  const chosen = votes.get(i)?.label === column.label;
  const name = state.blind ? letter(place) : column.label;
  const final = data.finals[i];
  const here = final?.label === column.label && !state.blind;
  const joined = here && final.text !== pick?.text; // a neighbour's words speak for this slot too
  if (joined && pick) others.unshift(pick);
  return el(
    "div",
    {
      class: chosen ? "cell chosen" : "cell",
      role: "group",
      "aria-label": `${name}${here ? ", final" : ""}`,
      "--tint": state.blind ? null : tint(column),
    },
    el("div", { class: "who" }, el("bdi", {}, name), here && el("span", { class: "tag" }, "Final")),
    joined ? words(final.text, final.language, "p", "said") : pick ? spoken(i, column, pick) : nothing(column),
    here ? el("p", { class: "why" }, final.why) : null,
    pick && !joined && !state.blind ? facts(column, i, pick) : null,
    el(
      "div",
      { class: "foot" },
      pick && votable ? better(i, column, name, chosen) : null,
      others.length && !state.blind ? alternatives(others) : null,
    ),
  );
}

/** The pick, with the words that no other captioner's pick has marked. */
function spoken(i, column, pick) {
  const others = new Set(
    working.filter((other) => other !== column).flatMap((other) => tokens(other.cells[i][0]?.text ?? "")),
  );
  const node = words("", pick.language, "p", "said");
  const alone = !tokens(pick.text).some((token) => others.has(token)); // all its own, as in another language: nothing stands out
  for (const part of pick.text.split(/([\p{L}\p{N}\p{M}]+)/u)) {
    if (part)
      node.append(
        alone || !/[\p{L}\p{N}]/u.test(part) || others.has(part.toLowerCase())
          ? part
          : el("span", { class: "own" }, part),
      );
  }
  return node;
}

const tokens = (text) => text.toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];

function nothing(column) {
  if (column.error && !state.blind) return el("p", { class: "error", dir: "auto" }, column.error);
  return el("p", { class: "nothing" }, "Said nothing");
}

function better(i, column, name, chosen) {
  return el(
    "button",
    {
      type: "button",
      class: "better",
      "data-vote": column.label,
      "aria-pressed": chosen,
      "aria-label": `Better: ${name}, slot ${i + 1}`,
      click: () => vote(i, column),
    },
    chosen ? "✓ Better" : "Better",
  );
}

/** Figures of a slot's pick: the first ones of the comparison, or of a run the scores on the candidate. */
function facts(column, i, pick) {
  const rows = Object.keys(column.slotScores).length
    ? Object.keys(data.figures)
        .filter((name) => column.slotScores[name]?.[i] != null && data.figures[name].better === "higher")
        .slice(0, 3)
        .map((name) => [titled(name), figure(column.slotScores[name][i])])
    : Object.entries(pick.scores).map(([name, value]) => [titled(name), figure(value)]);
  const took = column.cost.slots[i];
  if (took) rows.push(["Time", lasting(took)]);
  return el(
    "dl",
    { class: "facts" },
    rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

function alternatives(others) {
  return el(
    "details",
    { class: "others", open: data.kind === "run" },
    el(
      "summary",
      {},
      `${count(others.length, data.kind === "run" ? "runner-up" : "other")}`.replace("runner-ups", "runners-up"),
    ),
    el(
      "ol",
      {},
      others.map((other) =>
        el(
          "li",
          {},
          words(other.text, other.language),
          el(
            "dl",
            { class: "facts" },
            Object.entries(other.scores).map(([name, value]) =>
              el("div", {}, el("dt", {}, titled(name)), el("dd", {}, figure(value))),
            ),
          ),
        ),
      ),
    ),
  );
}

/** References, and the evidence that is switched on. */
function also(i) {
  const said = data.references.filter((reference) => overlap(reference.span, slots[i].span));
  return [
    ...said.map((reference) => el("li", {}, el("b", {}, "reference"), words(reference.text, "", "span"))),
    ...evidenceDuring(slots[i].span).map((found) =>
      el(
        "li",
        { "--tint": tintOf(found.kind) },
        el("b", {}, found.kind),
        words(found.value, "", "span"),
        el("small", {}, `${timed ? `${clock(found.span[0])} · ` : ""}${Math.round(100 * found.confidence)} %`),
      ),
    ),
  ];
}
