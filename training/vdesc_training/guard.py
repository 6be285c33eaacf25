"""The collapse guard: whether captions have become one sentence, however well that sentence may score."""

from collections import Counter
from collections.abc import Mapping, Sequence

ENOUGH = 20  # photos: with fewer, equal captions may be chance
FEWEST = 0.05  # of as many different captions as there could be; healthy models have ten times that
COMMONEST = 0.5  # of the photos: no sentence is true of every second photo, unless people say it as often


def collapse(said: Mapping[str, str], references: Mapping[str, Sequence[str]], fewest: float = FEWEST) -> str | None:
    """What is wrong with the captions, as half a sentence; None where they are diverse enough.

    Two signs, since either alone can be missed: a handful of sentences that share the photos, or one that most get.
    Both are judged against what people say of the same photos: a table of ten different captions is no collapse.
    An alignment or CIDEr score does not tell: a single well chosen sentence has beaten real captions in both.

    Args:
        said: the caption of each item.
        references: people's captions of each item.
        fewest: the least share of different captions, of as many as there could be.
    """
    if len(said) <= ENOUGH:
        return None
    counts = Counter(said.values())
    people = Counter(references[key][0] for key in said)
    possible = min(len(said), len({text for key in said for text in references[key]}))
    text, most = counts.most_common(1)[0]
    if len(counts) < fewest * possible:
        return f"{len(counts)} different captions for {len(said)} items, most often '{text}'"
    if most > COMMONEST * len(said) and most > 2 * people.most_common(1)[0][1]:
        return f"'{text}' is said of {most} of {len(said)} items"
    return None
