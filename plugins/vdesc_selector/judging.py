"""The judgement of candidates: each question in several orders, too many candidates in groups and a final."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vdesc import ModelError

from .labels import Labels, labels, probabilities
from .orders import orders
from .question import Asking, Question
from .reading import Reader, Rows

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model thinks of a question's candidates.

    Args:
        shares: of each candidate, in the question's own order, the probability that it is the best; they add up to 1.
        answered: the probability that the model answers one of the numbers at all, 0..1; not finite where the model
            is broken, and the shares then mean nothing.
        groups: in how many questions it was asked before the final; 1 without one.
    """

    shares: tuple[float, ...]
    answered: float
    groups: int = 1


class Judge:
    """Asks a causal language model which candidate is the best.

    Args:
        llm: a model of transformers, in eval mode.
        asking: makes the questions.
        which: the orders; see `orders`.
        batch: tokens that go through the model at once.
    """

    def __init__(self, llm: Any, asking: Asking, which: str = "shifts", batch: int = 8192):
        self.asking, self.which = asking, which
        self.reader = Reader(llm, batch)
        self._labels: dict[int, Labels] = {}

    def judge(self, questions: Sequence[Question]) -> list[Verdict]:
        """A verdict on each question, which does not depend on the order of its candidates.

        Of several groups the best go to a final; the others keep their distance to the best of their group.
        Raises `SettingsError` where the limits do not hold two candidates.
        """
        canonical = [question.canonical() for question in questions]
        grouped = [self.asking.groups(question) for question in canonical]
        asked = iter(self._asked([group for groups in grouped for group in groups]))
        judged = [[next(asked) for _ in groups] for groups in grouped]
        finals = [
            _final([_best(*pair) for pair in zip(groups, verdicts, strict=True)])
            for groups, verdicts in zip(grouped, judged, strict=True)
            if len(groups) > 1
        ]
        decided = iter(self.judge(finals) if finals else ())
        whole = [v[0] if len(v) == 1 else _joined(v, next(decided)) for v in judged]
        return [_as_asked(*one) for one in zip(questions, canonical, whole, strict=True)]

    def labels(self, count: int) -> Labels:
        """The numbers 1 to `count` as the model answers them. Raises `ModelError`."""
        if count not in self._labels:
            try:
                self._labels[count] = labels([self.asking.label(number) for number in range(1, count + 1)])
            except ValueError as error:
                raise ModelError(f"selector: the model's tokenizer cannot tell numbers apart ({error})") from error
        return self._labels[count]

    def _asked(self, questions: Sequence[Question]) -> list[Verdict]:
        """Verdicts on questions that fit; one of a single candidate is answered without the model."""
        real = [question for question in questions if len(question.texts) > 1]
        columns = sorted({token for q in real for token in self.labels(len(q.texts)).columns})
        told = self.reader.read([self._rows(question) for question in real], columns)
        verdicts = iter([self._verdict(*pair, columns) for pair in zip(real, told, strict=True)])
        return [next(verdicts) if len(q.texts) > 1 else Verdict((1.0,), 1.0) for q in questions]

    def _rows(self, question: Question) -> Rows:
        """A row for each order and each beginning of a number."""
        pieces, known = self.asking.pieces(question), self.labels(len(question.texts))
        shown = orders(len(question.texts), self.which)
        ends = (self.asking.row(pieces, order) + known.common + node for order in shown for node in known.nodes)
        return Rows(pieces.start, tuple(ends))

    def _verdict(self, question: Question, told: Tensor, columns: Sequence[int]) -> Verdict:
        import torch

        count, known = len(question.texts), self.labels(len(question.texts))
        mine = [columns.index(token) for token in known.columns]
        logs = probabilities(known, told[:, mine].unflatten(0, (-1, len(known.nodes))))
        shown = torch.tensor(orders(count, self.which))
        shares = torch.zeros(len(shown), count, dtype=torch.float64)
        shares.scatter_(1, shown, logs.double().softmax(1))
        mean = shares.mean(0)
        return Verdict(tuple((mean / mean.sum()).tolist()), float(logs.double().exp().sum(1).mean()))


def _best(question: Question, verdict: Verdict) -> Question:
    return question.of([verdict.shares.index(max(verdict.shares))])


def _final(best: Sequence[Question]) -> Question:
    """The question about the best of each group."""
    texts, places = (sum((getattr(one, name) for one in best), ()) for name in ("texts", "places"))
    return replace(best[0], texts=texts, places=places)


def _joined(groups: Sequence[Verdict], final: Verdict) -> Verdict:
    """One verdict on all candidates of the groups, in their order: the best of each as in the final."""
    shares = [won * share / max(v.shares) for v, won in zip(groups, final.shares, strict=True) for share in v.shares]
    answered = min(final.answered, *(verdict.answered for verdict in groups))
    return Verdict(tuple(share / sum(shares) for share in shares), answered, len(groups))


def _as_asked(question: Question, canonical: Question, verdict: Verdict) -> Verdict:
    share = dict(zip(canonical.texts, verdict.shares, strict=True))
    return replace(verdict, shares=tuple(share[text] for text in question.texts))
