"""How `mini_xception.safetensors` was made of the Keras file that its authors publish.

    python -m vdesc_faces.convert fer2013_mini_XCEPTION.99-0.65.hdf5 mini_xception.safetensors

Needs h5py, which the extra `train` brings; nothing that runs needs this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .expressions import MiniXception


def main(source: Path, out: Path) -> None:
    """Writes the weights in `source` to `out` as safetensors."""
    from safetensors.torch import save_file

    net = MiniXception()
    load(net, weights(source))
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, out)


def weights(source: Path) -> dict[str, Tensor]:
    """The tensors of a Keras file, named `layer/weight`."""
    import h5py

    found: dict[str, Tensor] = {}

    def take(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[f"{path.split('/')[0]}/{path.split('/')[-1].removesuffix(':0')}"] = torch.from_numpy(item[()])

    with h5py.File(source) as file:
        file["model_weights"].visititems(take)
    return found


def load(net: MiniXception, given: dict[str, Tensor]) -> None:
    """Fills the network; Keras counts its layers in the order in which they were made."""
    for kind, layers in (("conv2d", _plain(net)), ("batch_normalization", _norms(net))):
        for number, layer in enumerate(layers, 1):
            _fill(layer, f"{kind}_{number}", given)
    blocks: Any = net.blocks
    paths = [block.path for block in blocks]
    pairs = [pair for path in paths for pair in ((path[0], path[1]), (path[4], path[5]))]
    for number, (deep, point) in enumerate(pairs, 1):
        deep.weight.data = given[f"separable_conv2d_{number}/depthwise_kernel"].permute(2, 3, 0, 1)
        point.weight.data = given[f"separable_conv2d_{number}/pointwise_kernel"].permute(3, 2, 0, 1)


def _plain(net: Any) -> Iterator[nn.Module]:
    yield from (net.stem[0], net.stem[3], *(block.short[0] for block in net.blocks), net.head)


def _norms(net: Any) -> Iterator[nn.Module]:
    yield from (net.stem[1], net.stem[4])
    for block in net.blocks:
        yield from (block.short[1], block.path[2], block.path[6])


def _fill(layer: Any, name: str, given: dict[str, Tensor]) -> None:
    if isinstance(layer, nn.Conv2d):
        layer.weight.data = given[f"{name}/kernel"].permute(3, 2, 0, 1)
        if layer.bias is not None:
            layer.bias.data = given[f"{name}/bias"]
    else:
        layer.weight.data, layer.bias.data = given[f"{name}/gamma"], given[f"{name}/beta"]
        layer.running_mean, layer.running_var = given[f"{name}/moving_mean"], given[f"{name}/moving_variance"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
