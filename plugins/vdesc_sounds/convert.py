"""How `yamnet.onnx` was made of the TensorFlow Lite file that its authors publish.

    python -m vdesc_sounds.convert yamnet.tflite yamnet.onnx

Takes the weights as they are there, most of them 8-bit numbers with a scale for each channel, and builds the network
around them anew: from patches of the log-mel spectrogram on (see `yamnet.py` for what comes before), for batches of any
size. Needs the packages ai-edge-litert and onnx; nothing that runs needs this.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""Of the fourteen layers: MobileNet v1."""
SIZE = (96, 64)
"""Frames and mel bands of a patch."""


def main(source: Path, out: Path) -> None:
    """Writes the network in `source` to `out` as ONNX."""
    import onnx

    graph = Graph(tensors(source))
    last = graph.network()
    shapes = [("patches", ["n", *SIZE]), (last, ["n", 521])]
    given, told = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes)
    made = onnx.helper.make_graph(graph.nodes, "yamnet", [given], [told], graph.kept)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, out)


def tensors(source: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The weights of a TensorFlow Lite file and their scales (empty for plain numbers), by short names."""
    from ai_edge_litert.interpreter import Interpreter

    reader = Interpreter(str(source))
    reader.allocate_tensors()
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for about in reader.get_tensor_details():
        layer, *parts = about["name"].split(";")[0].removeprefix("yamnet_frames/").split("/")
        try:
            value = reader.get_tensor(about["index"])
        except ValueError:  # only what is no weight has no value before the network has run
            continue
        if layer.startswith(("layer", "dense")):
            kind = "bias" if value.ndim == 1 else "weights"
            name = f"{layer}/{kind}" if layer == "dense" else f"{layer}/{parts[0]}/{kind}"
            found.setdefault(
                name, (value, about["quantization_parameters"]["scales"])
            )  # later ones are copies, still empty
    return found


class Graph:
    """The network as ONNX nodes in the making, and the numbers it keeps."""

    def __init__(self, weights: dict[str, tuple[np.ndarray, np.ndarray]]):
        self.weights = weights
        self.nodes: list[Any] = []
        self.kept: list[Any] = []

    def network(self) -> str:
        """Adds all layers; the name of the last one's output, the scores."""
        at = self.node("Unsqueeze", "patches", self.keep("axis", np.array([1])))
        size: tuple[int, ...] = SIZE
        for number, stride in enumerate(STRIDES, 1):
            pads, smaller = padding(size, stride)
            if number == 1:
                at = self.convolution(at, "layer1/conv", stride=stride, pads=pads)
            else:
                at = self.convolution(at, f"layer{number}/depthwise_conv", stride=stride, pads=pads, deep=True)
                at = self.convolution(at, f"layer{number}/pointwise_conv")
            size = smaller
        flat = self.node("Flatten", self.node("GlobalAveragePool", at))
        weights = self.numbers("dense/weights", lambda array: array)
        logits = self.node("Gemm", flat, weights, self.keep("dense/bias", self.weights["dense/bias"][0]), transB=1)
        return self.node("Sigmoid", logits)

    def convolution(self, at: str, name: str, stride: int = 1, pads: Any = (0, 0, 0, 0), deep: bool = False) -> str:
        """Adds a convolution with its bias and ReLU."""
        order = (3, 0, 1, 2) if deep else (0, 3, 1, 2)
        weights = self.numbers(f"{name}/weights", lambda array: array.transpose(order))
        bias = self.keep(f"{name}/bias", self.weights[f"{name}/bias"][0])
        channels = len(self.weights[f"{name}/bias"][0])
        window = {"strides": [stride] * 2, "pads": list(pads), "group": channels if deep else 1}
        return self.node("Relu", self.node("Conv", at, weights, bias, **window))

    def numbers(self, name: str, turned: Any) -> str:
        """Keeps weights as they are, and adds what makes plain numbers of them, which is done once, at start."""
        value, scales = self.weights[name]
        kept = self.keep(name, np.ascontiguousarray(turned(value)))
        if value.dtype != np.int8:
            return kept
        wide = scales.reshape(-1, *[1] * (value.ndim - 1)).astype(np.float32)
        return self.node("Mul", self.node("Cast", kept, to=1), self.keep(f"{name}/scale", wide))

    def keep(self, name: str, value: np.ndarray) -> str:
        """Adds numbers; their name."""
        from onnx import numpy_helper

        self.kept.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *given: str, **how: Any) -> str:
        """Adds an operation; the name of its output."""
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}" if kind != "Sigmoid" else "scores"
        self.nodes.append(helper.make_node(kind, given, [name], **how))
        return name


def padding(size: tuple[int, ...], stride: int) -> tuple[list[int], tuple[int, ...]]:
    """TensorFlow's SAME padding of a 3 x 3 window as ONNX's pads, what is over behind; and the size that results."""
    smaller = tuple(-(-length // stride) for length in size)
    total = [max(0, (after - 1) * stride + 3 - before) for before, after in zip(size, smaller, strict=True)]
    return [pad // 2 for pad in total] + [pad - pad // 2 for pad in total], smaller


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
