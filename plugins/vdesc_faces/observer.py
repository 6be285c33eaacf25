"""The observer: faces in each keyframe, joined into people, with names and expressions where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator
from vdesc import Box, Evidence, Keyframe, Observer, Video
from vdesc.files import digest
from vdesc.planning import stretches
from vdesc.sightings import Sighting, chains, iou, lasting

if TYPE_CHECKING:
    import numpy as np

    from .detector import Face
    from .expressions import Expressions
    from .identity import Identity

SMALLEST = 32
"""Pixels that a face must be high for its expression to be read."""
PATIENCE = 1
"""Keyframes that a face may turn away for and still be the same."""

Chain = tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What else is known of a face in one keyframe: its vector, its expression with the probability."""

    vector: np.ndarray | None = None
    expression: tuple[str, float] | None = None


class Faces(Observer):
    """Finds faces, tells people apart, and names those whose photos it is given. No face, no evidence."""

    name = "faces"
    finds = ("face",)
    extra = "faces"

    class Options(Observer.Options):
        """What counts as a face, who is who, and whether expressions are read."""

        threshold: float = Field(0.8, ge=0.3, le=1, description="The least score of a face, 0.3 to 1.")
        size: int = Field(640, ge=64, le=4096, description="The longer side in pixels that pictures are scaled to.")
        identity: Literal["", "sface", "deepface"] = Field(
            "", description="What tells people apart: nothing (a label holds within its shot only), sface, or deepface."
        )
        identity_model: str = Field(
            "",
            validate_default=True,
            description="For sface the path of its model file; for deepface a model's name, by default Facenet512.",
        )
        alike: float | None = Field(
            None,
            gt=0,
            le=1,
            description="The cosine from which two faces are one person; null takes the backend's.",
        )
        cast: str = Field("", description="A YAML or JSON file of names and their photos; needs an identity.")
        expressions: Literal["", "mini", "deepface"] = Field(
            "", description="What reads expressions: nothing, mini (ships), or deepface. Read the docs before use."
        )
        expression_threshold: float = Field(
            0.7, ge=0, le=1, description="The least probability of an expression that is told."
        )

        @field_validator("identity_model")
        @classmethod
        def _named(cls, model: str, given: ValidationInfo) -> str:
            if not model and given.data.get("identity") == "sface":
                raise ValueError("identity=sface needs the path of face_recognition_sface_2021dec.onnx here")
            return model

        @field_validator("cast")
        @classmethod
        def _recognised(cls, cast: str, given: ValidationInfo) -> str:
            if cast and not given.data.get("identity"):
                raise ValueError("a cast needs what recognises people: add identity=sface or identity=deepface")
            return cast

    def fingerprint(self) -> str:
        """Digests of the model file and of the cast with its photos; "" where none are named."""
        files: list[Path] = []
        if self.options.identity == "sface":
            files.append(Path(self.options.identity_model).expanduser())
        if self.options.cast:
            from . import cast

            file = Path(self.options.cast).expanduser()
            files += [file, *(photo for photos in cast.photos(file).values() for photo in photos)]
        return " ".join(digest(file) if file.is_file() else "-" for file in files)

    def load(self, device: str) -> None:
        """Reads the networks and the cast. Raises `ModelError`, `InputError`, or an `ImportError` for DeepFace."""
        from .detector import Detector

        self._detector = Detector(self.options.size, self.options.threshold)
        self._identity = self._identity_backend()
        self._expressions = self._expressions_backend()
        self._known: dict[str, np.ndarray] = {}
        self._trouble: list[tuple[str, str]] = []
        if self.options.cast and self._identity:
            from . import cast

            told = cast.photos(Path(self.options.cast).expanduser())
            self._known, self._trouble = cast.vectors(told, self._detector, self._identity)

    def _identity_backend(self) -> Identity | None:
        if self.options.identity == "sface":
            from .identity import SFace

            return SFace(Path(self.options.identity_model).expanduser(), self.name)
        if self.options.identity == "deepface":
            from .deepface import DeepIdentity

            return DeepIdentity(self.options.identity_model, self.name)
        return None

    def _expressions_backend(self) -> Expressions | None:
        if self.options.expressions == "mini":
            from .expressions import Mini

            return Mini()
        if self.options.expressions == "deepface":
            from .deepface import DeepExpressions

            return DeepExpressions(self.name)
        return None

    def close(self) -> None:
        """Lets the networks and the cast go."""
        self._detector = self._identity = self._expressions = None  # type: ignore[assignment]
        self._known = {}

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> list[Evidence]:
        """A `face` for each person and shot; an `expression` for each stretch in which a face keeps it."""
        for message, level in self._trouble:
            self.note(message, level)
        spans = stretches(keyframes, video.span)
        shots = [keyframe.shot.index for keyframe in keyframes]
        found = chains(self._sightings(keyframes), lambda one, other: _near(one, other, shots), PATIENCE)
        evidence = []
        for chain, label in zip(found, self._labels(found), strict=True):
            evidence.append(lasting("face", self.name, chain, keyframes, spans, label))
            for run in self._expressed(chain):
                evidence.append(lasting("expression", self.name, run, keyframes, spans, face=label))
        return evidence

    def _sightings(self, keyframes: Sequence[Keyframe]) -> Iterator[Sighting]:
        """Every face in every keyframe, from left to right; two pictures are held, the next is read meanwhile."""
        lost: list[str] = []
        for i, (keyframe, read) in enumerate(_read_ahead(keyframes)):
            try:
                pixels = read.result()
                faces = sorted(self._detector.faces(pixels), key=lambda face: face.box.left)
                looks = self._looks(pixels, faces)
            except Exception as error:  # a damaged picture, or one that a backend cannot take
                lost.append(f"at {keyframe.at} ms: {type(error).__name__}: {error}")
                continue
            for face, look in zip(faces, looks, strict=True):
                yield Sighting(i, "face", face.confidence, face.box, look)
        if lost:
            self.note(f"left out {len(lost)} keyframes that could not be looked at, the first {lost[0]}", "warning")

    def _looks(self, pixels: np.ndarray, faces: Sequence[Face]) -> list[Look]:
        if not faces:
            return []
        vectors = self._identity.vectors(pixels, faces) if self._identity else [None] * len(faces)
        looks = [Look(vector) for vector in vectors]
        large = [i for i, face in enumerate(faces) if (face.box.bottom - face.box.top) * pixels.shape[0] >= SMALLEST]
        if self._expressions and large:
            read = self._expressions.read(pixels, [faces[i] for i in large])
            for i, expression in zip(large, read, strict=True):
                looks[i] = replace(looks[i], expression=expression)
        return looks

    def _labels(self, found: Sequence[Chain]) -> list[str]:
        """What each chain's person is called: a name from the cast, or a number by first appearance."""
        if not self._identity or not found:
            return [f"person {number}" for number in range(1, len(found) + 1)]
        import numpy as np

        from .people import middles, named, partition

        alike = self.options.alike or self._identity.threshold
        seen = [np.stack([sighting.details.vector for sighting in chain]) for chain in found]
        vectors = np.concatenate([middles(rows, [0] * len(rows)) for rows in seen])
        apart = _together(found)
        groups = partition(vectors, alike, apart)
        others = {(groups[i], groups[j]) for i, j in apart}
        names = named(middles(vectors, groups), self._known, alike, others)
        return [names.get(group, f"person {group + 1}") for group in groups]

    def _expressed(self, chain: Chain) -> Iterator[Chain]:
        """The runs of a chain in which the face shows one expression, surely enough."""
        shown = [(sighting, sighting.details.expression or ("", 0.0)) for sighting in chain]
        least = self.options.expression_threshold
        for label, run in groupby(shown, lambda pair: pair[1][0] if pair[1][1] >= least else ""):
            if label:
                yield tuple(replace(sighting, value=label, confidence=chance) for sighting, (_, chance) in run)


