"""Where a selector's examples come from: a captioner at work on a caption table, or descriptions beside the truth.

Descriptions are vdesc documents, or files of another program that a converter makes documents of, such as
VideoDescription's merged JSON.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vdesc.crew import Crew, blamed
from vdesc.cuefiles import plain, read
from vdesc.data import Candidate, Context, Description, Slot, Span, Video
from vdesc.document import load
from vdesc.errors import InputError
from vdesc.pipeline import CHUNK
from vdesc.ranking import places as ranked
from vdesc.registry import Registry, create
from vdesc.stages import sound

from .captioning import slots_of
from .report import Reject
from .sft import Example
from .splits import Shares
from .table import Item, read_table

Seen = Callable[[int], None]


@dataclass(slots=True)
class Gathering:
    """Examples, and by reason what none could be made of."""

    examples: list[Example] = field(default_factory=list)
    rejects: dict[str, Reject] = field(default_factory=dict)

    def take(self, example: Example) -> None:
        """Keeps an example, or counts why it is none."""
        if reason := example.wrong():
            self.reject(reason, example.id)
        else:
            self.examples.append(example)

    def reject(self, reason: str, what: str) -> None:
        """Counts that something was left out."""
        found = self.rejects.setdefault(reason, Reject())
        found.count += 1
        found.examples.append(what) if len(found.examples) < 3 else None


def from_captioner(crew: Crew, data: Path, n: int, most: int, seen: Seen) -> Gathering:
    """An example of each item of a caption table: a captioner's candidates, and what observers see in its pictures.

    Args:
        crew: one captioner, and observers where there are some.
        n: candidates of an item.
        most: items of each split; 0: all.
        seen: is told how many items are done.
    Raises:
        InputError: there is no table.
        PluginError: a plugin failed.
    """
    gathering, done = Gathering(), 0
    for _, some in groupby(sorted(read_table(data), key=lambda item: item.split), key=lambda item: item.split):
        items = list(some)[: most or None]
        for start in range(0, len(items), CHUNK):
            part = items[start : start + CHUNK]
            usable = [item for item in part if _usable(item, data, gathering)]
            slots = slots_of(data, usable)
            for item, slot, said in zip(usable, slots, _proposed(crew, slots, n), strict=True):
                context = _observed(crew, slot)
                language = said[0].language if said else "en"
                texts, places = _different(said)
                gathering.take(Example(item.id, item.split, language, context, texts, _worded(item.captions), places))
            done += len(part)
            seen(done)
    return gathering


def from_descriptions(sources: Sequence[Path], truth: Path, language: str, shares: Shares) -> Gathering:
    """An example of each slot of some descriptions, with the true sentences of its image or its time.

    Args:
        sources: vdesc documents, or what a converter reads.
        truth: `.srt` or `.vtt` with what is true at which time, JSON lines or JSON of {image, caption}, or a folder
            with a caption table, in which an item is found by the name of its video or picture.
        language: of what a source does not tell the language.
        shares: how videos, or the slots of a single one, are divided into splits.
    Raises:
        InputError: a source or the truth cannot be read.
    """
    known, gathering = _Truth(truth), Gathering()
    for source in sources:
        description = _described(source, language)
        stem = description.video.path.stem
        for slot in description.slots:
            said = [c for c in description.candidates if c.slot == slot.index]
            name = f"{stem}/{slot.keyframes[0].image.path.name if slot.keyframes else slot.index}"
            texts, places = _different(said)
            true = known.of(stem, slot)
            spoken = said[0].language if said else language
            group = stem if len(sources) > 1 else name
            gathering.take(Example(name, shares.split(group), spoken, slot.context, texts, true, places))
    for name in known.unused():
        gathering.reject("its truth matches no image", name)
    return gathering


def _usable(item: Item, data: Path, gathering: Gathering) -> bool:
    reason = ""
    if not item.images:
        reason = "no picture"
    elif not all((data / name).is_file() for name in item.images):
        reason = "its picture file is missing"
    elif not _worded(item.captions):
        reason = "no truth for it"
    if reason:
        gathering.reject(reason, item.id)
    return not reason


def _different(said: Sequence[Candidate]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The different texts, and the best place that each has among what its captioner said."""
    found: dict[str, int] = {}
    for candidate, place in zip(said, ranked(said), strict=True):
        found[candidate.text] = min(place, found.get(candidate.text, place))
    return tuple(found), tuple(found.values())


