"""Lessons: rows as questions with a target, in another order of the candidates each epoch.

What a row looks like in an epoch is a function of the seed, the epoch and the row alone.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from vdesc_training.lessons import Lessons
from vdesc_training.sft import Row

from ..judging import Judge
from ..question import Question
from .guide import Guide
from .recipe import Recipe

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question as the model sees it once.

    Args:
        rows: token ids; after the first the number's first token is wanted, after the others what follows in numbers
            of several tokens.
        target: the share of each number, in order; they add up to 1.
    """

    rows: tuple[Ids, ...]
    target: tuple[float, ...]


class Questions(Lessons):
    """Rows with the questions that are made of them. An index is (epoch, number).

    Args:
        judge: whose questions and numbers they are: the same as at inference.
        recipe: what decides how a row becomes a lesson.
        guides: of each row, where the recipe is guided.
    """

    def __init__(self, rows: Sequence[Row], judge: Judge, recipe: Recipe, guides: Sequence[Guide] = ()):
        self.items = ()  # nothing is captioned
        self.rows, self.judge, self.recipe, self.guides = rows, judge, recipe, guides

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """The row's `Lesson` in an epoch."""
        epoch, number = index
        return self.lesson(self._guided(number, epoch), random.Random(f"{self.recipe.seed} {epoch} {number}"))

    def lesson(self, row: Row, chance: random.Random) -> Lesson:
        """A row with its candidates in an order that chance gives; of too many the worst are left out."""
        if chance.random() < self.recipe.strangers:
            row = self._mixed(row, chance)
        asking, count = self.judge.asking, len(row.candidates)
        order = chance.sample(range(count), chance.randint(2, count) if self.recipe.subsets else count)
        while len(asking.groups(question(row, order))) > 1:
            order.remove(min(order, key=lambda i: row.similarities[i]))
        pieces, labels = asking.pieces(question(row, order)), self.judge.labels(len(order))
        asked = pieces.start + asking.row(pieces, range(len(order))) + labels.common
        return Lesson(tuple(asked + node for node in labels.nodes), self._target(row, order))

    def _guided(self, number: int, epoch: int) -> Row:
        """The row, in the guided part of the epochs with similarities that the guide gives."""
        row, until = self.rows[number], self.recipe.guided * self.recipe.epochs
        if not self.guides or epoch >= until:
            return row
        return replace(row, similarities=self.guides[number].at(epoch / until))

    def _mixed(self, row: Row, chance: random.Random) -> Row:
        """A row in which candidates of another one, that are true of something else, take the place of some."""
        other = self.rows[chance.randrange(len(self.rows))]
        texts = [text for text in other.candidates if text not in row.candidates]
        count = min(len(texts), chance.randint(1, len(row.candidates) - 1))
        places = chance.sample(range(len(row.candidates)), count)
        put = dict(zip(places, chance.sample(texts, count), strict=True))  # at the places of those that they replace
        return replace(
            row,
            candidates=tuple(put.get(i, text) for i, text in enumerate(row.candidates)),
            similarities=tuple(0.0 if i in put else near for i, near in enumerate(row.similarities)),
        )

    def _target(self, row: Row, order: Sequence[int]) -> tuple[float, ...]:
        near = [row.similarities[i] for i in order]
        most = max(near)
        if not self.recipe.softness:
            return tuple(float(place == near.index(most)) for place in range(len(near)))
        weights = [math.exp((value - most) / self.recipe.softness) for value in near]
        return tuple(weight / sum(weights) for weight in weights)


def question(row: Row, order: Sequence[int] | None = None) -> Question:
    """The question of a row, as inference asks it of a slot."""
    whole = Question(row.context, row.candidates, row.language, row.places)
    return whole if order is None else whole.of(order)


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """A batch: `lessons`, and `labels` (lessons, 1), by which each of them counts the same."""
    return {"lessons": list(lessons), "labels": torch.zeros(len(lessons), 1, dtype=torch.long), "broken": []}