def _read_ahead(keyframes: Sequence[Keyframe]) -> Iterator[tuple[Keyframe, Future[np.ndarray]]]:
    """Each keyframe with its pixels to come; while one is looked at, another thread reads the next."""
    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(keyframe.pixels) for keyframe in keyframes[:1]]
        for i, keyframe in enumerate(keyframes):
            coming += [reader.submit(following.pixels) for following in keyframes[i + 1 : i + 2]]
            yield keyframe, coming.pop(0)


def _near(one: Sighting, other: Sighting, shots: Sequence[int]) -> float:
    """How likely two sightings are of one face by place: within a shot, the overlap of the boxes and what is around."""
    return iou(_around(one.box), _around(other.box)) if shots[one.keyframe] == shots[other.keyframe] else 0.0


def _around(box: Box | None) -> Box | None:
    """A box of twice its width and height: keyframes are seconds apart, and heads move."""
    if box is None:
        return None
    across, down = (box.right - box.left) / 2, (box.bottom - box.top) / 2
    return Box(box.left - across, box.top - down, box.right + across, box.bottom + down)


def _together(found: Sequence[Chain]) -> set[tuple[int, int]]:
    """The pairs of chains that were seen in one keyframe, and so are not one person."""
    seen: dict[int, list[int]] = {}
    for i, chain in enumerate(found):
        for sighting in chain:
            seen.setdefault(sighting.keyframe, []).append(i)
    return {pair for together in seen.values() for pair in combinations(together, 2)}
