"""The matcher: how well words fit a picture, from the features that the captioner has already.

A small text encoder and a projection of the picture's features into one space, trained by contrast (CLIP, Radford et
al. 2021, arXiv 2103.00020): the same network that speaks can then judge what was said.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from . import words

RECALLS = ("recall1", "recall5", "recall10")
COLDEST = 100.0  # CLIP's limit of the logits' scale


class Matcher(nn.Module):
    """Pictures and sentences as points that lie close where they belong together.

    Args:
        features: width of the encoder's features.
        vocabulary: size of the captioner's vocabulary, whose tokens the text encoder reads.
        settings: `width`, `layers`, `heads` of the text encoder, `joint` (dimensions of the common space), `longest`
            (tokens of a sentence; the rest is not read), `dropout`.
    """

    def __init__(self, features: int, vocabulary: int, settings: dict[str, Any]):
        super().__init__()
        width, dropout = settings["width"], settings.get("dropout", 0.1)
        self.longest: int = settings.get("longest", 32)
        self.text = BertModel(
            BertConfig(
                vocab_size=vocabulary, hidden_size=width, num_hidden_layers=settings["layers"],
                num_attention_heads=settings["heads"], intermediate_size=4 * width, type_vocab_size=1,
                max_position_embeddings=self.longest, hidden_dropout_prob=dropout, attention_probs_dropout_prob=0.0,
            ),
            add_pooling_layer=False,
        )  # fmt: skip
        self.drop = nn.Dropout(2 * dropout)
        self.of_text = nn.Linear(width, settings["joint"], bias=False)
        self.of_picture = nn.Linear(features, settings["joint"], bias=False)
        self.scale = nn.Parameter(torch.tensor(20.0).log())

    def pictures(self, features: Tensor) -> Tensor:
        """Unit vectors (pictures, joint) of features (pictures, tokens, width)."""
        return nn.functional.normalize(self.of_picture(self.drop(features.mean(1))), dim=-1)

    def texts(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Unit vectors (texts, joint) of token ids (texts, length), of which `real` (same shape, bool) are words."""
        hidden = self.text(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        mean = (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return nn.functional.normalize(self.of_text(mean), dim=-1)

    def batch(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token ids and mask, as `texts` takes them, of encoded sentences of at least one token."""
        length = min(self.longest, max(len(row) for row in rows))
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        real = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            some = torch.tensor(row[:length])
            tokens[i, : len(some)], real[i, : len(some)] = some, True
        return tokens, real

    def of_labels(self, labels: Tensor, begin: int) -> tuple[Tensor, Tensor]:
        """Token ids and mask of labels (texts, length), each ended by EOS, then -100; `begin` is EOS as well."""
        first = torch.full_like(labels[:, :1], begin)
        words = (labels != -100) & (labels != begin)
        tokens = torch.cat([first, labels.where(words, 0)], dim=1)[:, : self.longest]
        return tokens, torch.cat([torch.ones_like(first, dtype=torch.bool), words], dim=1)[:, : self.longest]


def lessons(tokenizer: Any, texts: Sequence[str], style: str) -> list[list[int]]:
    """Token ids of each text as the captioner would learn it, after one that stands for its beginning."""
    begin = tokenizer.eos_token_id
    return [[begin, *tokenizer.encode(words.lesson(text, style), add_special_tokens=False)] for text in texts]


def contrast(matcher: Matcher, features: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    """The loss of telling, in a batch, which text belongs to which picture, and the other way round (InfoNCE).

    Args:
        features: (n, tokens, width).
        tokens, real: one text a picture, as `Matcher.batch` gives them.
    """
    fit = matcher.scale.exp().clamp(max=COLDEST) * matcher.pictures(features) @ matcher.texts(tokens, real).T
    own = torch.arange(len(fit), device=fit.device)
    return (nn.functional.cross_entropy(fit, own) + nn.functional.cross_entropy(fit.T, own)) / 2


@torch.inference_mode()
def recall(pictures: Tensor, texts: Tensor, owner: Tensor, within: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """Text-to-picture recall: the share of texts whose own picture is among the nearest `within`.

    Args:
        pictures: unit vectors (pictures, joint).
        texts: unit vectors (texts, joint).
        owner: (texts,) the number of each text's picture.
    """
    fit = texts @ pictures.T
    better = (fit > fit.gather(1, owner[:, None])).sum(1)
    return {f"recall{k}": (better < k).float().mean().item() for k in within}
