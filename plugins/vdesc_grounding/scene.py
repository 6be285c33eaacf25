"""What observers found in a slot, indexed for looking words up; and what they looked for in the whole video."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from vdesc import Context, Evidence

from .lexicon import Lexicon, tokens

PERSON = "person"
WORDED = ("text", "speech")
"""Kinds of evidence whose value is words; of others it is a label or name."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the observers of a video look for: `labels` that detectors know, and whether `reading` took place.

    A detector all of whose labels are COCO's knows all 80; any other knows those that it gave. One that found nothing
    in the whole video cannot be told from one that did not run.
    """

    labels: frozenset[str] = frozenset()
    reading: bool = False

    @classmethod
    def over(cls, contexts: Iterable[Context], coco: Collection[str], english: Lexicon) -> Watch:
        """What is looked for in all slots of a video."""
        evidence = [found for context in contexts for found in context.evidence]
        given: dict[str, set[str]] = {}
        for found in evidence:
            if found.kind == "object":
                given.setdefault(found.source, set()).add(found.value)
        own = [{english.label(value) for value in labels} for labels in given.values() if not labels <= set(coco)]
        all_own = len(own) == len(given)
        return cls(frozenset().union(*own, () if all_own else coco), any(found.kind == "text" for found in evidence))


@dataclass(frozen=True, slots=True)
class Scene:
    """The evidence of one slot: by kind and label, and by the words that were read or heard."""

    labelled: Mapping[tuple[str, str], list[Evidence]]
    worded: Mapping[str, list[Evidence]]

    @classmethod
    def of(cls, context: Context, english: Lexicon) -> Scene:
        """The scene of a slot; a label of another vocabulary gets the lexicon's name where it has one for it."""
        labelled: dict[tuple[str, str], list[Evidence]] = {}
        worded: dict[str, list[Evidence]] = {}
        for found in context.evidence:
            if found.kind in WORDED:
                for word in dict.fromkeys(tokens(found.value)):
                    worded.setdefault(word, []).append(found)
            else:
                label = english.label(found.value) if found.kind == "object" else found.value
                labelled.setdefault((found.kind, label), []).append(found)
                if found.kind == "face":
                    labelled.setdefault(("object", PERSON), []).append(found)
        return cls(labelled, worded)

    def labels(self, kind: str) -> list[str]:
        """The labels of one kind."""
        return [label for of, label in self.labelled if of == kind]


def count(evidence: Iterable[Evidence]) -> int:
    """How many were seen at once: the highest count that is told, else how many pieces of evidence there are."""
    objects = [found for found in evidence if found.kind == "object"]
    told = [number for found in objects if isinstance(number := found.details.get("count"), int)]
    return max(told, default=len(objects))
