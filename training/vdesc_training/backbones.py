"""Vision backbones whose weights come in another library's form."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import MobileNetV2Config, MobileNetV2Model


def mobilenet(weights: Path) -> MobileNetV2Model:
    """A transformers `MobileNetV2Model` (1.0, 224) holding folded weights under torchvision's names.

    Batch norm was folded into each convolution: the folded bias becomes the norm's own, and the norm is
    otherwise made the identity (mean 0, variance 1 - eps, weight 1).
    """
    config = MobileNetV2Config(tf_padding=True, image_size=224, finegrained_output=True)
    model = MobileNetV2Model(config)
    folded = {name: value.float() for name, value in load_file(weights).items()}
    state = model.state_dict()
    for ours, theirs in _names(len(model.layer)):
        norm = f"{ours}.normalization"
        state[f"{ours}.convolution.weight"] = folded[f"{theirs}.weight"]
        state[f"{norm}.bias"] = folded[f"{theirs}.bias"]
        state[f"{norm}.weight"] = torch.ones_like(folded[f"{theirs}.bias"])
        state[f"{norm}.running_mean"] = torch.zeros_like(folded[f"{theirs}.bias"])
        state[f"{norm}.running_var"] = torch.full_like(folded[f"{theirs}.bias"], 1 - config.layer_norm_eps)
    model.load_state_dict(state)
    return model


def _names(blocks: int) -> list[tuple[str, str]]:
    """Pairs of (transformers, torchvision) names of every convolution."""
    pairs = [
        ("conv_stem.first_conv", "features.0.0"),
        ("conv_stem.conv_3x3", "features.1.conv.0.0"),
        ("conv_stem.reduce_1x1", "features.1.conv.1"),
    ]
    for i in range(blocks):
        theirs = f"features.{i + 2}.conv"
        pairs += [
            (f"layer.{i}.expand_1x1", f"{theirs}.0.0"),
            (f"layer.{i}.conv_3x3", f"{theirs}.1.0"),
            (f"layer.{i}.reduce_1x1", f"{theirs}.2"),
        ]
    return [*pairs, ("conv_1x1", f"features.{blocks + 2}.0")]
