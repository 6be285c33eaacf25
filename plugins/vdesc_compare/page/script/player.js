// The video, its subtitle tracks and boxes. Where the browser cannot play it, its keyframes take its place.

const player = {
  node: null, // the video element, or null where there is none to play
  at: 0,
  tracks: [],

  start() {
    const screen = $("screen");
    screen.style.setProperty("--ratio", `${video.width || 16} / ${video.height || 9}`);
    screen.style.setProperty("--share", (video.width || 16) / (video.height || 9));
    document.documentElement.style.setProperty("--ratio", `${video.width || 16} / ${video.height || 9}`);
    if (video.still) this.photo(screen);
    else this.film(screen);
    this.overlay = svg("svg", { class: "boxes", "aria-hidden": "true" });
    screen.append(this.overlay);
    when("kinds slot", () => this.draw());
  },

  film(screen) {
    const node = el("video", {
      controls: true,
      playsinline: true,
      preload: "auto",
      "aria-label": `Video ${video.name}`,
      poster: keyframes[0]?.image || null,
      error: () => this.fail(),
      loadedmetadata: () => {
        if (!node.videoWidth) this.fail();
      }, // sound alone: it lacks the picture's codec
      timeupdate: () => this.moved(node.currentTime * 1000),
      seeking: () => this.moved(node.currentTime * 1000),
    });
    this.node = node;
    this.tracks = working.map((column) => subtitles(node, column));
    screen.append(node);
    node.src = video.src;
  },

  photo(screen) {
    const node = el("img", { alt: `Photo ${video.name}`, error: () => this.fail() });
    screen.append(node);
    node.src = video.src;
  },

  /** Keyframes in place of what cannot be shown. */
  fail() {
    if (this.failed) return;
    this.failed = true;
    this.node = null;
    $("screen").querySelector("video, img")?.remove();
    this.still = el("img", { alt: "" });
    $("screen").prepend(this.still);
    const thing = video.still ? "show" : "play";
    $("trouble").textContent =
      `This browser cannot ${thing} ${video.name}: it was moved, or is in a format that the browser lacks. Keyframes are shown in its place.`;
    $("trouble").hidden = false;
    this.moved(this.at);
    changed("failed");
  },

  seek(at) {
    at = Math.max(0, Math.min(at, video.length));
    // A tenth of a millisecond more, lest rounding show the frame before the cut.
    if (this.node) this.node.currentTime = (at + 0.1) / 1000;
    else this.moved(at);
    this.at = at;
  },

  play() {
    this.node?.play().catch(() => {});
  },
  toggle() {
    if (this.node) this.node.paused ? this.play() : this.node.pause();
  },

  moved(at) {
    this.at = at;
    if (this.still) {
      const i = keyframeAt(at);
      if (i != null && keyframes[i].image) {
        this.still.src = keyframes[i].image;
        this.still.alt = `Keyframe at ${clock(keyframes[i].at)}`;
      }
    }
    changed("time");
    if (timed && slotAt(at) !== state.slot) visit(slotAt(at), { seek: false });
    this.draw();
  },

  /** Boxes of what is seen now. */
  draw() {
    const [at, here] = [this.at, keyframeAt(this.at)];
    const shown = evidence.filter(
      (found) => state.kinds.has(found.kind) && (!timed || (found.span[0] <= at && at <= found.span[1])),
    );
    const boxes = shown.flatMap((found) => boxesOf(found, here, timed));
    this.overlay.replaceChildren(...apart(boxes, this.overlay.clientWidth, this.overlay.clientHeight));
  },

  caption() {
    this.tracks.forEach((track, i) => {
      track.mode = working[i] === state.track ? "showing" : "disabled";
    });
  },
};

/** The subtitles of a column as a track that the browser shows; a `<track>` element could not be read from disk. */
function subtitles(node, column) {
  const track = node.addTextTrack("subtitles", column.label, column.cues[0]?.[3] ?? "");
  for (const [start, end, text] of column.cues) {
    const safe = text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    track.addCue(new VTTCue(start / 1000, Math.max(end, start + 1) / 1000, safe));
  }
  track.mode = "disabled";
  return track;
}

/** The box of a piece of evidence at a keyframe: where it was seen there, or (`nearest`) in the keyframe closest to it. */
function boxesOf(found, keyframe, nearest) {
  let boxes = found.boxes.filter(([seen]) => seen == null || seen === keyframe);
  if (!boxes.length && nearest && found.boxes.length) {
    boxes = [
      found.boxes.reduce((best, box) => (Math.abs(box[0] - keyframe) < Math.abs(best[0] - keyframe) ? box : best)),
    ];
  }
  return boxes.map(([, left, top, right, bottom]) =>
    svg(
      "g",
      { "--tint": tintOf(found.kind) },
      svg("rect", { x: share(left), y: share(top), width: share(right - left), height: share(bottom - top), rx: 3 }),
      svg("text", { x: share(left), y: share(top), dx: 4, dy: top < 0.06 ? 13 : -4 }, found.value.slice(0, 40)),
    ),
  );
}

/** The boxes, with labels that would stand on each other moved down, on a picture of so many pixels. */
function apart(boxes, width, height) {
  const taken = [];
  for (const box of boxes) {
    const label = box.querySelector("text");
    const x = (parseFloat(label.getAttribute("x")) * width) / 100;
    const top = (parseFloat(label.getAttribute("y")) * height) / 100;
    let y = top + Number(label.getAttribute("dy"));
    for (const [left, line] of taken) if (Math.abs(left - x) < 60 && Math.abs(line - y) < 13) y = line + 13;
    label.setAttribute("dy", Math.round(y - top));
    taken.push([x, y]);
    taken.sort(([, one], [, other]) => one - other);
  }
  return boxes;
}

const share = (part) => `${(100 * Math.max(0, Math.min(1, part))).toFixed(2)}%`;
