"""A ranker as the judge of validation captions: how well each fits its own pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vdesc import Candidate
from vdesc.kinds import Ranker
from vdesc.registry import Registry, create
from vdesc_training.captioning import slots_of
from vdesc_training.table import Item


class Judge:
    """The mean score, 0..1, that a ranker gives captions.

    Args:
        name: the ranker's, with its model after a colon where it is not the usual one.
        folder: the table's.
        device: where it works.
    Raises:
        PluginError: there is no such ranker.
        ModelError: its model is not at hand.
    """

    def __init__(self, name: str, folder: Path, device: str):
        plugin, _, model = name.partition(":")
        made = create(Registry().find(plugin, ("ranker",)).plugin, **({"model": model} if model else {}))
        assert isinstance(made, Ranker)
        self.ranker, self.folder = made, folder
        made.load(device)

    def mean(self, items: Sequence[Item], said: Mapping[str, str]) -> float:
        """The mean over the items that have a caption; one that is empty counts 0."""
        items = [item for item in items if item.id in said and item.images]
        candidates = [
            Candidate(number, said[item.id], "llava") for number, item in enumerate(items) if said[item.id].strip()
        ]
        return sum(self.ranker.score(slots_of(self.folder, items), candidates)) / max(1, len(items))
