"""YAMNet: scores of 521 kinds of sound for overlapping patches of about a second. Knows samples; nothing of events.

Source: Plakal and Ellis, YAMNet, in the TensorFlow models repository, research/audioset/yamnet; it is a MobileNet v1.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from vdesc.audio import RATE
from vdesc.onnx import session

WEIGHTS = Path(__file__).with_name("yamnet.onnx")
HOP = 480
"""Milliseconds from one patch to the next."""
PATCH = 975
"""Milliseconds that a patch hears: 96 frames of 25 ms, 10 ms apart."""
BANDS = 64
_FRAMES, _FRAME, _STEP, _FFT = 96, RATE // 40, RATE // 100, 512
_LOWEST, _HIGHEST = 125.0, 7500.0  # Hz
_FLOOR = 0.001  # added before the logarithm


class Yamnet:
    """The network, one thread for each call of `scores`, many of which may run side by side.

    Raises `MissingExtra` where ONNX Runtime is not installed.
    """

    def __init__(self, plugin: str, extra: str, device: str = "cpu"):
        self._net = session(WEIGHTS, plugin, extra, device, threads=1)

    def scores(self, samples: np.ndarray) -> np.ndarray:
        """Float32 (patches, 521), 0..1: how surely each kind of sound is heard in each patch.

        Args:
            samples: float32 (n,), -1..1, mono at 16 kHz, at least one patch long; what is left over at the end of the
                last whole patch is not heard.
        """
        return self._net.run(None, {"patches": patches(log_mel(samples))})[0]


def count(length: int) -> int:
    """How many patches it takes to hear all of so many milliseconds, at least one; the last may hear what is behind."""
    return 1 + max(0, -(-(length - PATCH) // HOP))


def log_mel(samples: np.ndarray) -> np.ndarray:
    """The logarithm of the mel spectrogram, float32 (frames, 64): 25 ms every 10 ms, 125 to 7500 Hz."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_STEP]
    spectrum = np.abs(np.fft.rfft(frames * _window(), _FFT)).astype(np.float32)
    return np.log(spectrum @ mel_weights() + _FLOOR)


def patches(frames: np.ndarray) -> np.ndarray:
    """Patches of 96 frames every 48, float32 (patches, 96, 64), of frames (n, 64)."""
    windows = np.lib.stride_tricks.sliding_window_view(frames, _FRAMES, axis=0)[:: HOP // 10]
    return np.ascontiguousarray(windows.transpose(0, 2, 1))


@cache
def mel_weights() -> np.ndarray:
    """How much of each of 257 frequencies goes into each of 64 mel bands, float32 (257, 64).

    Triangles on the mel scale of HTK, 1127 ln(1 + f / 700), whose sides are straight on that scale, as
    `tf.signal.linear_to_mel_weight_matrix` has them.
    """
    mel = _mel(np.linspace(0, RATE / 2, _FFT // 2 + 1))[:, None]
    edges = np.linspace(_mel(_LOWEST), _mel(_HIGHEST), BANDS + 2)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    return np.minimum((mel - low) / (peak - low), (high - mel) / (high - peak)).clip(0).astype(np.float32)


@cache
def _window() -> np.ndarray:
    """The periodic Hann window of a frame; float64, in which NumPy's transform is five times as fast as in float32."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)


def _mel(hertz: float | np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(np.asarray(hertz) / 700)
