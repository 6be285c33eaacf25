"""`fasterwhisper`: Whisper as CTranslate2 runs it, through the library faster-whisper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from vdesc import ModelError, SettingsError, Span
from vdesc.errors import nearest
from vdesc.files import digest
from vdesc.hub import model_folder
from vdesc.transcript import Word

from .hearing import Heard
from .listener import Listener
from .voice import LONGEST

if TYPE_CHECKING:
    import numpy as np

_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
_MS = 16  # samples in a millisecond
_FRAME = 10  # milliseconds that Whisper's features are apart; segments tell their place in them


class FasterWhisper(Listener):
    """Speech by Whisper on CTranslate2, several times as fast as the original: the one to take.

    Silero finds who speaks when; only that is heard, in batches, and at temperature 0, so that the same sound gives the
    same words.
    """

    name = "fasterwhisper"
    extra = "evidence"

    class Options(Listener.Options):
        """The model, how its numbers are kept, and how it listens."""

        compute: str = Field(
            "", description="How numbers are kept, as in int8 or float16; without, int8 on a CPU, float16 on a GPU."
        )

    def load(self, device: str) -> None:
        """Reads the model. Raises `ModelError` where it is not there, `SettingsError` for a wrong option."""
        import faster_whisper

        kind, _, index = device.partition(":")
        kind = kind if kind == "cuda" else "cpu"  # CTranslate2 knows no other
        place = dict(device=kind, device_index=int(index or 0), compute_type=_compute(self.options.compute, kind))
        folder = _folder(self.options.model)
        try:
            self._model: Any = faster_whisper.WhisperModel(str(folder), **place)
        except Exception as error:  # the library's errors share no base
            reason = str(error).partition("\n")[0]
            raise ModelError(f"{self.name}: {folder} is no Whisper model of CTranslate2: {reason}") from error
        super().load(device)

    def close(self) -> None:
        """Lets go of the model."""
        self._model = None
        super().close()

    def fingerprint(self) -> str:
        """The SHA-256 of a model folder's weights; "" for a name, which the options hold."""
        weights = Path(self.options.model).expanduser() / "model.bin"
        return digest(weights) if self.options.model and weights.is_file() else ""

    def languages(self) -> Mapping[str, str]:
        """The codes of the languages that the model knows; the library has no names for them."""
        return {code: code for code in self._model.supported_languages}

    def detect(self, samples: np.ndarray) -> Mapping[str, float]:
        """How likely each language is, by code."""
        return dict(self._model.detect_language(audio=samples)[2])

    def hear(self, sounds: Sequence[np.ndarray], language: str) -> Sequence[Heard]:
        """What is said in each chunk: all are encoded and decoded as one batch."""
        import numpy as np
        from faster_whisper import BatchedInferencePipeline

        row = np.zeros((len(sounds), LONGEST * _MS), np.float32)  # each begins at a whole frame
        for place, samples in zip(row, sounds, strict=True):
            place[: len(samples)] = samples
        clips = [
            {"start": i * LONGEST / 1000, "end": i * LONGEST / 1000 + len(samples) / _MS / 1000}
            for i, samples in enumerate(sounds)
        ]
        segments, _ = BatchedInferencePipeline(self._model).transcribe(
            row.reshape(-1), language=language, beam_size=self.options.beam, batch_size=len(sounds), temperature=0.0,
            clip_timestamps=clips, vad_filter=False, without_timestamps=True, word_timestamps=True,
        )  # fmt: skip
        heard = [Heard(())] * len(sounds)
        for segment in segments:
            index = segment.seek * _FRAME // LONGEST
            words = tuple(_word(word, index * LONGEST) for word in segment.words or ())
            heard[index] = Heard((*heard[index].words, *words), segment.avg_logprob, segment.no_speech_prob)
        return heard


def _word(word: Any, begin: int) -> Word:
    """The library's word, in milliseconds from its chunk's start."""
    start = max(0, round(word.start * 1000) - begin)
    return Word(word.word, Span(start, max(start, round(word.end * 1000) - begin)), float(word.probability))


def _compute(wanted: str, kind: str) -> str:
    from ctranslate2 import get_supported_compute_types

    known = {"auto", "default", *get_supported_compute_types(kind)}
    wanted = wanted or ("float16" if kind == "cuda" else "int8")
    if wanted not in known:
        raise SettingsError(f"fasterwhisper cannot compute in '{wanted}' on this {kind} ({nearest(wanted, known)})")
    return wanted


def _folder(name: str) -> Path:
    """The folder of a model, fetched once where its name is known and a network answers. Raises `ModelError`."""
    from faster_whisper import available_models, utils

    if not name:
        raise ModelError("fasterwhisper needs a model: --set fasterwhisper.model=small fetches one, or give its folder")
    known = available_models()
    if name in known and not Path(name).is_dir():
        return model_folder(utils._MODELS[name], "fasterwhisper", _FILES)
    if "/" not in name and not Path(name).expanduser().is_dir():
        raise ModelError(f"fasterwhisper: there is no model '{name}' ({nearest(name, known)}), and no such folder")
    return _complete(model_folder(name, "fasterwhisper", _FILES))


def _complete(folder: Path) -> Path:
    """The folder, where it holds what is needed; the library would look for a missing tokenizer in the network."""
    for needed in ("model.bin", "tokenizer.json"):
        if not (folder / needed).is_file():
            foreign = any(folder.glob("*.safetensors")) or (folder / "pytorch_model.bin").is_file()
            hint = "convert it with ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json"
            raise ModelError(
                f"fasterwhisper: {folder} holds no {needed}: "
                + (hint if foreign else "give a folder with a Whisper model of CTranslate2")
            )
    return folder
