"""How `mini_xception.onnx` was made of the Keras file that its authors publish.

    python -m vdesc_faces.convert fer2013_mini_XCEPTION.99-0.65.hdf5 mini_xception.onnx

Takes the weights, multiplies each batch normalisation into the convolution before it, and builds the network anew:
probabilities of seven expressions, (1, 7), from a gray face in -1..1, (1, 1, 64, 64). Needs the packages h5py and onnx;
nothing that runs needs this.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 64
EPSILON = 1e-3  # of the batch normalisation


def main(source: Path, out: Path) -> None:
    """Writes the network in `source` to `out` as ONNX."""
    import onnx

    graph = Graph(weights(source))
    last = graph.network()
    shapes = [("face", [1, 1, SIDE, SIDE]), (last, [1, 7])]
    given, told = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes)
    made = onnx.helper.make_graph(graph.nodes, "mini_xception", [given], [told], graph.kept)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, out)


def weights(source: Path) -> dict[str, np.ndarray]:
    """The numbers in a Keras file, named `layer/weight`."""
    import h5py

    found: dict[str, np.ndarray] = {}

    def take(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[f"{path.split('/')[0]}/{path.split('/')[-1].removesuffix(':0')}"] = item[()]

    with h5py.File(source) as file:
        file["model_weights"].visititems(take)
    return found


class Graph:
    """The network as ONNX nodes in the making, and the numbers it keeps. Keras counts layers as they were made."""

    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights = weights
        self.nodes: list[Any] = []
        self.kept: list[Any] = []

    def network(self) -> str:
        """Adds all layers; the name of the last one's output."""
        at, size = "face", SIDE - 4
        for number in (1, 2):
            at = self.node("Relu", self.convolution(at, f"conv2d_{number}/kernel", norm=number))
        for block in range(4):
            at = self.block(at, block, size)
            size = -(-size // 2)
        at = self.node("GlobalAveragePool", self.convolution(at, "conv2d_7/kernel", bias="conv2d_7/bias", pads=[1] * 4))
        return self.node("Softmax", self.node("Flatten", at), axis=1)

    def block(self, at: str, number: int, size: int) -> str:
        """Adds two separable convolutions and a pooling beside a short cut; halves height and width."""
        short = self.convolution(at, f"conv2d_{number + 3}/kernel", norm=3 * number + 3, strides=[2, 2])
        deep = self.node("Relu", self.separable(at, 2 * number + 1, norm=3 * number + 4))
        deep = self.separable(deep, 2 * number + 2, norm=3 * number + 5)
        before = size % 2  # as TensorFlow pads: what is over comes behind
        pads = [before, before, 1, 1]
        pooled = self.node("MaxPool", deep, kernel_shape=[3, 3], strides=[2, 2], pads=pads)
        return self.node("Add", pooled, short)

    def separable(self, at: str, number: int, norm: int) -> str:
        """Adds a convolution of each channel by itself, and one across them with a normalisation."""
        kernel = self.weights[f"separable_conv2d_{number}/depthwise_kernel"].transpose(2, 3, 0, 1)
        deep = self.keep(f"deep_{number}", kernel)
        at = self.node("Conv", at, deep, kernel_shape=[3, 3], group=len(kernel), pads=[1] * 4)
        return self.convolution(at, f"separable_conv2d_{number}/pointwise_kernel", norm=norm)

    def convolution(self, at: str, kernel: str, norm: int = 0, bias: str = "", **how: Any) -> str:
        """Adds a convolution with the normalisation of a number in it, or with a bias."""
        values = self.weights[kernel].transpose(3, 2, 0, 1)
        if norm:
            gamma, beta, mean, variance = (
                self.weights[f"batch_normalization_{norm}/{name}"]
                for name in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            scale = gamma / np.sqrt(variance + EPSILON)
            values, shift = values * scale[:, None, None, None], beta - mean * scale
        else:
            shift = self.weights[bias]
        given = at, self.keep(kernel, values), self.keep(f"{kernel}/shift", shift)
        return self.node("Conv", *given, kernel_shape=list(values.shape[2:]), **how)

    def keep(self, name: str, value: np.ndarray) -> str:
        """Adds numbers; their name."""
        from onnx import numpy_helper

        self.kept.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(self, kind: str, *given: str, **how: Any) -> str:
        """Adds an operation; the name of its output."""
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, given, [name], **how))
        return name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
