"""Mappers: image features (batch, tokens, width) in, prefix vectors (batch, prefix, decoder width) out.

`mlp` and `transformer` are ClipCap's (Mokady et al. 2021, arXiv 2111.09734), `encoder` is clip-gpt-captioning's,
`concat`, `cross` and `framewise` are the multi-frame ones of NYU's CLIPVideoCap, `grid` keeps every cell of a feature
map.
"""

import torch
from torch import Tensor, nn

from .config import ClipGPTConfig


def build_mapper(config: ClipGPTConfig, width: int, hidden: int) -> nn.Module:
    """The mapper that `config.mapper` names, from encoder `width` to decoder width `hidden`."""
    match config.mapper:
        case "mlp":
            return MLPMapper(width, hidden, config.prefix)
        case "framewise":
            return MLPMapper(width, hidden, 1)
        case "transformer":
            return TransformerMapper(width, hidden, config.prefix, config.constants, config.layers, config.heads)
        case "encoder":
            return EncoderMapper(width, hidden, config.prefix, config.layers, config.heads, config.dropout)
        case "concat" | "cross":
            cross = config.mapper == "cross"
            return FrameMapper(width, hidden, config.prefix, config.layers, config.heads, cross)
        case "grid":
            return GridMapper(width, hidden, config.prefix, config.layers, config.heads, config.dropout)
    raise ValueError(f"unknown mapper {config.mapper!r}")


class MLPMapper(nn.Module):
    """ClipCap's MLP: each feature vector becomes `prefix` vectors through one hidden layer with tanh."""

    def __init__(self, width: int, hidden: int, prefix: int):
        super().__init__()
        self.prefix = prefix
        middle = prefix * hidden // 2
        self.model = nn.Sequential(nn.Linear(width, middle), nn.Tanh(), nn.Linear(middle, prefix * hidden))

    def forward(self, features: Tensor) -> Tensor:
        """Prefix vectors (batch, tokens * prefix, hidden)."""
        return self.model(features).unflatten(-1, (self.prefix, -1)).flatten(1, 2)


class Attention(nn.Module):
    """Multi-head attention of `x` on `memory`, with ClipCap's names and biases."""

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_queries = nn.Linear(hidden, hidden, bias=False)
        self.to_keys_values = nn.Linear(hidden, 2 * hidden, bias=False)
        self.project = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """`x` (batch, n, hidden) as mixtures of `memory` (batch, m, hidden)."""
        query = self._split(self.to_queries(x))
        key, value = (self._split(part) for part in self.to_keys_values(memory).chunk(2, dim=-1))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.project(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """A pre-norm block; with `memory` it attends to that instead of itself (the memory is not normed)."""

    def __init__(self, hidden: int, heads: int, ratio: int = 2):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.attn = Attention(hidden, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(hidden, ratio * hidden), "fc2": nn.Linear(ratio * hidden, hidden)})

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """`x` (batch, n, hidden), changed."""
        normed = self.norm1(x)
        x = x + self.attn(normed, normed if memory is None else memory)
        return x + self.mlp["fc2"](torch.relu(self.mlp["fc1"](self.norm2(x))))


class _Blocks(nn.Module):
    def __init__(self, hidden: int, heads: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(Block(hidden, heads) for _ in range(layers))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        for block in self.layers:
            x = block(x, memory)
        return x


class TransformerMapper(nn.Module):
    """ClipCap's transformer: the feature becomes `constants` tokens, learned constants read them."""

    def __init__(self, width: int, hidden: int, prefix: int, constants: int, layers: int, heads: int):
        super().__init__()
        self.constants = constants
        self.linear = nn.Linear(width, constants * hidden)
        self.prefix_const = nn.Parameter(torch.randn(prefix, hidden))
        self.transformer = _Blocks(hidden, heads, layers)

    def forward(self, features: Tensor) -> Tensor:
        """Prefix vectors (batch, prefix, hidden)."""
        tokens = self.linear(features[:, 0]).unflatten(-1, (self.constants, -1))
        x = torch.cat([tokens, self.prefix_const.expand(len(tokens), -1, -1)], dim=1)
        return self.transformer(x)[:, self.constants :]


class FrameMapper(nn.Module):
    """NYU's multi-frame mapper: one shared projection per frame, then constants read the frames.

    With `cross` the constants attend to the frames only; else frames and constants attend to each other.
    """

    def __init__(self, width: int, hidden: int, prefix: int, layers: int, heads: int, cross: bool):
        super().__init__()
        self.cross = cross
        self.linear = nn.Linear(width, hidden)
        self.prefix_const = nn.Parameter(torch.randn(prefix, hidden))
        self.transformer = _Blocks(hidden, heads, layers)

    def forward(self, features: Tensor) -> Tensor:
        """Prefix vectors (batch, prefix, hidden)."""
        frames = self.linear(features)
        constants = self.prefix_const.expand(len(frames), -1, -1)
        if self.cross:
            return self.transformer(constants, frames)
        return self.transformer(torch.cat([frames, constants], dim=1))[:, frames.shape[1] :]


class EncoderMapper(nn.Module):
    """clip-gpt-captioning's mapper: a transformer encoder over the feature, then one linear to `prefix` vectors.

    Each sample is its own sequence (the original mixed the samples of a training batch).
    """

    def __init__(self, width: int, hidden: int, prefix: int, layers: int, heads: int, dropout: float):
        super().__init__()
        self.prefix = prefix
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.mapper = nn.Linear(width, prefix * hidden)

    def forward(self, features: Tensor) -> Tensor:
        """Prefix vectors (batch, prefix, hidden)."""
        return self.mapper(self.transformer_encoder(features)[:, 0]).unflatten(-1, (self.prefix, -1))


class GridMapper(nn.Module):
    """Every cell of a feature map as a prefix vector: norm, projection, place, and layers that see the whole."""

    def __init__(self, width: int, hidden: int, prefix: int, layers: int, heads: int, dropout: float):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, hidden)
        self.place = nn.Parameter(torch.randn(prefix, hidden) * 0.02)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            hidden, heads, 4 * hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False) if layers else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Prefix vectors (batch, prefix, hidden)."""
        return self.encoder(self.dropout(self.linear(self.norm(features)) + self.place))
