// At a glance: who costs what, who is how good, whether that may be chance, who says the same, what ranking wins.

const narrow = matchMedia("(max-width: 40rem)").matches;
const AT_ONCE = narrow ? 1 : columns.length > 2 ? 2 : 3; // figures; others are one click away, lest the captions be far down

function startGlance() {
  if (!columns.length) return $("glance").remove();
  const telling = (name) =>
    new Set(columns.map((column) => figure(column.scores[name])).filter((shown) => shown !== "–")).size > 1;
  const names = figureNames().sort((one, other) => telling(other) - telling(one)); // what all share tells least
  const [figures, agreement] = [names.slice(0, AT_ONCE).map(figureCard), agreementCard()];
  const first = narrow ? figures : [...figures, agreement].filter(Boolean);
  const rest = [...(narrow && agreement ? [agreement] : []), ...choiceCards(), ...names.slice(AT_ONCE).map(figureCard)];
  $("glance").append(
    costCard(),
    el("div", { class: "cards" }, first),
    rest.length
      ? el(
          "details",
          { class: "more" },
          el("summary", {}, `${count(rest.length, "more chart")}`),
          el("div", { class: "cards" }, rest),
        )
      : "",
  );
}

const figureNames = () =>
  Object.keys(data.figures).filter((name) => columns.some((column) => column.scores[name] != null));
const titled = (name) => data.figures[name]?.title ?? name;

function figureCard(name) {
  const { better, about } = data.figures[name];
  const rows = columns
    .filter((column) => column.scores[name] != null)
    .map((column) => ({ name: column.label, value: column.scores[name], tint: tint(column) }));
  const values = rows.map((row) => row.value);
  const best = rows.length < 2 || !better ? null : better === "lower" ? Math.min(...values) : Math.max(...values);
  return el(
    "section",
    { class: "card", "aria-label": titled(name) },
    el("h3", {}, titled(name)),
    about &&
      el("p", { class: "about" }, about[0].toUpperCase() + about.slice(1) + (better ? `; ${better} is better.` : ".")),
    rows.length > 1 ? bars(rows, best) : el("p", { class: "big" }, figure(rows[0].value)),
    spark(name),
    verdict(name, better),
  );
}

/** Whether the best of a figure is really ahead, in words; all pairs on demand. */
function verdict(name, better) {
  const pairs = data.differences.filter((difference) => difference.figure === name);
  if (!pairs.length) return null;
  const sign = better === "lower" ? -1 : 1;
  const sure = pairs.filter((pair) => !pair.noise);
  const wins = new Map();
  for (const pair of sure) {
    const [winner, loser] = pair.value * sign > 0 ? [pair.first, pair.second] : [pair.second, pair.first];
    wins.set(winner, [...(wins.get(winner) ?? []), loser]);
  }
  const [leader, beaten] = [...wins].sort(([, one], [, other]) => other.length - one.length)[0] ?? [];
  const ahead = better ? "better than" : "higher than";
  const plain = leader
    ? `${leader} is ${ahead} ${listed(beaten)}: more than chance.`
    : pairs.length > 1
      ? "No difference here is more than chance."
      : "The difference may be chance.";
  return [
    el("p", { class: "says", dir: "auto" }, plain),
    el(
      "details",
      {},
      el("summary", {}, pairs.length > 1 ? `All ${pairs.length} pairs` : "Numbers"),
      el(
        "ul",
        {},
        pairs.map((pair) =>
          el(
            "li",
            { dir: "auto" },
            `${pair.first} over ${pair.second}: ${figure(pair.value)}, 95 % within ${figure(pair.low)} to ${figure(pair.high)}${pair.noise ? " (may be chance)" : ""}`,
          ),
        ),
      ),
    ),
  ];
}

const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

