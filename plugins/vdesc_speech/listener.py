"""The observer that both Whispers are: it finds who speaks when, gives the recogniser chunks, and places what it heard.

A recogniser says what it can: `languages`, `detect` and `hear`. All else is here, once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import Field
from vdesc import Evidence, Keyframe, Observer, SettingsError, Span, Video
from vdesc.errors import nearest
from vdesc.transcript import Word, phrases, text_of

from .hearing import Heard, without_loops
from .voice import Chunk, chunks, detector, odds, spoken

if TYPE_CHECKING:
    import numpy as np
    from vdesc import Audio

_SAMPLE_CHUNKS = 3  # that the language is told from
_LATE = 5  # seconds of sound without a picture that a person should know of
_CERTAIN = 0.5  # probability of a language from which on no further chunk is asked


class Listener(Observer):
    """Hears speech: Silero says when somebody speaks, Whisper what."""

    shorthand = "model"
    finds = ("speech",)

    class Options(Observer.Options):
        """The model and how it listens."""

        model: str = Field(
            "", description="A model's name, fetched once where there is a network, or its file or folder."
        )
        language: str = Field("", description="The language that is spoken, as in en or ko; it is detected without.")
        track: int | None = Field(None, ge=0, description="Which audio track, from 0; the first without.")
        beam: int = Field(5, ge=1, le=20, description="Beams of the search: 1 is fastest, 5 the usual.")
        batch: int = Field(8, ge=1, le=64, description="Chunks of 30 seconds heard at once; more take more memory.")

    @abstractmethod
    def languages(self) -> Mapping[str, str]:
        """The names of the languages that the loaded model knows, by code."""

    @abstractmethod
    def detect(self, samples: np.ndarray) -> Mapping[str, float]:
        """How likely each language is, by code, for a chunk's samples; called only where there is a choice."""

    @abstractmethod
    def hear(self, sounds: Sequence[np.ndarray], language: str) -> Sequence[Heard]:
        """What is said in each chunk, its words in milliseconds from the chunk's start."""

    def load(self, device: str) -> None:
        """Reads the detector of speech; a recogniser reads its model first."""
        self._voice = detector(self.name, self.extra)
        self._language = self._given()

    def close(self) -> None:
        """Lets go of the detector; a recogniser of its model."""
        self._voice = None

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> Iterator[Evidence]:
        """Speech: a sentence each, with its words and their times; none where the video has no sound."""
        from vdesc import listen  # it brings PyAV

        audio = listen(video, self.cache, self.options.track)
        if audio is None:
            if not video.still:
                self.note("the video has no sound: there is no speech to find")
            return
        if audio.trouble:
            self.note(audio.trouble, "warning")
        if (late := (audio.span.end - video.span.end) // 1000) >= _LATE:
            self.note(f"the sound lasts {late} s longer than the picture: what is said then is left out", "warning")
        spans = spoken(odds(self._voice, audio), _heard_with(video, audio))
        if not spans:
            self.note("nobody speaks")
            return
        yield from self._evidence(audio, list(chunks(spans)))

    def _evidence(self, audio: Audio, pieces: Sequence[Chunk]) -> Iterator[Evidence]:
        language = self._language or self._detected(audio, pieces)
        details = {"language": language, "track": self.options.track or 0}
        dropped: Counter[str] = Counter()
        for batch in _batches(pieces, self.options.batch):
            heard = self.hear([chunk.samples(audio) for chunk in batch], language)
            for chunk, said in zip(batch, heard, strict=True):
                for phrase in phrases(_believed(said, chunk, dropped)):
                    yield _spoken(phrase, said.confidence, self.name, details)
        if dropped := +dropped:
            what = ", ".join(f"{name} ({count})" for name, count in sorted(dropped.items()))
            self.note(f"left out as likely invented: {what}")

    def _detected(self, audio: Audio, pieces: Sequence[Chunk]) -> str:
        """The language that the first chunks are likeliest in together."""
        known = self.languages()
        if len(known) == 1:
            return next(iter(known))
        total: Counter[str] = Counter()
        for i, chunk in enumerate(pieces[:_SAMPLE_CHUNKS], 1):
            total.update(self.detect(chunk.samples(audio)))
            language, most = max(total.items(), key=lambda item: (item[1], item[0]))
            if most > _CERTAIN * i:
                break
        return language

    def _given(self) -> str:
        """The code of the language that the options name; "" where they name none. Raises `SettingsError`."""
        wanted, known = self.options.language.strip().lower(), self.languages()
        names = {name.lower(): code for code, name in known.items()}
        code = names.get(wanted, wanted.replace("_", "-").partition("-")[0])
        if code and code not in known:
            close = nearest(wanted, [*known, *names])
            hint = close if close.startswith("did you mean") else "use a code such as en, de or ko"
            hint = hint if len(known) > 1 else "its model knows English only"
            raise SettingsError(f"{self.name} knows no language '{self.options.language}' ({hint})")
        return code


def _heard_with(video: Video, audio: Audio) -> Span:
    """The time for which there is sound as well as a picture."""
    return Span(min(audio.span.start, video.span.end), min(audio.span.end, video.span.end))


def _believed(heard: Heard, chunk: Chunk, dropped: Counter[str]) -> list[Word]:
    """The words at their place in the video, without those that are not believed, which are counted."""
    if heard.silent:
        dropped["chunks without speech"] += 1
        return []
    words = without_loops(heard.words)
    dropped["words said over and over"] += len(heard.words) - len(words)
    placed = [(word, chunk.place(word.span.start, word.span.end)) for word in words]
    found = [replace(word, span=span) for word, span in placed if span]
    dropped["words after the end of the sound"] += len(placed) - len(found)
    return found


def _spoken(words: Sequence[Word], confidence: float, source: str, details: Mapping[str, Any]) -> Evidence:
    span = Span(min(word.span.start for word in words), max(word.span.end for word in words))
    rows = [[w.span.start, w.span.end, w.text.strip(), round(w.probability, 3)] for w in words]
    return Evidence("speech", span, text_of(words), confidence, source, details={**details, "words": rows})


def _batches(pieces: Iterable[Chunk], size: int) -> Iterator[list[Chunk]]:
    left = iter(pieces)
    while batch := list(islice(left, size)):
        yield batch
