"""What observers found in a slot, indexed for looking words up; and what they looked for in the whole video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from vdesc import Context, Evidence, Slot

from .lexicon import Lexicon, tokens

PERSON = "person"
WORDED = ("text", "speech")
"""Kinds of evidence whose value is words; of others it is a label or name."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the observers of a video look for: `labels` that detectors know, and whether `reading` took place.

    A detector all of whose labels are COCO's knows all 80, and so, for all one can tell, does one that found nothing in
    the whole video; any other knows those that it gave.
    """

    labels: frozenset[str] = frozenset()
    reading: bool = False

    @classmethod
    def over(cls, contexts: Iterable[Context], coco: Collection[str], english: Lexicon) -> Watch:
        """What is looked for in all slots of a video."""
        contexts = list(contexts)
        evidence = [found for context in contexts for found in context.evidence]
        sought = {kind for context in contexts for kind in context.sought}
        given: dict[str, set[str]] = {}
        for found in evidence:
            if found.kind == "object":
                given.setdefault(found.source, set()).add(found.value)
        own = [{english.label(value) for value in labels} for labels in given.values() if not labels <= set(coco)]
        all_own = len(own) == len(given) and (given or "object" not in sought)
        reading = "text" in sought or any(found.kind == "text" for found in evidence)
        return cls(frozenset().union(*own, () if all_own else coco), reading)


@dataclass(frozen=True, slots=True)
class Scene:
    """The evidence of one slot: by kind and label, and by the words that were read or heard."""

    labelled: Mapping[tuple[str, str], list[Evidence]]
    worded: Mapping[str, list[Evidence]]
    keyframes: frozenset[int] = frozenset()

    @classmethod
    def of(cls, slot: Slot, english: Lexicon) -> Scene:
        """The scene of a slot; a label of another vocabulary gets the lexicon's name where it has one for it."""
        labelled: dict[tuple[str, str], list[Evidence]] = {}
        worded: dict[str, list[Evidence]] = {}
        for found in slot.context.evidence:
            if found.kind in WORDED:
                for word in dict.fromkeys(tokens(found.value)):
                    worded.setdefault(word, []).append(found)
            else:
                label = english.label(found.value) if found.kind == "object" else found.value
                labelled.setdefault((found.kind, label), []).append(found)
                if found.kind == "face":
                    labelled.setdefault(("object", PERSON), []).append(found)
        return cls(labelled, worded, frozenset(keyframe.index for keyframe in slot.keyframes))

    def labels(self, kind: str) -> list[str]:
        """The labels of one kind."""
        return [label for of, label in self.labelled if of == kind]

    def count(self, evidence: Iterable[Evidence]) -> int:
        """How many objects were seen at once in this slot; where nothing tells, how many pieces of evidence there are.

        An object's `count` is that of its whole shot: where `seen` tells the slot's own keyframes, they decide.
        """
        objects = [found for found in evidence if found.kind == "object"]
        here = Counter((found.source, at) for found in objects for at in _seen_at(found) if at in self.keyframes)
        if here:
            return max(here.values())
        told = [number for found in objects if isinstance(number := found.details.get("count"), int)]
        return max(told, default=len(objects))


def _seen_at(found: Evidence) -> list[int]:
    """The index of the keyframe of each sighting, where the evidence tells them as `vdesc.sightings.lasting` does."""
    sightings = found.details.get("seen")
    if not isinstance(sightings, list | tuple):
        return []
    return [at for one in sightings if isinstance(one, Mapping) and isinstance(at := one.get("keyframe"), int)]
