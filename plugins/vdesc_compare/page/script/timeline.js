// The timeline: shots, where captioners disagree, evidence, votes; and the keyframes as a strip.

const HEIGHT = 66;

function startTimeline() {
  if (!timed || !video.length) return $("timeline").remove();
  const drawing = svg("svg", { viewBox: `0 0 1000 ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const track = el(
    "div",
    {
      class: "track",
      role: "slider",
      tabindex: 0,
      "aria-label": "Time",
      "aria-valuemin": 0,
      "aria-valuemax": Math.round(video.length / 1000),
      pointerdown: (event) => {
        track.setPointerCapture(event.pointerId);
        follow(event);
      },
      pointermove: (event) => {
        if (event.buttons) follow(event);
      },
    },
    drawing,
    el("span", { class: "playhead" }),
  );
  const follow = (event) => {
    const room = track.getBoundingClientRect();
    player.seek(((event.clientX - room.left) / room.width) * video.length);
  };
  const differ = data.disagreement.length ? "bars: where captioners differ" : "bars: captions";
  $("timeline").append(
    track,
    el(
      "p",
      { class: "key" },
      el("span", {}, `${count(data.shots.length, "shot")}, ${count(keyframes.length, "keyframe")}; ${differ}`),
      el("span", { id: "clock" }),
    ),
    strip(),
  );
  const draw = () => drawing.replaceChildren(...shotBands(), ...slotBars(), ...lanes());
  when("kinds votes", draw);
  when("slot", () => mark(drawing));
  when("time", () => {
    track.style.setProperty("--at", player.at / video.length);
    track.setAttribute("aria-valuenow", Math.round(player.at / 1000));
    track.setAttribute("aria-valuetext", `${clock(player.at)} of ${clock(video.length)}`);
    $("clock").textContent = `${clock(player.at)} / ${clock(video.length)}`;
  });
  draw();
  mark(drawing);
}

const x = (at) => (1000 * at) / video.length;
const band = (span, y, height, props) =>
  svg("rect", { x: x(span[0]), width: Math.max(0.6, x(span[1]) - x(span[0])), y, height, ...props });

const shotBands = () => data.shots.filter((_, i) => i % 2).map((span) => band(span, 0, HEIGHT, { class: "shot" }));

function slotBars() {
  return slots.flatMap(({ span }, i) => {
    const height = 4 + (data.disagreement[i] ?? 0.12) * 40;
    const bar = band([span[0], Math.max(span[0], span[1] - video.length / 1500)], HEIGHT - height, height, {
      class: "slot-bar",
      "data-slot": i,
    });
    return votes.has(i) ? [bar, band(span, HEIGHT - 3, 3, { class: "voted" })] : [bar];
  });
}

/** A thin lane for each kind of evidence that is switched on. */
function lanes() {
  const on = kinds.filter((kind) => state.kinds.has(kind));
  return evidence
    .filter((found) => state.kinds.has(found.kind))
    .map((found) =>
      band(found.span, 3 + on.indexOf(found.kind) * 5, 3.4, { class: "lane", "--tint": tintOf(found.kind) }),
    );
}

function mark(drawing) {
  drawing.querySelector(".here")?.classList.remove("here");
  drawing.querySelector(`[data-slot="${state.slot}"]`)?.classList.add("here");
}

/** The keyframes; one of them is reached with Tab, the others from there with the arrows. */
function strip() {
  const frames = keyframes.map((keyframe, i) =>
    el(
      "button",
      {
        type: "button",
        tabindex: i ? -1 : 0,
        "aria-label": `Keyframe at ${clock(keyframe.at)}`,
        click: () => {
          player.seek(keyframe.at);
          visit(slotAt(keyframe.at), { seek: false });
        },
      },
      el("span", { class: "blank" }),
      el("span", {}, clock(keyframe.at)),
    ),
  );
  const list = el(
    "ol",
    {
      class: "strip",
      "aria-label": "Keyframes",
      keydown: (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const next = frames[Math.max(0, Math.min(frames.length - 1, frames.indexOf(document.activeElement) + step))];
        next.tabIndex = 0;
        next.focus();
      },
      scroll: () => show(),
    },
    frames.map((frame) => el("li", {}, frame)),
  );
  /** Gives those in sight, and a screen to each side, their pictures: the browser's own way watches all in every frame. */
  const show = () => {
    const [width, room] = [list.scrollWidth / frames.length, list.clientWidth];
    const first = Math.max(0, Math.floor((list.scrollLeft - room) / width));
    for (let i = first; i < frames.length && i * width < list.scrollLeft + 2 * room; i++)
      if (frames[i].firstChild.matches(".blank") && keyframes[i].image) frames[i].firstChild.replaceWith(picture(keyframes[i]));
  };
  requestAnimationFrame(show);
  let current = null;
  when("time", () => {
    const next = frames[keyframeAt(player.at)];
    if (next === current) return;
    for (const frame of [current, next]) frame?.toggleAttribute("aria-current", false);
    if (current && current !== document.activeElement) current.tabIndex = -1;
    next?.setAttribute("aria-current", "true");
    if (next) next.tabIndex = 0;
    if (next && !list.contains(document.activeElement))
      list.scrollTo({ left: next.parentNode.offsetLeft - list.offsetLeft - list.clientWidth / 2 + 60 });
    current = next;
  });
  return keyframes.length ? list : null;
}

const picture = (keyframe, alt = "") =>
  keyframe.image
    ? el("img", { alt, decoding: "async", src: keyframe.image })
    : el("span", { class: "blank" });
