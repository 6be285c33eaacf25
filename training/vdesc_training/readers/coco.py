"""COCO captions (Chen et al. 2015) and Karpathy's splits of COCO and Flickr (Karpathy and Fei-Fei 2015)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vdesc.errors import InputError

from ..report import Report
from ..splits import by_file
from .captions import photo
from .entry import Entry
from .lines import parsed, read_json
from .sources import Sources


def coco(sources: Sources, report: Report) -> Iterator[Entry]:
    """`captions_*.json` with `images` and `annotations`; files of different splits give theirs to their photos."""
    paths = sources.annotations("captions_*.json")
    for path, split in by_file(paths).items():
        data = held(path, "images", "annotations")
        names = dict(parsed(data["images"], lambda image: (image["id"], str(image["file_name"])), report, path.name))

        def entry(note: dict[str, Any], names: dict[int, str] = names, split: str = split) -> Entry:
            return photo(names[note["image_id"]], str(note["caption"]), split=split)

        yield from parsed(data["annotations"], entry, report, path.name)


def karpathy(sources: Sources, report: Report) -> Iterator[Entry]:
    """`dataset_coco.json`, `dataset_flickr8k.json` or `dataset_flickr30k.json`; `restval` is trained on."""

    def entry(image: dict[str, Any]) -> Entry:
        said = (sentence.get("raw") or " ".join(sentence["tokens"]) for sentence in image["sentences"])
        return photo(image["filename"], *said, split=image["split"])

    for path in sources.annotations("dataset_*.json"):
        yield from parsed(held(path, "images")["images"], entry, report, path.name)


def held(path: Path, *lists: str) -> dict[str, Any]:
    """A JSON file's object, which holds lists of these names. Raises `InputError` that names what it holds."""
    data = read_json(path)
    if not isinstance(data, dict) or not all(isinstance(data.get(name), list) for name in lists):
        holds = ", ".join(data) if isinstance(data, dict) else f"a {type(data).__name__}"
        raise InputError(f"{path} holds {holds}: it needs lists called {' and '.join(lists)}; use another reader")
    return data
