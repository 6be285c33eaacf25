"""Pickles of others, read without running what is in them.

A pickle is a program: plain unpickling calls any function that it names. Here only the few makers of arrays and
tensors can be named; each is either a C type that cannot be changed or a function of this file.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vdesc.errors import InputError


def unpickle(path: Path) -> Any:
    """What a pickle holds: lists, tuples, dicts, strings, numbers, numpy arrays and torch tensors (on the CPU).

    Raises:
        InputError: it holds anything else (nothing of it is then run), or is damaged, or no pickle.
    """
    try:
        with path.open("rb") as file:
            return _Restricted(file).load()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    except Exception as error:  # a damaged pickle fails in any way it likes
        raise InputError(f"{path} is no pickle or is damaged ({type(error).__name__}): get the whole file") from error


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The maker of that name; a file that names any other is refused."""
        makers = _makers()
        place = module.replace("numpy.core", "numpy._core")  # its name before numpy 2
        if (place, name) not in makers:
            raise InputError(
                f"asks for {module}.{name}: of a pickle only arrays, tensors, lists, dicts, text and numbers are read"
            )
        return makers[place, name]


def _makers() -> dict[tuple[str, str], Callable[..., Any]]:
    import numpy as np

    return {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _dtype,
        ("numpy._core.multiarray", "_reconstruct"): _array,
        ("numpy._core.multiarray", "scalar"): _scalar,
        ("numpy._core.numeric", "_frombuffer"): _from_buffer,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch.storage", "_load_from_bytes"): _storage,
        ("collections", "OrderedDict"): OrderedDict,
        ("_codecs", "encode"): _bytes,
    }


def _dtype(name: str, *_: Any) -> Any:
    import numpy as np

    kind = np.dtype(name, False, True)  # a copy: its state comes from the file
    if kind.hasobject:
        raise InputError("holds arrays of objects: of a pickle only arrays of numbers and text are read")
    return kind


def _array(*_: Any) -> Any:
    import numpy as np

    return np.empty(0, "b")  # its state, with shape and values, follows in the file


def _scalar(kind: Any, data: bytes) -> Any:
    import numpy as np

    return np.frombuffer(data, kind, 1)[0]


def _from_buffer(data: Any, kind: Any, shape: tuple[int, ...], order: str, *_: Any) -> Any:
    import numpy as np

    return np.frombuffer(data, kind).reshape(shape, order=order)  # type: ignore[call-overload]


def _storage(data: bytes) -> Any:
    import torch

    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Any:
    import torch

    return torch._utils._rebuild_tensor(storage, offset, size, stride)


def _bytes(text: str, _: str) -> bytes:
    return text.encode("latin1")  # how protocol 2 writes bytes