def _worded(captions: Sequence[str]) -> tuple[str, ...]:
    return tuple(caption for caption in captions if caption.strip())


def _proposed(crew: Crew, slots: Sequence[Slot], n: int) -> list[list[Candidate]]:
    (captioner,) = crew.captioners
    said: dict[int, list[Candidate]] = {slot.index: [] for slot in slots}
    with blamed(captioner, "failed"):
        for candidate in sound(captioner, slots, crew.ready(captioner).propose(slots, n) if slots else (), n):
            said[candidate.slot].append(candidate)
    return list(said.values())


def _observed(crew: Crew, slot: Slot) -> Context:
    """What the observers see of one item: each is a video of its own, so that nothing is joined across items."""
    seen: list[Any] = []
    video = Video(slot.keyframes[0].image.path, "", slot.span, None, 0, 0, still=len(slot.keyframes) == 1)
    for observer in crew.observers:
        with blamed(observer, "failed"):
            seen += crew.ready(observer).observe(video, slot.keyframes)
    return Context(tuple(sorted(seen, key=lambda e: (e.span, e.kind, e.value))))


def _described(source: Path, language: str) -> Description:
    """The description in a document, or in what a converter makes one of. Raises `InputError`."""
    if not source.exists():
        raise InputError(f"there is no file or folder {source}")
    if source.is_file() and b'"schema_version"' in source.read_bytes()[:4096]:
        return load(source.read_bytes(), source.parent, str(source))
    for found in Registry().all(("converter",)):
        kind: Any = found.plugin
        if "language" in kind.Options.model_fields and (converter := create(kind, language=language)).reads(source):
            with TemporaryDirectory() as folder:
                made = Path(folder) / "description.json"
                converter.convert(source, made)
                return load(made.read_bytes(), source if source.is_dir() else source.parent, str(source))
    raise InputError(f"{source} is no description: give a JSON file of vdesc, or files that vdesc convert reads")


class _Truth:
    """True sentences, found by the name of an image or video, or by time."""

    def __init__(self, path: Path):
        self.timed: list[tuple[Span, str]] | None = None
        if path.suffix.lower() in (".srt", ".vtt"):
            file = read(path)
            said = ((cue.span, " ".join(words for _, words in plain(cue.text, file.webvtt))) for cue in file.cues)
            self.timed = [(span, text) for span, text in said if text]
        self.named: dict[str, list[str]] = {}
        self.used: set[Any] = set()
        if self.timed is None:
            for name, text in _table(path) if path.is_dir() else _captions(path):
                self.named.setdefault(name, []).append(text)

    def of(self, stem: str, slot: Slot) -> tuple[str, ...]:
        """What is true of a slot of a video."""
        if self.timed is not None:
            lines = [i for i, (span, _) in enumerate(self.timed) if span.overlap(slot.span)]
            self.used.update(lines)
            return tuple(self.timed[i][1] for i in lines)
        names = [stem, *(part for k in slot.keyframes for part in (k.image.path.name, k.image.path.stem))]
        found = next((name for name in names if name in self.named), None)
        self.used.add(found)
        return tuple(self.named.get(found or "", ()))

    def unused(self) -> Iterator[str]:
        """What the truth tells of images or times that no description has."""
        if self.timed is not None:
            yield from (f"{span.start} ms" for i, (span, _) in enumerate(self.timed) if i not in self.used)
        else:
            yield from (name for name in self.named if name not in self.used)


def _table(folder: Path) -> Iterator[tuple[str, str]]:
    for item in read_table(folder):
        name = Path(item.video).stem or (Path(item.images[0]).name if item.images else item.id)
        yield from ((name, text) for text in item.captions if text.strip())


def _captions(path: Path) -> Iterator[tuple[str, str]]:
    """Pairs of JSON lines, or of a JSON list, of {image, caption}. Raises `InputError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = (
            json.loads(text) if text.lstrip().startswith("[") else map(json.loads, filter(str.strip, text.split("\n")))
        )
        for row in rows:
            if row["caption"].strip():
                yield Path(row["image"]).name, row["caption"]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} must hold lines such as {{image: ..., caption: ...}} as JSON ({error})") from error
