"""The observer: listens to a track patch by patch, and tells the sounds that begin and end in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pydantic import Field, field_validator
from vdesc import Evidence, Keyframe, Observer, Span, Video
from vdesc.errors import nearest

from .classes import NO_EVENTS, kinds, names

if TYPE_CHECKING:
    import numpy as np
    from vdesc import Audio

    from .events import Event

BATCH = 8
"""Patches that the network hears at once, about four seconds; more are no faster on a CPU."""
THREADS = min(8, os.cpu_count() or 1)
"""Batches that are heard side by side, each by one thread: no thread waits for another within the network."""


class Sounds(Observer):
    """Hears music, applause, laughter, speech and 500 other sounds, with YAMNet."""

    name = "sounds"
    finds = ("sound",)
    extra = "evidence"

    class Options(Observer.Options):
        """What is heard, and how surely."""

        threshold: float = Field(0.5, gt=0, le=1, description="The score, 0 to 1, at which a sound begins.")
        classes: tuple[str, ...] = Field((), description="Only these sounds, by their AudioSet names; all where empty.")
        track: int | None = Field(None, ge=0, description="The audio track, counted from 0; null takes the first.")
        shortest: int = Field(900, ge=0, description="Sounds of fewer milliseconds are left out.")
        gap: int = Field(1500, ge=0, description="Pauses of at most so many milliseconds do not end a sound.")
        most: int = Field(3, ge=1, description="How many sounds are told at a time, the surest first.")

        @field_validator("classes")
        @classmethod
        def _known(cls, given: tuple[str, ...]) -> tuple[str, ...]:
            by_key = {name.casefold(): name for name in names()}
            for name in given:
                if name.casefold() not in by_key:
                    raise ValueError(f"there is no sound '{name}' ({nearest(name, names())})")
            return tuple(by_key[name.casefold()] for name in given)

    def load(self, device: str) -> None:
        """Reads the network. Raises `MissingExtra` where ONNX Runtime is not installed."""
        from .yamnet import Yamnet

        self._yamnet: Yamnet | None = Yamnet(self.name, self.extra, device)

    def close(self) -> None:
        """Lets the network go."""
        self._yamnet = None

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> list[Evidence]:
        """A `sound` for each event; none where the video has no sound. Raises `MediaError`, `SettingsError`."""
        from vdesc import listen

        audio = listen(video, self.cache, self.options.track)
        if audio is None:
            self.note("there is no sound")
            return []
        if audio.trouble:
            self.note(audio.trouble, "warning")
        spans = ((event, _span(event, audio.span, video.span)) for event in self._events(audio))
        return [
            Evidence("sound", span, event.name, event.confidence, self.name) for event, span in spans if span.length
        ]

    def _events(self, audio: Audio) -> list[Event]:
        """What is heard, by patches: a general sound only where no more specific one says it better."""
        from .events import at_most, events, smooth, specific
        from .yamnet import HOP

        options = self.options
        scores = self._scores(audio)
        place = {name: index for index, name in enumerate(names())}
        wanted = options.classes or [name for name in names() if name not in NO_EVENTS]
        loud = [name for name in wanted if scores[:, place[name]].max() >= options.threshold]
        smoothed = smooth(scores[:, [place[name] for name in loud]])
        found = events(smoothed, loud, options.threshold, round(options.shortest / HOP), options.gap // HOP)
        return at_most(specific(found, kinds()), options.most)

    def _scores(self, audio: Audio) -> np.ndarray:
        """Float16 (patches, 521), 8 MB for an hour of sound, of which a few batches are in memory at a time."""
        import numpy as np

        from .yamnet import HOP, PATCH, count

        assert self._yamnet
        hear, patches = self._yamnet.scores, count(audio.span.length)

        def batch(first: int) -> np.ndarray:
            start, more = audio.span.start + first * HOP, min(BATCH, patches - first) - 1
            return hear(audio.samples(Span(start, start + more * HOP + PATCH))).astype(np.float16)

        with ThreadPoolExecutor(THREADS) as pool:
            return np.concatenate(list(pool.map(batch, range(0, patches, BATCH))))


def _span(event: Event, heard: Span, shown: Span) -> Span:
    """When an event is heard: patches meet halfway between their middles, the outer ones reach the track's ends."""
    from .yamnet import HOP, PATCH, count

    def edge(patch: int) -> int:
        if patch == count(heard.length):
            return heard.end
        return heard.start + (patch and patch * HOP + (PATCH - HOP) // 2)

    return Span(min(edge(event.first), shown.end), min(edge(event.end), shown.end))
