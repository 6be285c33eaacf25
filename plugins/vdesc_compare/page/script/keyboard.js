// The keyboard. Where the focus is on something that takes keys of its own, those are its.

const KEYS = [
  [["↑", "↓"], "previous, next slot"],
  [["←", "→"], "five seconds back, on"],
  [["Space"], "play, pause"],
  [["1", "…", "9"], "subtitles of a captioner; voting blind: vote"],
  [["⇧ 1", "…", "⇧ 9"], "vote for a captioner in this slot"],
  [["0"], "no subtitles"],
  [["e"], "all evidence on, off"],
  [["b"], "vote blind"],
  [["/"], "search"],
  [["t"], "dark, light"],
  [["?"], "this help"],
];

function startKeyboard() {
  $("keys").append(
    ...KEYS.flatMap(([keys, does]) => [
      el(
        "dt",
        {},
        keys.flatMap((key, i) => (i ? [" ", key === "…" ? key : el("kbd", {}, key)] : [el("kbd", {}, key)])),
      ),
      el("dd", {}, does),
    ]),
  );
  $("help-button").addEventListener("click", () => $("help").showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || $("help").open || taken(event)) return;
    const act = action(event);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Whether the focused element has a use for the key: typing, choosing, pressing. */
function taken({ key, target }) {
  if (target.closest("input[type=search], input[type=text], select")) return true;
  if (target.closest("input[type=radio]") && key.startsWith("Arrow")) return true;
  return key === " " && target.closest("button, summary, input, video") != null;
}

function action({ key, code, shiftKey }) {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(code)?.[1];
  if (digit === "0" && !shiftKey) return () => choose(null);
  if (digit && digit !== "0") return () => numbered(Number(digit) - 1, shiftKey);
  return {
    ArrowUp: () => step(-1),
    ArrowDown: () => step(1),
    ArrowLeft: timed && (() => player.seek(player.at - 5000)),
    ArrowRight: timed && (() => player.seek(player.at + 5000)),
    " ": timed && (() => player.toggle()),
    "/": () => $("search").focus(),
    "?": () => $("help").showModal(),
    b: votable && switchBlind,
    e: () => kindsOn(state.kinds.size ? [] : kinds),
    t: switchTheme,
  }[key];
}

function numbered(place, voting) {
  if (state.blind || voting) {
    if (state.slot != null) vote(state.slot, arranged(state.slot)[place]);
  } else if (working.includes(columns[place])) choose(columns[place]);
}
