"""Int8 for CPUs: weights of linear layers as signed bytes, inputs made bytes on the way in."""

import warnings

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


class Int8Linear(nn.Module):
    """A linear layer in int8: one scale for each output of the weight, one for the whole of each input.

    The input's scale covers the batch, so a result may depend a little on what else is in it. Inputs take 7 of 8 bits,
    which no CPU can overflow.
    """

    def __init__(self, layer: nn.Linear | Conv1D):
        super().__init__()
        weight = layer.weight.detach().float()
        weight = weight.t().contiguous() if isinstance(layer, Conv1D) else weight  # GPT-2 stores its weights turned
        scale = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
        zero = torch.zeros(len(scale), dtype=torch.long)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls its quantised tensors deprecated; they are there
            whole = torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
        bias = None if layer.bias is None else layer.bias.detach().float()
        self.packed = torch.ops.quantized.linear_prepack(whole, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Float32 outputs (..., out) of float32 inputs (..., in)."""
        return torch.ops.quantized.linear_dynamic(x, self.packed, True)


def quantize(module: nn.Module) -> None:
    """Puts an `Int8Linear` in the place of every linear layer inside `module`; other layers stay as they are."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear | Conv1D):
            setattr(module, name, Int8Linear(child))
        else:
            quantize(child)
