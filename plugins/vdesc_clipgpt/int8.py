"""Int8 for CPUs: weights of linear layers as signed bytes, inputs made bytes on the way in."""

import warnings

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


class Int8Linear(nn.Module):
    """A linear layer in int8: one scale for each output of the weight, one for the whole of each input.

    The input's scale covers the batch, so a result may depend a little on what else is in it. Inputs take 7 of 8 bits,
    which no CPU can overflow.

    Args:
        weight: (out, in).
        bias: (out), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        weight = weight.detach().float().contiguous()
        scale = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls its quantised tensors deprecated; they are there
            whole = torch.quantize_per_channel(weight, scale, torch.zeros(len(scale), dtype=torch.long), 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(whole, None if bias is None else bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """Float32 outputs (..., out) of float32 inputs (..., in)."""
        return torch.ops.quantized.linear_dynamic(x, self.packed, True)


class Int8Patches(nn.Module):
    """A convolution whose patches do not overlap, as the linear layer that it is."""

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        self.side, self.weight = layer.kernel_size[0], layer.weight  # CLIP asks the weight for its dtype
        self.linear = Int8Linear(layer.weight.flatten(1), layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, out, rows, columns) of pixels (batch, in, height, width)."""
        patches = x.unfold(2, self.side, self.side).unfold(3, self.side, self.side)
        return self.linear(patches.permute(0, 2, 3, 1, 4, 5).flatten(3)).permute(0, 3, 1, 2)


def quantize(module: nn.Module) -> None:
    """Puts int8 in the place of every linear layer and patch embedding in `module`; other layers stay as they are."""
    if "onednn" in torch.backends.quantized.supported_engines:
        torch.backends.quantized.engine = "onednn"  # a tenth faster on large batches than the default of x86
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight, child.bias))
        elif isinstance(child, Conv1D):  # GPT-2's linear layer, its weight turned
            setattr(module, name, Int8Linear(child.weight.t(), child.bias))
        elif isinstance(child, nn.Conv2d) and _patches(child):
            setattr(module, name, Int8Patches(child))
        else:
            quantize(child)


def _patches(layer: nn.Conv2d) -> bool:
    side = layer.kernel_size[0]
    plain = layer.padding == (0, 0) and layer.dilation == (1, 1) and layer.groups == 1
    return plain and side > 1 and layer.kernel_size == layer.stride == (side, side)
