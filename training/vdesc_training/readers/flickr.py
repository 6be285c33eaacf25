"""Flickr8k (Hodosh et al. 2013) and Flickr30k (Young et al. 2014), as their publishers and Kaggle give them."""

from collections.abc import Iterator
from dataclasses import replace

from ..report import Report
from .captions import listed, of_lists
from .entry import Entry
from .sources import Sources


def flickr8k(sources: Sources, report: Report) -> Iterator[Entry]:
    """`captions.csv`, `captions.txt` or `Flickr8k.token.txt`, with the lists of photos of each split beside it."""
    lists = sources.named("split_*.txt", "Flickr_8k.*Images.txt")
    splits = of_lists(lists, report)
    texts = sources.annotations("captions.csv", "captions.txt", "Flickr8k.token.txt")
    for path in (path for path in texts if path not in lists):
        for entry in listed(path, report):
            yield replace(entry, split=splits.get(entry.id, "none")) if splits else entry


def flickr30k(sources: Sources, report: Report) -> Iterator[Entry]:
    """`results.csv`, divided by bars (one row of it lacks one), or `results_20130124.token`."""
    for path in sources.annotations("results.csv", "results*.token", "captions.csv"):
        yield from listed(path, report)
