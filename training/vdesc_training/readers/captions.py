"""Lists of captions: CSV in its kinds, token files, JSONL; and a plain folder with a text beside each picture."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from vdesc.errors import InputError

from ..report import Report
from ..splits import in_name
from .entry import Entry
from .lines import MALFORMED, lines, parsed, rows
from .sources import PHOTOS, VIDEOS, Sources, stem

IMAGE = ("image", "image_name", "filename", "file_name", "file", "photo", "path")
VIDEO = ("video", "video_name", "clip")
CAPTION = ("caption", "captions", "comment", "sentence", "text", "description")
_TOKEN = re.compile(r"(\S.*?)#\w+\t(.*)")


def csv(sources: Sources, report: Report) -> Iterator[Entry]:
    """Captions in CSV, TSV or a token file of one's own: `image` or `video`, `caption`, and `split` if one likes."""
    for path in sources.annotations("captions.csv", "captions.tsv", "captions.txt", "*.token", "*.token.txt"):
        yield from (replace(entry, beside=path.parent) for entry in listed(path, report))


def jsonl(sources: Sources, report: Report) -> Iterator[Entry]:
    """JSON objects, one a line: `image` or `video`, `caption` or `captions`; if one likes, `id`, `split`, `span`."""
    for path in sources.annotations("captions.jsonl", "*.jsonl"):
        yield from parsed(lines(path, report), partial(_object, path=path), report, path.name)


def folder(sources: Sources, report: Report) -> Iterator[Entry]:
    """Photos or videos, each with a text of its name beside it, a caption a line; or with a list of captions."""
    if sources.named("captions.jsonl"):
        yield from jsonl(sources, report)
    elif sources.named("captions.csv", "captions.tsv"):
        yield from csv(sources, report)
    else:
        yield from _beside(sources, report)


def listed(path: Path, report: Report) -> Iterator[Entry]:
    """An entry for each caption of a list: a token file (`name.jpg#0`, tab, caption), else CSV with any delimiter."""
    if _TOKEN.match(next(lines(path, report), "")):
        for number, line in enumerate(lines(path, report), 1):
            if found := _TOKEN.match(line):
                yield photo(found[1], found[2])
            elif line.strip():
                report.reject(MALFORMED, f"{path.name}:{number}")
        return
    for place, row in rows(path, report, IMAGE + VIDEO, CAPTION):
        caption, split = next(row[name] for name in CAPTION if name in row), row.get("split", "")
        image, clip = (next((row[name] for name in names if name in row), "") for names in (IMAGE, VIDEO))
        if not image and not clip:
            report.reject(MALFORMED, place)
        elif image:
            yield photo(image, caption, split=split)
        else:
            yield video(clip, caption, split=split)


def of_lists(paths: Sequence[Path], report: Report) -> dict[str, str]:
    """The split of each photo or video that is named, one a line, in a list of its split."""
    return {stem(name): in_name(path) for path in paths for name in lines(path, report) if name.strip()}


def photo(name: str, *captions: str, split: str = "") -> Entry:
    """An entry of a photo, whose id is its name without the ending."""
    return Entry(stem(name), captions, split, photo=name.strip())


def video(name: str, *captions: str, split: str = "", beside: Path | None = None) -> Entry:
    """An entry of a whole video, whose id is its name without the ending."""
    return Entry(stem(name), captions, split, video=name.strip(), beside=beside)


def _object(line: str, path: Path) -> Entry:
    row = json.loads(line)
    captions, span = row.get("captions", row.get("caption", ())), row.get("span")
    captions = (captions,) if isinstance(captions, str) else tuple(captions)
    image, clip = row.get("image", ""), row.get("video", "")
    if not (image or clip) or not all(isinstance(text, str) for text in (image, clip, *captions)):
        raise ValueError("no picture, or a caption that is no text")
    stretch = (int(span[0]), int(span[1])) if span else None
    name = stem(image or clip) + (f"@{stretch[0]}-{stretch[1]}" if stretch else "")
    return Entry(stem(str(row.get("id") or name)), captions, row.get("split", ""), image, clip, stretch, path.parent)


def _beside(sources: Sources, report: Report) -> Iterator[Entry]:
    pictures = [(name, path) for name, path in sources.tree if path.suffix.lower() in PHOTOS | VIDEOS]
    if not pictures:
        raise InputError(f"there are no photos or videos in {', '.join(map(str, sources.folders))}")
    for name, path in pictures:
        text = path.with_suffix(".txt")
        captions = list(lines(text, report)) if text.is_file() else []
        yield (photo if path.suffix.lower() in PHOTOS else video)(name, *captions)
