"""Whether grounding tells a photo's own captions from those of other photos: AUC on COCO photos with human captions.

    python benchmarks/grounding.py [--data ../shared/data/coco_small] [--confidence 0.3] [--table]

For each photo every caption of its half is judged: its own should come before those of other photos. "Each" is the
mean AUC over photos, "pooled" that of all pairs at once. The formula and labels.tsv were chosen on the first half
(every other photo by name), the second is for reporting; the lexicon's words were read against captions of both.
Evidence are the boxes that people drew, and those that yolox finds. All ways to judge see the same mentions.

`--table` prints labels.tsv anew: shares from COCO's other captions, and how often yolox finds what captions of the
first half rightly name, drawn to the mean by 20 more captions.
"""

import argparse
import csv
import gzip
import json
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from vdesc import Candidate, Context, Evidence, Keyframe, Picture, Shot, Slot, Span, Video
from vdesc.registry import create
from vdesc_grounding import Grounding
from vdesc_grounding.tables import Rarity, lexicon, sections

ENGLISH = lexicon(sections(), "en")
HALVES = {"first half": slice(0, None, 2), "second half": slice(1, None, 2)}
STEADY = 20

Boxes = dict[str, list[Evidence]]
Judge = Callable[[Sequence[Slot], Sequence[Candidate]], Sequence[float]]


def captions(folder: Path) -> dict[str, list[str]]:
    """The captions of each photo, in order of the photos' names."""
    found: dict[str, list[str]] = {}
    with (folder / "captions.csv").open(encoding="utf-8") as file:
        for row in sorted(csv.DictReader(file), key=lambda row: (row["image"], row["caption_number"])):
            found.setdefault(row["image"], []).append(row["caption"])
    return found


