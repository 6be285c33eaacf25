"""Caption metrics as the papers compute them, through pycocoevalcap."""

import contextlib
import io
from collections.abc import Mapping, Sequence

References = Mapping[str, Sequence[str]]


def score(predictions: Mapping[str, str], references: References) -> dict[str, float]:
    """BLEU-1..4, ROUGE-L and CIDEr-D of predictions against their references, and the share of distinct captions."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    said = {key: [normal(text)] for key, text in predictions.items()}
    truth = {key: [normal(text) for text in references[key]] for key in predictions}
    with contextlib.redirect_stdout(io.StringIO()):
        bleu, _ = Bleu(4).compute_score(truth, said, verbose=0)
        cider, _ = Cider().compute_score(truth, said)
        rouge, _ = Rouge().compute_score(truth, said)
    numbers = {f"bleu{i}": float(value) for i, value in enumerate(bleu, 1)}
    distinct = len({text for (text,) in said.values()}) / max(1, len(said))
    return {**numbers, "rouge": float(rouge), "cider": float(cider), "diversity": distinct}


PUNCTUATION = frozenset(
    {"''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"}
)


def normal(text: str) -> str:
    """Lower-case words without punctuation, as the PTB tokeniser of the COCO evaluation leaves them."""
    import re

    words = re.findall(r"n't|'\w+|\w+(?:-\w+)*(?=n't)|\w+(?:-\w+)*|[^\w\s]", text.lower())
    return " ".join(word for word in words if word not in PUNCTUATION and not re.fullmatch(r"[^\w]+", word))
