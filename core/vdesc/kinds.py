"""The kinds of plugin: one small class each, one verb each.

A plugin is a class with a `name`, a nested `Options` model whose field descriptions become its help, and its verb.
Import heavy libraries inside `load`, never at the top of the module: listing plugins must stay fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from .cache import Cache
from .data import Candidate, Description, Evidence, Finding, Keyframe, Slot, Video

if TYPE_CHECKING:
    import numpy as np


class Plugin(ABC):
    """What all kinds share.

    Attributes:
        name: unique among plugins of its kind.
        shorthand: the option that `name:value` sets, as in `uniform:10`; "" where there is none.
        extra: the extra of its package that brings what it imports; named when an import fails.
        notice: what a person must know before using it, such as a licence that binds; "" for nothing.
        options: the values in force.
        language: the language that words are wanted in, as a BCP 47 tag; the engine sets it.
        cache: where features may be kept, or None; the engine sets it.
        findings: what the plugin has to say of its last work; add to it with `note`.
        passing: whether any of that may be gone next time; the result of the work is then not kept.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    shorthand: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    notice: ClassVar[str] = ""

    class Options(BaseModel):
        """No options. A plugin with some has `class Options(Captioner.Options)` with pydantic fields."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, options: BaseModel | None = None):
        self.options: Any = options if options is not None else self.Options()
        self.findings: list[Finding] = []
        self.passing = False
        self.language = "en"
        self.cache: Cache | None = None

    def load(self, device: str) -> None:
        """Makes ready for work on a torch device such as `cpu`: imports libraries, reads models. Called once."""

    def close(self) -> None:
        """Lets go of models and files."""

    def note(self, message: str, level: Any = "note", passing: bool = False) -> None:
        """Adds a finding that reaches the person and the JSON.

        Args:
            level: `note`, `warning` or `error`.
            passing: it may be gone next time, as where a server was away: the result is not kept for the next run.
        """
        self.findings.append(Finding(self.name, message, level))
        self.passing |= passing

    def fingerprint(self) -> str:
        """What the results depend on beyond version and options, such as a model's digest; part of the cache key."""
        return ""


class Keyframer(Plugin):
    """Chooses the frames that stand for the video. `tiles` says whether its shots are meant to cover all of it."""

    kind = "keyframer"
    tiles: ClassVar[bool] = True

    @abstractmethod
    def select(self, video: Video) -> Iterable[Keyframe]:
        """Keyframes in order of time; the engine stores each one's picture before it asks for the next."""


class Observer(Plugin):
    """Finds evidence: text, objects, speech, faces, sounds.

    `finds` names the kinds of evidence that it looks for each time, so that finding none says something.
    """

    kind = "observer"
    finds: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> Iterable[Evidence]:
        """Evidence in any order."""


class Captioner(Plugin):
    """Proposes words for slots. `reads_context` says whether it looks at `slot.context`."""

    kind = "captioner"
    reads_context: ClassVar[bool] = False

    @abstractmethod
    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterable[Candidate]:
        """Up to `n` candidates a slot, best first; all slots come at once so that work can be batched."""

    @classmethod
    def prompts(cls) -> Mapping[str, str]:
        """The words that its model is asked with, by what they are for, for a person to read; none without a prompt."""
        return {}

    def tokens(self, text: str) -> int | None:
        """How many tokens of its model a text has, asked after `load`; None where it does not tell."""
        return None

    def parameters(self) -> int | None:
        """How many its model has, asked after `load`; None where it does not tell."""
        return None


class Ranker(Plugin):
    """Judges candidates."""

    kind = "ranker"

    @abstractmethod
    def score(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> Sequence[float]:
        """One number in 0..1 for each candidate, higher is better."""

    def support(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> Sequence[tuple[Evidence, ...]]:
        """For each candidate the evidence that it rests on, where the ranker knows of such; it reaches the JSON."""
        return [()] * len(candidates)

    def sentences(self, texts: Sequence[str]) -> np.ndarray | None:
        """Unit vectors float32 (texts, width) whose cosines say how alike sentences are; None where it has none.

        With them the ranker can find duplicates too: `ranking.similarity` may be its name.
        """
        return None


class Writer(Plugin):
    """Writes a description to a file or folder named after the video."""

    kind = "writer"
    extension: ClassVar[str]

    @abstractmethod
    def write(self, description: Description, folder: Path) -> Path:
        """The path of what was written, inside `folder`."""


class Metric(Plugin):
    """Measures a description, against references where it needs them."""

    kind = "metric"

    @abstractmethod
    def score(self, description: Description, references: Sequence[str]) -> Mapping[str, float]:
        """Numbers by name."""


class Converter(Plugin):
    """Turns files of another program into ours, or back: `vdesc convert`. Its options say what files do not."""

    kind = "converter"

    @abstractmethod
    def reads(self, source: Path) -> bool:
        """Whether `source` is a file of its kind; called without `load`, and must be quick."""

    @abstractmethod
    def convert(self, source: Path, out: Path) -> list[str]:
        """Writes `out`, and gives what the person should know: a line each. Raises `VdescError`."""


class Trainer(Plugin):
    """Trains a captioner. Its `Recipe` says what decides the result; the field descriptions become the help."""

    kind = "trainer"

    class Recipe(BaseModel):
        """Nothing to decide. A trainer with settings has a `Recipe` of its own, with pydantic fields."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def train(self, recipe: Any, data: Path, out: Path) -> Path:
        """The folder of the trained model, under `out`; a run that was stopped goes on from what is there.

        Args:
            recipe: an instance of `Recipe`.
            data: a folder with a caption table.
        """


KINDS: dict[str, type[Plugin]] = {
    kind.kind: kind for kind in (Keyframer, Observer, Captioner, Ranker, Writer, Metric, Converter, Trainer)
}
