// Votes: which caption is better, slot by slot; blind where the person likes; exported as preference data.

const VOTES = `votes:${video.digest}`;
const votes = new Map(); // slot -> {label, text, blind}
const votable = working.length > 1;

for (const [slot, vote] of Object.entries(kept.get(VOTES) ?? {})) {
  const column = columns.find((column) => column.label === vote?.label);
  // A vote counts for the words it was given to: those of an earlier comparison may differ.
  if (vote && column?.cells[slot]?.[0]?.text === vote.text) votes.set(Number(slot), vote);
}

/** The columns of a slot in the order in which they are shown: blind, shuffled in a way of the slot's own. */
function arranged(slot) {
  const order = [...columns];
  if (!state.blind) return order;
  const draw = random(`${video.digest}/${slot}`);
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Numbers in 0..1, equal for equal seeds: FNV-1a for the start, then mulberry32. */
function random(seed) {
  let hash = 2166136261;
  for (const character of seed) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return () => {
    hash = (hash + 0x6d2b79f5) | 0;
    let mixed = Math.imul(hash ^ (hash >>> 15), hash | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const letter = (i) => String.fromCharCode(65 + i);
const called = (slot, column) => (state.blind ? letter(arranged(slot).indexOf(column)) : column.label);

/** Votes for a column in a slot; the same vote again takes it back. */
function vote(slot, column) {
  const said = column?.cells[slot]?.[0];
  if (!said || !votable) return;
  const again = votes.get(slot)?.label === column.label;
  if (again) votes.delete(slot);
  else votes.set(slot, { label: column.label, text: said.text, blind: state.blind });
  kept.set(VOTES, Object.fromEntries(votes));
  tell(again ? `Vote for slot ${slot + 1} taken back` : `${called(slot, column)} is better in slot ${slot + 1}`);
  changed("votes");
}

/** The votes as preference data; docs/compare-page.md describes the form. */
function ballot() {
  return {
    schema: "vdesc.votes",
    version: 1,
    voter: $("voter").value.trim(),
    video: { name: video.name, digest: video.digest, length: video.length, still: video.still },
    votes: [...votes]
      .sort(([one], [other]) => one - other)
      .map(([slot, vote]) => ({
        slot,
        span: slots[slot].span,
        keyframes: slots[slot].keyframes.map((i) => keyframes[i].at),
        blind: vote.blind,
        candidates: columns
          .filter((column) => column.cells[slot].length)
          .map((column) => ({
            label: column.label,
            plugin: column.plugin,
            language: column.cells[slot][0].language,
            text: column.cells[slot][0].text,
          })),
        chosen: vote.label,
        evidence: evidence.filter((found) => overlap(found.span, slots[slot].span)).map(fact),
      })),
  };
}

/** A piece of evidence without times and boxes; `count` is how many were seen at once. */
const fact = ({ kind, value, confidence, count }) => ({ kind, value, confidence, ...(count && { count }) });

function exportVotes() {
  const file = new Blob([JSON.stringify(ballot(), null, 1), "\n"], { type: "application/json" });
  const link = el("a", {
    href: URL.createObjectURL(file),
    download: `${video.name.replace(/\.[^.]*$/, "")}.votes.json`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  tell(`${count(votes.size, "vote")} exported`);
}

function showVotes() {
  for (const node of document.querySelectorAll(".voting")) node.hidden = !votable;
  $("export").disabled = !votes.size;
  $("export").textContent = votes.size ? `Export ${count(votes.size, "vote")}` : "Export votes";
  $("blind").setAttribute("aria-pressed", state.blind);
}

function switchBlind() {
  if (!votable) return;
  state.blind = !state.blind;
  if (state.blind) state.track = null; // subtitles would tell who says what
  tell(state.blind ? "Voting blind: names are hidden, captions shuffled" : "Names are shown");
  changed("blind");
}
