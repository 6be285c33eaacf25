"""CLIP's convolutional encoder (Radford et al. 2021, arXiv 2103.00020, section 2.4), which transformers does not have.

A ResNet-D: three convolutions for a stem, blurring before every stride, and an attention whose one query is the mean of
the cells in place of the last pooling. Names are those of OpenAI's weights.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.models.clip.modeling_clip import CLIPVisionModelOutput

HEAD = 64


class CLIPResNetConfig(PretrainedConfig):
    """The settings of a `CLIPResNet`; by default RN50x4.

    Args:
        width: channels after the stem; the last stage has 32 times as many.
        layers: blocks of each of the four stages.
        image_size: in pixels, a multiple of 32.
        projection_dim: the width of the features.
    """

    model_type = "clip_resnet"

    def __init__(
        self,
        width: int = 80,
        layers: Sequence[int] = (4, 6, 10, 6),
        image_size: int = 288,
        projection_dim: int = 640,
        **kwargs: Any,
    ):
        self.width, self.layers = width, list(layers)
        self.image_size, self.projection_dim = image_size, projection_dim
        super().__init__(**kwargs)


class CLIPResNet(PreTrainedModel):
    """Projected features of pictures."""

    config_class = CLIPResNetConfig
    config: CLIPResNetConfig
    main_input_name = "pixel_values"

    def __init__(self, config: CLIPResNetConfig):
        super().__init__(config)
        width = config.width
        self.conv1, self.bn1 = _convolution(3, width // 2, 3, 2), nn.BatchNorm2d(width // 2)
        self.conv2, self.bn2 = _convolution(width // 2, width // 2, 3), nn.BatchNorm2d(width // 2)
        self.conv3, self.bn3 = _convolution(width // 2, width, 3), nn.BatchNorm2d(width)
        inner = [width, 2 * width, 4 * width, 8 * width]
        outer = [width, *(4 * planes for planes in inner)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                *(Bottleneck(outer[i + 1] if j else outer[i], inner[i], 1 if j or not i else 2) for j in range(n))
            )
            for i, n in enumerate(config.layers)
        )
        self.attnpool = AttentionPool(config.image_size // 32, 32 * width, config.projection_dim)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Weights come from a checkpoint."""

    def forward(self, pixel_values: Tensor) -> CLIPVisionModelOutput:
        """`image_embeds` (batch, projection_dim) of pixels (batch, 3, image_size, image_size)."""
        x = pixel_values
        for convolution, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = norm(convolution(x)).relu()
        x = nn.functional.avg_pool2d(x, 2)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return CLIPVisionModelOutput(image_embeds=self.attnpool(x))


class Bottleneck(nn.Module):
    """A residual block of three convolutions, four times as wide outside as inside."""

    def __init__(self, width: int, planes: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv1, self.bn1 = _convolution(width, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = _convolution(planes, planes, 3), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = _convolution(planes, 4 * planes, 1), nn.BatchNorm2d(4 * planes)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or width != 4 * planes:
            self.downsample = nn.Sequential(_convolution(width, 4 * planes, 1), nn.BatchNorm2d(4 * planes))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4 * planes, rows / stride, columns / stride)."""
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        y = self.bn3(self.conv3(self._blurred(y)))
        return (y + (x if self.downsample is None else self.downsample(self._blurred(x)))).relu()

    def _blurred(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, self.stride) if self.stride > 1 else x


class AttentionPool(nn.Module):
    """One vector of a map of cells: what their mean attends to among itself and them."""

    def __init__(self, side: int, width: int, out: int):
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.zeros(side * side + 1, width))
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.c_proj = nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, out) of (batch, width, side, side)."""
        cells = x.flatten(2).transpose(1, 2)
        cells = torch.cat([cells.mean(1, keepdim=True), cells], dim=1) + self.positional_embedding
        query, key, value = (
            part.unflatten(-1, (-1, HEAD)).transpose(1, 2)
            for part in (self.q_proj(cells[:, :1]), self.k_proj(cells), self.v_proj(cells))
        )
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.c_proj(mixed.transpose(1, 2).flatten(2)[:, 0])


def _convolution(width: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width, out, size, stride, size // 2, bias=False)


AutoConfig.register(CLIPResNetConfig.model_type, CLIPResNetConfig)
AutoModel.register(CLIPResNetConfig, CLIPResNet)
