"""Building a table: what a reader says becomes items whose captions, pictures and splits are in order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vdesc.errors import InputError

from .frames import Keyframes
from .photos import Photos
from .readers.entry import Encoded, Entry
from .readers.sources import NotFound, Place, Sources, stem
from .report import Report
from .splits import SPLITS, Shares, known
from .table import Item, write_table

if TYPE_CHECKING:
    from .features import FeatureWriter

AT_ONCE, THREADS = 256, 4
Reader = Callable[[Sources, Report], Iterator[Entry]]


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chooses of a table: how what has no split is divided, and which keyframes videos have."""

    shares: Shares = field(default_factory=Shares)
    keyframes: str = "uniform:28"


def build(
    reader: Reader, paths: Sequence[Path], folder: Path, choices: Choices, seen: Callable[[int], object] = int
) -> Report:
    """What was read: the table of `folder` now holds it, with its pictures, features and `report.json` beside it.

    Args:
        reader: one of `readers`.
        paths: what it reads: annotations, folders and zips.
        seen: is told how many items there are so far.
    Raises:
        InputError: a source cannot be used, or nothing in it.
        OutputError: the table cannot be written; an older one stays.
    """
    report, sources = Report(reader.__name__, [str(path) for path in paths]), Sources(paths, folder)
    building = Building(folder, sources, report, choices)
    try:
        write_table(folder, building.items(reader(sources, report), seen))
    finally:
        building.close()
    report.write(folder)
    return report


class Building:
    """Makes items of entries; what cannot be used is left out, counted and named in the report."""

    def __init__(self, folder: Path, sources: Sources, report: Report, choices: Choices):
        self.folder, self.report, self.choices = folder, report, choices
        self.photos, self.frames = Photos(folder), Keyframes(folder, choices.keyframes)
        self._stores: dict[str, FeatureWriter] = {}
        self._photos, self._videos = sources.photos, sources.videos

    def items(self, entries: Iterable[Entry], seen: Callable[[int], object]) -> Iterator[Item]:
        """The items, in the source's order. Raises `InputError` where there is none."""
        whole = self._together(entries)
        with ThreadPoolExecutor(THREADS) as pool:  # PIL lets other threads run while it decodes
            while some := list(islice(whole, AT_ONCE)):
                at_once = pool.map if any(entry.photo for entry in some) else map
                for entry, images in zip(some, at_once(self._photo, some), strict=True):
                    if item := self._item(entry, self._keyframes(entry) if entry.video else images):
                        self.report.count(item)
                        yield item
                seen(sum(self.report.items.values()))
        if not any(self.report.items.values()):
            raise InputError(f"there is nothing to put into {self.folder}: {self._why()}")
        for store in self._stores.values():
            store.close()
        if empty := [split for split in SPLITS if not self.report.items[split]]:
            self.report.note(f"no item is in {' or '.join(empty)}")

    def close(self) -> None:
        """Lets the sources go."""
        self.photos.close()

    def _together(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Entries with all captions of an id; words alone go on as they come, so that any amount of them may."""
        found: dict[str, tuple[Entry, list[str]]] = {}
        for entry in entries:
            said = self._captions(entry)
            if not (entry.photo or entry.video or entry.encoded):
                if said:
                    yield replace(entry, captions=tuple(said))
                continue
            first, all_said = found.setdefault(entry.id, (entry, []))
            if (first.photo, first.video, first.span) != (entry.photo, entry.video, entry.span):
                self.report.reject("duplicate id", entry.id)
            elif first.split != entry.split:
                self.report.reject("in two splits", entry.id)
            else:
                all_said += said
        for entry, said in found.values():
            if not said:
                self.report.reject("no caption", entry.id)
            elif entry.split and not known(entry.split):
                self.report.reject("in no known split", f"{entry.id}: {entry.split}")
            else:
                yield replace(entry, captions=tuple(said))

    def _captions(self, entry: Entry) -> list[str]:
        clean = [" ".join(caption.split()) for caption in entry.captions]
        for _ in range(clean.count("")):
            self.report.reject("empty caption", entry.id)
        return [caption for caption in clean if caption]

    def _item(self, entry: Entry, images: "tuple[str, ...] | Refused") -> Item | None:
        if isinstance(images, Refused):
            self.report.reject(images.reason, entry.id)
            return None
        if not (split := known(entry.split)):
            split = self.choices.shares.split(entry.group)
            self.report.note(
                f"no split in the source: {self.choices.shares} %, each photo, video or sentence by its hash"
            )
        if entry.encoded:
            self._store(entry.id, entry.encoded)
        return Item(entry.id, images, split, entry.captions, stem(entry.video) if entry.video else "", entry.span)

    def _photo(self, entry: Entry) -> "tuple[str, ...] | Refused":
        if not entry.photo or entry.video:
            return ()
        try:
            place = self._found(entry, entry.photo, self._photos.find)
            return (self.photos.bring(place, stem(entry.id)),) if place else ()
        except NotFound as error:
            return Refused(f"{error} photo")
        except InputError:
            return Refused("broken photo")

    def _keyframes(self, entry: Entry) -> "tuple[str, ...] | Refused":
        try:
            place = self._found(entry, entry.video, self._videos.find)
            return self.frames.of(place.file, stem(entry.video), entry.span) if place else ()
        except NotFound as error:
            return Refused(f"{error} video")
        except InputError:
            return Refused("broken video")

    def _found(self, entry: Entry, name: str, find: Callable[[str], Place]) -> Place | None:
        """Where a picture lies; None for words alone, where no pictures were given. Raises `NotFound`."""
        if entry.beside and _is_file(entry.beside / name):
            return Place(entry.beside / name)
        try:
            return find(name)
        except NotFound:
            if entry.encoded:
                return None
            if entry.beside or self._photos.paths or self._videos.paths:
                raise
        self.report.note("no pictures among the sources: the items are words alone")
        return None

    def _store(self, id: str, encoded: Encoded) -> None:
        from .features import FeatureWriter

        if encoded.name not in self._stores:
            self._stores[encoded.name] = FeatureWriter(self.folder, encoded.name, encoded.about)
            self.report.note(f"features: {encoded.name}")
        if id not in self._stores[encoded.name].done:
            self._stores[encoded.name].put(id, encoded.read())

    def _why(self) -> str:
        if not self.report.rejects:
            return "the sources hold no captions"
        reason, worst = max(self.report.rejects.items(), key=lambda pair: pair[1].count)
        return f"{reason} ({worst.count} times, first {worst.examples[0]})"


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that cannot be used, and why."""

    reason: str


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False
