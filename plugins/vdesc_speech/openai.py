"""`whisper`: Whisper as OpenAI published it, through the library openai-whisper."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from vdesc import ModelError, SettingsError, Span
from vdesc.errors import nearest
from vdesc.files import digest
from vdesc.hub import reachable
from vdesc.transcript import Word

from .hearing import Heard
from .listener import Listener

if TYPE_CHECKING:
    import numpy as np


class Whisper(Listener):
    """Speech by OpenAI's own Whisper, for its checkpoints; slower than `fasterwhisper`.

    Silero finds who speaks when; only that is heard, and at temperature 0, so that the same sound gives the same words.
    """

    name = "whisper"
    extra = "asr"

    class Options(Listener.Options):
        """The model, how its numbers are kept, and how it listens."""

        beam: int = Field(
            1, ge=1, le=20, description="Beams of the search; 1 is fastest, as a batch is decoded at once."
        )
        compute: Literal["", "float16", "float32"] = Field(
            "", description="How numbers are kept; without, float32 on a CPU, which knows no other, float16 on a GPU."
        )

    def load(self, device: str) -> None:
        """Reads the model. Raises `ModelError` where it is missing or not safe, `SettingsError` for a wrong option."""
        import whisper

        device = device if device.startswith("cuda") else "cpu"  # its alignment heads are sparse, which mps cannot hold
        self._half = self.options.compute == "float16" or (not self.options.compute and device != "cpu")
        if self._half and device == "cpu":
            raise SettingsError("whisper cannot compute in 'float16' on a CPU: use float32")
        path = _file(self.options.model, whisper)
        self._model: Any = _read(path, device)
        if heads := whisper._ALIGNMENT_HEADS.get(self.options.model, whisper._ALIGNMENT_HEADS.get(path.stem)):
            _align(self._model, heads)
        super().load(device)

    def close(self) -> None:
        """Lets go of the model."""
        self._model = None
        super().close()

    def fingerprint(self) -> str:
        """The SHA-256 of a checkpoint; "" for a name, which the options hold."""
        path = Path(self.options.model).expanduser()
        return digest(path) if self.options.model and path.is_file() else ""

    def languages(self) -> Mapping[str, str]:
        """The names of the languages that the model knows, by code."""
        from whisper.tokenizer import LANGUAGES

        return (
            dict(islice(LANGUAGES.items(), self._model.num_languages))
            if self._model.is_multilingual
            else {"en": "english"}
        )

    def detect(self, samples: np.ndarray) -> Mapping[str, float]:
        """How likely each language is, by code."""
        return self._model.detect_language(self._features([samples]))[1][0]

    def hear(self, sounds: Sequence[np.ndarray], language: str) -> Sequence[Heard]:
        """What is said in each chunk: all are encoded as one batch, and decoded so too where the search is greedy."""
        from whisper import DecodingOptions
        from whisper.tokenizer import get_tokenizer

        beam = self.options.beam
        how = DecodingOptions(
            language=language, beam_size=beam if beam > 1 else None, without_timestamps=True, fp16=self._half
        )
        features = self._features(sounds)
        # the library repeats its input for the beams of one chunk, not for those of several
        results = self._model.decode(features, how) if beam == 1 else [self._model.decode(one, how) for one in features]
        tokenizer = get_tokenizer(
            self._model.is_multilingual, num_languages=self._model.num_languages, language=language, task="transcribe"
        )
        return [
            Heard(tuple(self._words(result, len(samples) // 160, tokenizer)), result.avg_logprob, result.no_speech_prob)
            for result, samples in zip(results, sounds, strict=True)
        ]

    def _features(self, sounds: Sequence[np.ndarray]) -> Any:
        """What the encoder makes of the chunks: (chunks, 1500, width)."""
        import torch
        from whisper import log_mel_spectrogram, pad_or_trim

        mels = [log_mel_spectrogram(pad_or_trim(samples), self._model.dims.n_mels) for samples in sounds]
        with torch.inference_mode():
            batch = torch.stack(mels).to(self._model.device)
            return self._model.encoder(batch.half() if self._half else batch)

    def _words(self, result: Any, frames: int, tokenizer: Any) -> Iterator[Word]:
        """The words of a result and their times, in milliseconds from the chunk's start."""
        from whisper.timing import add_word_timestamps

        segment = {"seek": 0, "start": 0.0, "end": frames / 100, "tokens": result.tokens, "words": []}
        add_word_timestamps(
            segments=[segment], model=_Decoder(self._model), tokenizer=tokenizer, mel=result.audio_features,
            num_frames=frames, last_speech_timestamp=0.0,
        )  # fmt: skip
        for word in segment["words"]:
            start = max(0, round(word["start"] * 1000))
            yield Word(word["word"], Span(start, max(start, round(word["end"] * 1000))), float(word["probability"]))


class _Decoder:
    """A Whisper that is given what its encoder made, so that aligning words does not encode again."""

    def __init__(self, model: Any):
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, features: Any, tokens: Any) -> Any:
        return self._model.decoder(tokens, features)


def _file(name: str, whisper: Any) -> Path:
    """The checkpoint of a model, fetched once where its name is known and a network answers. Raises `ModelError`."""
    if not name:
        raise ModelError("whisper needs a model: --set whisper.model=small fetches one, or give a checkpoint file")
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        if len(found := sorted(path.glob("*.pt"))) != 1:
            raise ModelError(
                f"whisper: {path} holds {len(found)} checkpoints (*.pt): name one of them"
                if found
                else f"whisper: {path} holds no checkpoint (*.pt)"
            )
        return found[0]
    known = whisper.available_models()
    if name not in known:
        raise ModelError(f"whisper: there is no model '{name}' ({nearest(name, known)}), and no such file")
    return _fetched(name, whisper._MODELS[name], whisper)


def _fetched(name: str, address: str, whisper: Any) -> Path:
    """The file of a published model, where the library keeps it."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"
    path = home / address.rpartition("/")[2]
    if not path.is_file():
        if not reachable(address):
            raise ModelError(
                f"whisper: the model '{name}' is not on disk and its server cannot be reached: "
                "download it where there is a network, then give its file"
            )
        try:
            whisper._download(address, str(home), False)
        except (OSError, RuntimeError) as error:
            path.unlink(missing_ok=True)
            raise ModelError(f"whisper: the download of '{name}' broke off ({error}): run again") from error
    return path


def _read(path: Path, device: str) -> Any:
    """The model in a checkpoint, of which only tensors and numbers are read. Raises `ModelError`."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        model = Whisper(ModelDimensions(**kept["dims"]))
        model.load_state_dict(kept["model_state_dict"])
    except Exception as error:  # torch raises errors of many sorts over a damaged file
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"whisper: {path} is no checkpoint of OpenAI's Whisper with dims and model_state_dict: {reason}"
        ) from error
    return model.to(device).eval()


def _align(model: Any, heads: bytes) -> None:
    """Has words timed by the heads that are known to follow the sound; those of a model of another size do not fit."""
    with suppress(RuntimeError, ValueError):
        model.set_alignment_heads(heads)
