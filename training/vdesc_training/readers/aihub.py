"""AI-Hub 71849: Korean descriptions of videos, a label file each."""

import json
from collections.abc import Iterator
from pathlib import Path

from vdesc.errors import InputError

from ..report import Report
from ..splits import in_name
from .captions import video
from .entry import Entry
from .lines import read_json
from .sources import Sources


def aihub(sources: Sources, report: Report) -> Iterator[Entry]:
    """`{train,val}/labels/*.json` with `annotation.description_kr`, and the video that has a label's name.

    The data set's page speaks of `caption.korean`; the published loader reads what is read here.
    """
    labels = sources.named("*.json")
    if not labels:
        raise InputError(f"there are no labels (*.json) in {', '.join(map(str, sources.folders))}: give their folder")
    within = {path: Path(name) for name, path in sources.tree}
    for path in labels:
        try:
            said = _description(path)
        except (InputError, ValueError, KeyError, TypeError):
            report.reject("malformed label", path.name)
            continue
        yield video(path.stem, *said, split=_split(path, within.get(path, Path(path.name))), beside=path.parent)


def _description(path: Path) -> tuple[str, ...]:
    """The description, none where it is empty. Raises where the file is no label."""
    text = read_json(path)["annotation"].get("description_kr") or ""
    if not isinstance(text, str):
        raise TypeError(json.dumps(text))
    return (text,) if text.strip() else ()


def _split(path: Path, within: Path) -> str:
    """The split that the nearest folder names, within the source or as the source itself."""
    folders = path.parts[-len(within.parts) - 1 : -1]
    return next(filter(None, (in_name(Path(folder)) for folder in reversed(folders))), "")
