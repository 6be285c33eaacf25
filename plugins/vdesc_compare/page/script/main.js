// The page is put together here.

/** Chooses whose subtitles are shown. */
function choose(column) {
  state.track = state.blind ? null : column;
  changed("track");
  tell(state.track ? `Subtitles of ${state.track.label}` : "No subtitles");
}

/** Switches evidence of these kinds on, and of no others. */
function kindsOn(some) {
  state.kinds = new Set(some);
  changed("kinds");
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  kept.set("theme", root.dataset.theme);
}

function startHead() {
  $("title").textContent = video.name;
  const facts = [
    timed && clock(video.length),
    video.width && `${video.width} × ${video.height}`,
    timed && count(slots.length, "slot"),
    count(columns.length, "captioner"),
    data.kind === "run" ? "one run" : "",
  ];
  $("about").textContent = facts.filter(Boolean).join(" · ");
  const theme = kept.get("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  $("theme").addEventListener("click", switchTheme);
  $("blind").addEventListener("click", switchBlind);
  $("export").addEventListener("click", exportVotes);
  when("votes blind", showVotes);
  showVotes();
}

/** A chip that holds a radio button or a box to tick. */
function chip(type, name, tint, label, note, act, value = "") {
  const input = el("input", { type, name, value, change: () => act(input.checked) });
  return el(
    "label",
    { class: "chip", "--tint": tint },
    input,
    tint && el("span", { class: "dot" }),
    el("bdi", {}, label),
    note && el("small", {}, note),
  );
}

function startTracks() {
  if (!timed || !working.length) return $("tracks").remove();
  const chips = [null, ...working].map((column) =>
    chip(
      "radio",
      "track",
      column && tint(column),
      column?.label ?? "Off",
      column && columns.indexOf(column) < 9 && String(columns.indexOf(column) + 1),
      () => choose(column),
    ),
  );
  $("tracks").append(...chips);
  const show = () => {
    $("tracks").hidden = state.blind || player.failed === true;
    chips.forEach((chip, i) => {
      chip.firstChild.checked = [null, ...working][i] === state.track;
    });
    player.caption();
  };
  when("track blind failed", show);
  show();
}

function startEvidence() {
  if (!kinds.length) return $("evidence").remove();
  const chips = kinds.map((kind) =>
    chip(
      "checkbox",
      "kind",
      tintOf(kind),
      kind,
      String(evidence.filter((found) => found.kind === kind).length),
      (on) => kindsOn(kinds.filter((other) => (other === kind ? on : state.kinds.has(other)))),
      kind,
    ),
  );
  $("evidence").append(...chips);
  when("kinds", () =>
    chips.forEach((chip, i) => {
      chip.firstChild.checked = state.kinds.has(kinds[i]);
    }),
  );
}

/** What all captioners say at this moment. */
function startNow() {
  if (!timed || !working.length) return $("now").remove();
  const draw = () =>
    $("now").replaceChildren(
      ...(state.slot == null ? [] : arranged(state.slot))
        .filter((column) => working.includes(column))
        .map((column) => {
          const said = column.cells[state.slot][0];
          return el(
            "p",
            { class: column === state.track ? "shown" : null },
            el("span", {
              class: "dot",
              role: "img",
              "aria-label": called(state.slot, column),
              "--tint": state.blind ? "var(--edge)" : tint(column),
            }),
            words(said?.text ?? "–", said?.language, "span"),
          );
        }),
    );
  when("slot blind track", draw);
  draw();
}

function startFindings() {
  $("findings").hidden = !data.findings.length;
  $("findings").append(
    el(
      "ul",
      { class: "findings" },
      data.findings.map(({ source, message, level }) =>
        el("li", { class: `level-${level}`, dir: "auto" }, el("b", {}, `${source}: `), message),
      ),
    ),
  );
}

startHead();
player.start();
startTracks();
startEvidence();
startNow();
startTimeline();
startGlance();
startStanding();
startCards();
startList();
startFindings();
startKeyboard();
player.moved(0);
changed("slot");
