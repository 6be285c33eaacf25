"""ActivityNet Captions (Krishna et al. 2017): sentences with the time in the video that each is about."""

from collections.abc import Iterator
from typing import Any

from vdesc.errors import InputError

from ..report import Report
from ..splits import by_file
from .entry import Entry
from .lines import MALFORMED, read_json
from .sources import Sources


def activitynet(sources: Sources, report: Report) -> Iterator[Entry]:
    """`train.json`, `val_1.json`, `val_2.json`; what both sets of validation say of the same time is one item."""
    for path, split in by_file(sources.annotations(("train.json", "val_1.json", "val_2.json"))).items():
        data = read_json(path)
        if not isinstance(data, dict):
            raise InputError(f"{path} holds no object of videos: is it of ActivityNet Captions?")
        for name, told in data.items():
            yield from _sentences(name, told, split, report)


def _sentences(name: str, told: Any, split: str, report: Report) -> Iterator[Entry]:
    try:
        pairs = list(zip(told["timestamps"], told["sentences"], strict=True))
    except (KeyError, TypeError, ValueError):
        report.reject(MALFORMED, name)
        return
    for times, sentence in pairs:
        try:
            start, end = (round(1000 * seconds) for seconds in times)
        except (TypeError, ValueError):
            report.reject(MALFORMED, f"{name}: {times}")
            continue
        if 0 <= start < end:
            yield Entry(f"{name}@{start}-{end}", (str(sentence),), split, video=name, span=(start, end))
        else:
            report.reject("no stretch of time", f"{name}: {times}")