/** A row for each captioner: what it cost, or why it failed. */
function costCard() {
  const facts = [
    ["Slots", (column) => `${column.cells.filter((cell) => cell.length).length} of ${slots.length}`],
    ["A slot", (column) => lasting(column.cost.propose / Math.max(1, slots.length)), (column) => column.cost.propose],
    ["All", (column) => lasting(column.cost.propose), (column) => column.cost.propose],
    ["Loading", (column) => lasting(column.cost.load), (column) => column.cost.load],
    ["Tokens/s", (column) => figure(column.cost.tokensPerSecond), (column) => column.cost.tokensPerSecond],
    ["Memory", (column) => `${rough(column.cost.memory, "B")}`, (column) => column.cost.memory],
    ["Parameters", (column) => rough(column.cost.parameters), (column) => column.cost.parameters],
    ["Device", (column) => column.cost.device],
  ].filter(([, , has]) => !has || columns.some((column) => has(column)));
  return el(
    "div",
    { class: "card" },
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Captioners and what they cost" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, el("span", { class: "unseen" }, "Captioner")),
            facts.map(([name]) => el("th", { scope: "col" }, name)),
          ),
        ),
        el(
          "tbody",
          {},
          columns.map((column) =>
            el(
              "tr",
              {},
              el(
                "th",
                { scope: "row", title: settings(column) },
                el("span", { class: "dot", "--tint": tint(column) }),
                el("bdi", {}, column.label),
              ),
              column.error && !working.includes(column)
                ? el("td", { colspan: facts.length, class: "error", dir: "auto" }, `Failed: ${column.error}`)
                : facts.map(([, show, has]) => el("td", {}, !has || has(column) ? show(column) : "–")),
            ),
          ),
        ),
      ),
    ),
    columns
      .filter((column) => column.error && working.includes(column))
      .map((column) => el("p", { class: "error", dir: "auto" }, `${column.label}: ${column.error}`)),
  );
}

const settings = (column) =>
  Object.entries(column.options)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ") || column.plugin;

function agreementCard() {
  if (columns.length < 2 || !data.agreement.length) return null;
  return el(
    "section",
    { class: columns.length > 2 ? "card double" : "card", "aria-label": "Agreement" },
    el("h3", {}, "Agreement"),
    el("p", { class: "about" }, "How alike their captions are in the mean, from 0 to 1."),
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Agreement of captioners" },
      el(
        "table",
        { class: "heat" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("td", {}),
            columns.map((column) =>
              el(
                "th",
                { scope: "col" },
                el("span", { class: "dot", "--tint": tint(column) }),
                el("span", { class: "unseen" }, column.label),
              ),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          columns.map((column, i) =>
            el(
              "tr",
              {},
              el(
                "th",
                { scope: "row" },
                el("span", { class: "dot", "--tint": tint(column) }),
                el("bdi", {}, parted(column.label)),
              ),
              data.agreement[i].map((value) => el("td", { "--share": value }, value.toFixed(2))),
            ),
          ),
        ),
      ),
    ),
  );
}

/** For each figure the ways to choose among all candidates. */
function choiceCards() {
  const ways = Object.entries(data.choices);
  const names = [...new Set(ways.flatMap(([, values]) => Object.keys(values)))];
  return names.map((name) => {
    const values = Object.fromEntries(ways.map(([way, values]) => [way, values[name]]));
    return el(
      "section",
      { class: "card", "aria-label": `What ranking wins: ${titled(name)}` },
      el("h3", {}, `What ranking wins: ${titled(name)}`),
      rungs(values),
      el(
        "p",
        { class: "about" },
        Object.entries(values)
          .map(([way, value]) => `${way} ${figure(value)}`)
          .join(" · "),
      ),
    );
  });
}

/** How the votes stand; hidden while voting blind. */
function startStanding() {
  if (!votable) return $("standing").remove();
  const body = el("div", {});
  const voter = el("input", {
    id: "voter",
    type: "text",
    autocomplete: "name",
    value: kept.get("voter") ?? "",
    input: () => kept.set("voter", voter.value.trim()),
  });
  const name = el("p", { class: "field" }, el("label", { for: "voter" }, "Your name, exported with them"), voter);
  $("standing").append(el("h2", {}, "Your votes"), body, name);
  const draw = () => {
    const won = (column) => [...votes.values()].filter((vote) => vote.label === column.label).length;
    const rows = working.map((column) => ({
      name: column.label,
      value: won(column),
      shown: String(won(column)),
      tint: tint(column),
    }));
    body.replaceChildren(
      state.blind || !votes.size
        ? el(
            "p",
            { class: "about" },
            state.blind
              ? `${count(votes.size, "vote")} of ${count(slots.length, "slot")}; who leads is hidden.`
              : "Mark the better caption of a slot; your votes can be exported as preference data.",
          )
        : bars(rows),
    );
  };
  when("votes blind", draw);
  draw();
}
