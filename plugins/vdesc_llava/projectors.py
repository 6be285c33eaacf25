"""Projectors: the features of a clip in, visual tokens for the LLM out. Knows torch and the config, no tower, no LLM.

Modules, keys and shapes are those of system E (Korean video captioning), so that its files load as they are; the
families are those of LLaVA (Liu et al. 2023, arXiv 2304.08485 and 2310.03744), the Perceiver resampler (Alayrac et al.
2022, arXiv 2204.14198) and, by name, Honeybee's abstractors (Cha et al. 2023, arXiv 2312.06742).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from vdesc import ModelError

from .config import LlavaConfig

GELU = 0.652
"""The root mean square of what GELU makes of unit variance."""


class Linear(nn.Module):
    """One token for each feature: a linear layer."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.proj = nn.Linear(width, hidden)

    def forward(self, features: Tensor, absent: Tensor | None = None) -> Tensor:
        """Tokens (n, features, hidden) of features (n, features, width); `absent` is for resamplers."""
        return self.proj(features)


class MLP(nn.Module):
    """One token for each feature: two linear layers with a GELU between them (LLaVA-1.5)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    def forward(self, features: Tensor, absent: Tensor | None = None) -> Tensor:
        """Tokens (n, features, hidden) of features (n, features, width); `absent` is for resamplers."""
        return self.proj(features)


class CAbstractor(nn.Module):
    """`queries` tokens for a clip: learned queries that attend once to all of its features."""

    def __init__(self, width: int, hidden: int, queries: int, heads: int, dropout: float):
        super().__init__()
        self.queries = nn.Parameter(torch.empty(queries, hidden).normal_(0, 0.02))
        self.input_proj = nn.Linear(width, hidden)
        self.cross_attn = _attention(hidden, heads, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.ffn = _feed_forward(hidden, dropout)

    def forward(self, features: Tensor, absent: Tensor | None = None) -> Tensor:
        """Tokens (n, queries, hidden) of features (n, features, width).

        Args:
            absent: bool (n, features), true where a feature must not be looked at; at least one of each row is false.
        """
        read = self.input_proj(features)
        asked = self.queries.expand(len(read), -1, -1)
        asked = self.norm1(asked + _attend(self.cross_attn, asked, read, absent))
        return self.norm2(asked + self.ffn(asked))


class PerceiverLayer(nn.Module):
    """Queries look at one another, then at the features, then think; each step is followed by its norm."""

    def __init__(self, hidden: int, heads: int, dropout: float):
        super().__init__()
        self.self_attn, self.cross_attn = _attention(hidden, heads, dropout), _attention(hidden, heads, dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(hidden) for _ in range(3))
        self.ffn = _feed_forward(hidden, dropout)

    def forward(self, asked: Tensor, read: Tensor, absent: Tensor | None = None) -> Tensor:
        """Queries (n, queries, hidden) after they looked at `read` (n, features, hidden), but for what is absent."""
        asked = self.norm1(asked + _attend(self.self_attn, asked, asked))
        asked = self.norm2(asked + _attend(self.cross_attn, asked, read, absent))
        return self.norm3(asked + self.ffn(asked))


class Perceiver(nn.Module):
    """`queries` tokens for a clip: learned queries that pass through layers of self- and cross-attention."""

    def __init__(self, width: int, hidden: int, queries: int, heads: int, depth: int, dropout: float):
        super().__init__()
        self.queries = nn.Parameter(torch.empty(queries, hidden).normal_(0, 0.02))
        self.input_proj = nn.Linear(width, hidden)
        self.layers = nn.ModuleList(PerceiverLayer(hidden, heads, dropout) for _ in range(depth))
        self.output_norm = nn.LayerNorm(hidden)

    def forward(self, features: Tensor, absent: Tensor | None = None) -> Tensor:
        """Tokens (n, queries, hidden) of features (n, features, width); `absent` as `CAbstractor` has it."""
        read = self.input_proj(features)
        asked = self.queries.expand(len(read), -1, -1)
        for layer in self.layers:
            asked = layer(asked, read, absent)
        return self.output_norm(asked)


def build(config: LlavaConfig, scale: float | None = None) -> nn.Module:
    """The projector of a config, with fresh weights.

    Args:
        scale: the root mean square of the LLM's word vectors, which the tokens get where the config's `init` is
            `scaled`; unset: the weights are plain.
    Raises:
        ModelError: heads do not divide the LLM's width.
    """
    width, hidden = config.width, config.hidden
    if config.resamples and hidden % config.heads:
        raise ModelError(f"llava: {config.heads} heads do not divide the LLM's width {hidden}: set heads otherwise")
    made: nn.Module
    if config.projector == "linear":
        made = Linear(width, hidden)
    elif config.projector == "mlp2x":
        made = MLP(width, hidden)
    elif config.projector == "c_abstractor":
        made = CAbstractor(width, hidden, config.queries, config.heads, config.dropout)
    else:
        made = Perceiver(width, hidden, config.queries, config.heads, config.depth, config.dropout)
    if scale is not None and config.init == "scaled":
        rescale(made, scale)
    return made


@torch.no_grad()
def rescale(projector: nn.Module, scale: float) -> None:
    """Makes the parts of a fresh projector as large as each other, so that it tells clips apart from the first steps.

    The tokens of `linear` and `mlp2x` get the size of word vectors. As torch starts them, a resampler's queries are far
    smaller than what they read, and so all but equal; here both are of unit variance. Its tokens stay as large as its
    last norm makes them: as small as word vectors it learned more slowly (docs/llava.md).

    Args:
        scale: the root mean square of the LLM's word vectors.
    """
    if isinstance(projector, Linear):
        _spread(projector.proj, scale)
    elif isinstance(projector, MLP):
        _spread(projector.proj[0], 1.0)
        _spread(projector.proj[2], scale / GELU)
    elif isinstance(projector, (CAbstractor, Perceiver)):
        projector.queries.normal_()
        _spread(projector.input_proj, 1.0)


def _spread(layer: nn.Module, scale: float) -> None:
    """Weights that turn inputs of unit variance into outputs of root mean square `scale`."""
    assert isinstance(layer, nn.Linear)
    layer.weight.normal_(0, scale / math.sqrt(layer.in_features))
    layer.bias.zero_()


def _attention(hidden: int, heads: int, dropout: float) -> nn.MultiheadAttention:
    return nn.MultiheadAttention(hidden, heads, dropout=dropout, batch_first=True)


def _feed_forward(hidden: int, dropout: float) -> nn.Sequential:
    layers = [nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * hidden, hidden)]
    return nn.Sequential(*layers, nn.Dropout(dropout))


def _attend(attention: nn.Module, asked: Tensor, read: Tensor, absent: Tensor | None = None) -> Tensor:
    return attention(asked, read, read, key_padding_mask=absent, need_weights=False)[0]
