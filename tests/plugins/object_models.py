"""Small ONNX files written by hand, and keyframes with pictures on disk."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from vdesc import Keyframe, Picture, Shot, Span, Video
from vdesc_objects.yolox import SHIPPED

NANO = SHIPPED / "yolox_nano.onnx"


def constant(
    path: Path, rows: np.ndarray, taken: Sequence[int | str] = (1, 3, 32, 64), metadata: dict[str, str] | None = None
) -> Path:
    """A network that gives `rows` whatever it is shown: float32, an input of shape `taken` (names are free axes).

    The wire format is that of onnx.proto: ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto.
    """
    rows = np.asarray(rows, np.float32)
    weights = b"".join([*(_number(1, side) for side in rows.shape), _number(2, 1), _text(8, "rows")])
    graph = [
        _field(1, _text(1, "rows") + _text(2, "output") + _text(4, "Identity")), _text(2, "graph"),
        _field(5, weights + _field(9, rows.tobytes())), _field(11, _value("images", taken)),
        _field(12, _value("output", rows.shape)),
    ]  # fmt: skip
    told = [_field(14, _text(1, key) + _text(2, value)) for key, value in (metadata or {}).items()]
    model = [_number(1, 7), _field(7, b"".join(graph)), _field(8, _text(1, "") + _number(2, 13)), *told]
    path.write_bytes(b"".join(model))
    return path


def freed(path: Path) -> Path:
    """The network that ships, its batch axis freed: axes of 1 before others lose their length, reshapes keep theirs."""
    data = NANO.read_bytes()
    reshape = np.array([1, 85, -1], np.int64).tobytes()
    assert data.count(reshape) == 3
    data = data.replace(reshape, np.array([0, 85, -1], np.int64).tobytes())
    path.write_bytes(data.replace(b"\x0a\x02\x08\x01\x0a", b"\x0a\x02\x12\x00\x0a"))
    return path


def shown(pictures: Sequence[np.ndarray | Path], folder: Path, shots: Sequence[int] = ()) -> tuple[Keyframe, ...]:
    """A keyframe a second, its picture a PNG or the file that is given, each in the shot whose number is given."""
    spans = {shot: [i for i, other in enumerate(shots) if other == shot] for shot in shots}
    keyframes = []
    for i, picture in enumerate(pictures):
        path = picture if isinstance(picture, Path) else folder / f"{i}.png"
        if not isinstance(picture, Path):
            Image.fromarray(picture).save(path)
        shot = Shot(i, Span(i * 1000, (i + 1) * 1000))
        if shots:
            mine = spans[shots[i]]
            shot = Shot(shots[i], Span(mine[0] * 1000, (mine[-1] + 1) * 1000))
        keyframes.append(Keyframe(i, i * 1000 + 500, shot, Picture(path)))
    return tuple(keyframes)


def film(keyframes: Sequence[Keyframe]) -> Video:
    """The video that the keyframes are of."""
    return replace(Video(Path("film.mp4"), "0" * 64, Span(0, 0), None, 64, 32), span=Span(0, len(keyframes) * 1000))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _number(tag: int, number: int) -> bytes:
    return _varint(tag << 3) + _varint(number)


def _field(tag: int, data: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(data)) + data


def _text(tag: int, text: str) -> bytes:
    return _field(tag, text.encode())


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    axes = b"".join(_field(1, _text(2, side) if isinstance(side, str) else _number(1, side)) for side in shape)
    return _text(1, name) + _field(2, _field(1, _number(1, 1) + _field(2, axes)))