def drawn(folder: Path) -> Boxes:
    """What people drew boxes around: one evidence a label of a photo, with their number."""
    numbers: dict[str, Counter[str]] = {}
    with (folder / "boxes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers.setdefault(row["image"], Counter())[row["category"]] += 1
    return {
        photo: [Evidence("object", Span(0, 1), label, 1.0, "people", None, {"count": n}) for label, n in some.items()]
        for photo, some in numbers.items()
    }


def detected(folder: Path, names: Sequence[str], confidence: float) -> Boxes:
    """What yolox finds in the photos."""
    from vdesc_objects import Yolox

    plugin = create(Yolox, confidence=confidence)
    plugin.load("cpu")
    with TemporaryDirectory() as unpacked:
        with zipfile.ZipFile(folder / "images.zip") as photos:
            photos.extractall(unpacked)
        paths = {path.name: path for path in Path(unpacked).rglob("*.jpg")}
        spans = [Span(i, i + 1) for i in range(len(names))]
        keyframes = [Keyframe(i, i, Shot(i, spans[i]), Picture(paths[name])) for i, name in enumerate(names)]
        found = plugin.observe(Video(Path("photos"), "", Span(0, len(names)), None, 0, 0), keyframes)
    return {name: [e for e in found if e.span == spans[i]] for i, name in enumerate(names)}


def judged(judge: Judge, boxes: Boxes, said: dict[str, list[str]], names: Sequence[str]) -> tuple[float, float]:
    """The AUC of each photo's own captions against those of all others: the mean over photos, and pooled."""
    slots = [Slot(i, Span(0, 1), (), Context(tuple(boxes.get(name, ())))) for i, name in enumerate(names)]
    texts = [(photo, text) for photo in names for text in said[photo]]
    numbers = judge(slots, [Candidate(slot.index, text, "people") for slot in slots for _, text in texts])
    table = np.array(numbers).reshape(len(names), -1)
    own = np.array([[photo == name for photo, _ in texts] for name in names])
    return float(np.mean([auc(row[mine], row[~mine]) for row, mine in zip(table, own, strict=True)])), auc(
        table[own], table[~own]
    )


def auc(own: np.ndarray, others: np.ndarray) -> float:
    """How often one of `own` is higher than one of `others`; a tie is half."""
    others = np.sort(others)
    below, upto = np.searchsorted(others, own, "left"), np.searchsorted(others, own, "right")
    return float((below + upto).mean() / 2 / len(others))


def named(text: str) -> set[str]:
    """The labels that a text surely names."""
    return {one for m in ENGLISH.read(text).mentions if m.kind == "object" and m.sure for one in m.labels}


def plain(measure: Callable[[set[str], set[str]], float]) -> Judge:
    """A judge that compares the set of labels that a text names with the set of those that were seen."""

    def judge(slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        seen = {slot.index: {found.value for found in slot.context.evidence} for slot in slots}
        return [measure(named(candidate.text), seen[candidate.slot]) for candidate in candidates]

    return judge


def grounding(flat: bool = False, **options: float) -> Judge:
    """The plugin's judge; `flat` takes all labels for equally rare and equally often found."""
    plugin = create(Grounding, **options)
    plugin.load("cpu")
    if flat:
        plugin.rarities = dict.fromkeys(plugin.rarities, Rarity(0.01, 0.85))
    return plugin.score


WAYS: dict[str, Judge] = {
    "Jaccard of labels": plain(lambda text, seen: len(text & seen) / (len(text | seen) or 1)),
    "share of named seen": plain(lambda text, seen: len(text & seen) / len(text) if text else 0.5),
    "seen less not seen": plain(lambda text, seen: len(text & seen) - len(text - seen)),
    "grounding, no absence": grounding(absence=0),
    "grounding, flat table": grounding(flat=True),
    "grounding": grounding(),
}


def table(folder: Path, boxes: Boxes) -> Iterable[str]:
    """The rows of labels.tsv."""
    said, truth = captions(folder), drawn(folder)
    own = {text for some in said.values() for text in some}
    with gzip.open(folder / "captions_val2017.json.gz") as file:
        texts = [row["caption"] for row in json.load(file)["annotations"] if row["caption"] not in own]
    shares = Counter(label for text in texts for label in named(text))
    hits, rightly = Counter[str](), Counter[str]()
    for photo in list(said)[HALVES["first half"]]:
        there, seen = ({e.value for e in some.get(photo, ())} for some in (truth, boxes))
        for label in [label for text in said[photo] for label in named(text) & there]:
            rightly[label] += 1 / len(said[photo])
            hits[label] += (label in seen) / len(said[photo])
    mean = sum(hits.values()) / sum(rightly.values())
    yield "# label\tshare\tfound"
    for label in sorted(ENGLISH.labels):
        found = (hits[label] + STEADY * mean) / (rightly[label] + STEADY)
        yield f"{label}\t{(shares[label] + 2) / (len(texts) + 4):.4f}\t{found:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/coco_small"))
    parser.add_argument("--confidence", type=float, default=0.3, help="of yolox")
    parser.add_argument("--table", action="store_true", help="print labels.tsv")
    asked = parser.parse_args()
    said = captions(asked.data)
    seen = detected(asked.data, list(said), asked.confidence)
    if asked.table:
        print("\n".join(table(asked.data, seen)))
        return
    for source, boxes in (("people's boxes", drawn(asked.data)), (f"yolox from {asked.confidence}", seen)):
        print(f"{source:24}" + "".join(f"{half:>24}" for half in HALVES) + f"{'us a pair':>14}")
        for way, judge in WAYS.items():
            start = time.perf_counter()
            rows = [judged(judge, boxes, said, list(said)[half]) for half in HALVES.values()]
            pairs = sum(len(some) for some in said.values()) * len(said) / 2
            took = (time.perf_counter() - start) / pairs * 1e6
            cells = "".join(f"{f'each {each:.3f}, pooled {pooled:.3f}':>28}" for each, pooled in rows)
            print(f"  {way:22}{cells}{took:10.0f}")


if __name__ == "__main__":
    main()
