"""Readers: a data set as its publishers give it becomes a caption table with its pictures beside it."""

import csv
import gzip
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .table import Item, write_table


def flickr8k(source: Path, folder: Path) -> int:
    """The number of items of Flickr8k written to `folder`.

    Args:
        source: holds `captions.csv.gz` (image, caption_number, caption), `split_{train,val,test}.txt`, and zips
            of photos, squashed to 224 x 224 (Hodosh et al. 2013; research use only).
    """
    captions: dict[str, list[str]] = defaultdict(list)
    with gzip.open(source / "captions.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            captions[PurePosixPath(row["image"]).stem].append(row["caption"].strip())
    return write_table(folder, _unpacked(source, folder, captions))


def _unpacked(source: Path, folder: Path, captions: dict[str, list[str]]) -> Iterator[Item]:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for split in ("train", "val", "test"):
        with zipfile.ZipFile(source / f"{split}.zip") as photos:
            for member in sorted(photos.namelist()):
                name = PurePosixPath(member).name
                stem = PurePosixPath(member).stem
                if stem in captions:
                    (folder / "images" / name).write_bytes(photos.read(member))
                    yield Item(stem, (f"images/{name}",), split, tuple(captions[stem]))
