"""Voice activity: when somebody speaks, by Silero's network streamed over a track; the chunks for a recogniser.

It knows samples and times, nothing of recognisers. Source: Silero VAD 6 (MIT), whose weights the package `silero-vad`
holds; the rule of two thresholds is its own (`get_speech_timestamps`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import MissingExtra, Span
from vdesc.onnx import session

if TYPE_CHECKING:
    import numpy as np
    from vdesc import Audio

FRAME = 32  # milliseconds that one number speaks for
BEGIN, GO_ON = 0.5, 0.35  # speech begins above the one and lasts until it stays below the other
PAUSE = 500  # milliseconds of quiet that end it
SHORTEST = 250  # milliseconds; what is shorter is a click or a cough
PAD = 200  # milliseconds kept around it: the network hears soft first and last sounds late
LONGEST = 30_000  # milliseconds that Whisper hears at once
_LATE = 1000  # milliseconds by which the time of a last word may be too late: recognisers round up to whole seconds
_BLOCK = 512 * FRAME
_SAMPLES, _CONTEXT = 512, 64  # of a frame, and of the one before it that the network wants to see


@dataclass(frozen=True, slots=True)
class Chunk:
    """Spans with speech, in order, heard one right after the other: at most `LONGEST` milliseconds together."""

    spans: tuple[Span, ...]

    @property
    def length(self) -> int:
        """Milliseconds of sound."""
        return sum(span.length for span in self.spans)

    def samples(self, audio: Audio) -> np.ndarray:
        """Float32 (16 * length,): the sound of its spans."""
        import numpy as np

        return np.concatenate([audio.samples(span) for span in self.spans])

    def place(self, start: int, end: int) -> Span | None:
        """Where in the video the chunk's milliseconds from `start` to `end` lie: in the span that holds their middle.

        None where they lie more than a second beyond the chunk's end.
        """
        begin = 0
        for span in self.spans:
            late = _LATE if span is self.spans[-1] else 0
            if (start + end) // 2 < begin + span.length + late:
                shift = span.start - begin
                return Span(max(span.start, min(span.end, start + shift)), max(span.start, min(span.end, end + shift)))
            begin += span.length
        return None


def detector(plugin: str, extra: str) -> Any:
    """The network's session. Raises `MissingExtra` where its package or ONNX Runtime is not installed."""
    package = find_spec("silero_vad")
    if package is None or not package.submodule_search_locations:
        raise MissingExtra(plugin, "silero-vad", extra)
    folder = Path(package.submodule_search_locations[0]) / "data"
    return session(folder / "silero_vad_16k_sequence.onnx", plugin, extra, threads=1)


def odds(network: Any, audio: Audio) -> np.ndarray:
    """Float32 (frames,): how likely somebody speaks in each 32 ms from `audio.span.start` on, 0..1.

    The track is read in blocks of 16 s; an hour gives 113 thousand numbers.
    """
    import numpy as np

    found = [np.zeros(0, np.float32)]
    h = c = np.zeros((1, 1, 128), np.float32)
    before = np.zeros(_CONTEXT, np.float32)
    for _, samples in audio.blocks(_BLOCK):
        frames = np.pad(samples, (0, -len(samples) % _SAMPLES)).reshape(-1, _SAMPLES)
        contexts = np.vstack([before, frames[:-1, -_CONTEXT:]])
        before = frames[-1, -_CONTEXT:]
        speech, h, c = network.run(None, {"input": np.hstack([contexts, frames]), "h": h, "c": c})
        found.append(speech.reshape(-1))
    return np.concatenate(found)


def spoken(likely: Sequence[float] | np.ndarray, window: Span) -> tuple[Span, ...]:
    """The spans of `window` in which somebody speaks, padded, apart from each other, none longer than `LONGEST`.

    Args:
        likely: a number for each 32 ms from the window's start on; see `odds`.
    """
    likely = likely[: -(-window.length // FRAME)]
    spans: list[Span] = []
    for first, last in _runs(likely):
        span = Span(window.start + first * FRAME - PAD, window.start + last * FRAME + PAD)
        span = Span(max(window.start, span.start), min(window.end, max(window.start, span.end)))
        if spans and span.start <= spans[-1].end:
            span = Span(spans.pop().start, span.end)
        spans.append(span)
    return tuple(part for span in spans for part in _cut(span, likely, window.start))


def chunks(spans: Sequence[Span]) -> Iterator[Chunk]:
    """The spans packed in order, as many into each chunk as it holds."""
    packed: list[Span] = []
    for span in spans:
        if packed and sum(part.length for part in packed) + span.length > LONGEST:
            yield Chunk(tuple(packed))
            packed = []
        packed.append(span)
    if packed:
        yield Chunk(tuple(packed))


def _runs(likely: Sequence[float] | np.ndarray) -> Iterator[tuple[int, int]]:
    """First frame, and the one after the last, of each stretch of speech that is long enough."""
    first = last = -1
    for i, share in enumerate([*likely, *[0.0] * (PAUSE // FRAME + 1)]):
        if share >= (GO_ON if first >= 0 else BEGIN):
            first, last = (first if first >= 0 else i), i + 1
        elif first >= 0 and (i + 1 - last) * FRAME >= PAUSE:
            if (last - first) * FRAME >= SHORTEST:
                yield first, last
            first = -1


def _cut(span: Span, likely: Sequence[float] | np.ndarray, start: int) -> Iterator[Span]:
    """The span in pieces that a recogniser takes, cut where in the second half of each a pause is likeliest."""
    import numpy as np

    cuts = [span.start]
    while span.end - cuts[-1] > LONGEST:
        first, last = ((at - start) // FRAME for at in (cuts[-1] + LONGEST // 2, cuts[-1] + LONGEST))
        smooth = np.convolve(likely[first - 2 : last + 2], np.ones(5) / 5, "valid")
        cuts.append(start + (first + int(smooth.argmin())) * FRAME)
    return (Span(a, b) for a, b in pairwise([*cuts, span.end]))
