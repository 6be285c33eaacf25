"""The networks of rapidocr: which files they are, that they are there, and that they fit. Never a download by surprise.

RapidOCR fetches what it misses, files of its own package and lists of characters too; so it is told where each file is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vdesc import ModelError, SettingsError
from vdesc.errors import nearest
from vdesc.files import digest
from vdesc.hub import reachable
from vdesc.onnx import session

PLUGIN = "rapidocr"
NAMES = {
    "ar": "arabic", "be": "eslav", "bg": "cyrillic", "fa": "arabic", "hi": "devanagari", "ja": "japan", "ko": "korean",
    "mr": "devanagari", "ne": "devanagari", "ru": "eslav", "uk": "eslav", "ur": "arabic", "zh": "ch",
}  # fmt: skip
"""What RapidOCR calls the script of a language (BCP 47)."""
OLD = 32  # pixels: the height of lines in networks before PP-OCRv3, which do not always say it; later ones do


def parameters(options: Any, folder: Path, device: str) -> dict[str, Any]:
    """The parameters of `rapidocr.RapidOCR` for the options of the plugin.

    Args:
        folder: where fetched recognisers are kept.
        device: a torch device; `cuda` and `cuda:1` are used where this ONNX Runtime can.
    Raises:
        ModelError: a file is missing or wrong, or cannot be fetched.
        SettingsError: no network reads the language.
    """
    chosen = {"Global.log_level": "critical", "EngineConfig.onnxruntime.enable_cpu_mem_arena": True}
    for task in ("Det", "Cls", "Rec"):
        chosen |= _shipped(task)
    if options.language:
        chosen |= _language(options.language, folder)
    if options.detector:
        chosen["Det.model_path"] = str(_detector(Path(options.detector).expanduser()))
    if options.recognizer:
        characters = Path(options.characters).expanduser() if options.characters else None
        chosen |= _recognizer(Path(options.recognizer).expanduser(), characters)
    elif options.characters:
        raise SettingsError("rapidocr: characters belong to a recogniser of your own: name it with recognizer, or none")
    return chosen | _device(device)


def _shipped(task: str) -> dict[str, Any]:
    """The network for a task that lies in the package."""
    import rapidocr
    from rapidocr import ModelType, OCRVersion

    old = task == "Cls"
    release, size = (OCRVersion.PPOCRV4, ModelType.MOBILE) if old else (OCRVersion.PPOCRV6, ModelType.SMALL)
    path = Path(rapidocr.__file__).parent / "models" / Path(_model(task, "ch", release, size)["model_dir"]).name
    if not path.is_file():
        raise ModelError(f"{PLUGIN}: its package lacks the network {path.name}: install rapidocr again")
    return {f"{task}.ocr_version": release, f"{task}.model_type": size, f"{task}.model_path": str(path)}


def _language(language: str, folder: Path) -> dict[str, Any]:
    """The newest recogniser for a language: in the package, in `folder`, or fetched to there."""
    from rapidocr import ModelType, OCRVersion, RapidOCR

    name = language.strip().lower()
    name, known = NAMES.get(name, name), set(NAMES)
    for release, size in (
        (OCRVersion.PPOCRV6, ModelType.SMALL),
        (OCRVersion.PPOCRV5, ModelType.MOBILE),
        (OCRVersion.PPOCRV4, ModelType.MOBILE),
    ):
        read = RapidOCR.list_supported_langs("rec", release, size)
        if name in read and release is OCRVersion.PPOCRV6:
            return {}
        if name in read:
            path = _fetched(_model("Rec", name, release, size), folder, language)
            given = {"lang_type": _script(name), "ocr_version": release, "model_type": size, "model_path": str(path)}
            return {f"Rec.{key}": value for key, value in given.items()}
        known |= set(read)
    raise SettingsError(f"{PLUGIN}: no network reads the language '{language}' ({nearest(language, known)})")


def _script(name: str) -> Any:
    """A script as RapidOCR wants it named."""
    from rapidocr import LangRec

    return LangRec(name) if name in {script.value for script in LangRec} else name


def _model(task: str, language: str, release: Any, size: Any) -> Mapping[str, str]:
    """RapidOCR's entry for a network: `model_dir` is its address, `SHA256` its digest."""
    from rapidocr import EngineType
    from rapidocr.inference_engine.base import FileInfo, InferSession
    from rapidocr.utils.typings import TaskType

    return InferSession.get_model_url(FileInfo(EngineType.ONNXRUNTIME, release, TaskType(task.lower()), language, size))


def _fetched(model: Mapping[str, str], folder: Path, language: str) -> Path:
    """A network's file in `folder`; fetched where it is not there whole."""
    from rapidocr.utils.download_file import DownloadFile, DownloadFileException, DownloadFileInput
    from rapidocr.utils.log import logger

    address, expected = model["model_dir"], model["SHA256"]
    path = folder / Path(address).name
    if path.is_file() and digest(path) == expected:
        return path
    if not reachable(address):
        raise ModelError(
            f"{PLUGIN}: the recogniser for '{language}' is not on disk and cannot be fetched now: "
            f"put {address} into {folder}, or leave the language out"
        )
    try:
        DownloadFile.run(DownloadFileInput(address, path, logger, expected))
    except (DownloadFileException, OSError) as error:
        raise ModelError(f"{PLUGIN}: the download of {address} failed ({error}): run again") from error
    if digest(path) != expected:
        path.unlink()
        raise ModelError(f"{PLUGIN}: the download of {address} is not the expected file: run again")
    return path


def _detector(path: Path) -> Path:
    """The file of a text detector, which gives a map as large as its picture."""
    import numpy as np

    network = session(path, PLUGIN, "evidence")
    (given,) = _ran(network, np.zeros((1, 3, 64, 96), np.float32), path, "detector")
    if given.shape != (1, 1, 64, 96):
        raise ModelError(f"{PLUGIN}: {path} is no text detector of PP-OCR: give one whose name has det in it")
    return path


def _recognizer(path: Path, characters: Path | None) -> dict[str, Any]:
    """The file of a text recogniser, its characters, and the height of its lines."""
    import numpy as np

    network = session(path, PLUGIN, "evidence")
    shape = network.get_inputs()[0].shape
    height = shape[2] if len(shape) == 4 and isinstance(shape[2], int) else OLD
    (given,) = _ran(network, np.zeros((1, 3, height, 320), np.float32), path, "recogniser")
    inside = network.get_modelmeta().custom_metadata_map.get("character")
    if characters is None and inside is None:
        raise ModelError(f"{PLUGIN}: {path} holds no list of its characters: name a file of them with characters")
    listed = inside.splitlines() if inside else _lines(characters)
    known = len(listed) + 2  # and a space, and the blank between characters
    if given.ndim != 3 or given.shape[2] != known:
        told = given.shape[2] if given.ndim == 3 else "no"
        raise ModelError(f"{PLUGIN}: {path} tells {told} characters apart, its list has {known}: give the one it has")
    keys = {} if inside else {"Rec.rec_keys_path": str(characters)}
    return {"Rec.model_path": str(path), "Rec.rec_img_shape": [3, height, 320 * height // 48], **keys}


def _ran(network: Any, picture: Any, path: Path, what: str) -> list[Any]:
    """What a network gives for a picture. Raises `ModelError` where it takes none."""
    import onnxruntime

    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = 4  # the sentence says it
    try:
        return network.run(None, {network.get_inputs()[0].name: picture}, quiet)[:1]
    except Exception as error:  # its errors share no base
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{PLUGIN}: {path} is no text {what} of PP-OCR ({reason}): give another file") from error


def _lines(path: Path | None) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n") if path else []
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{PLUGIN}: the characters in {path} cannot be read ({error}): give a text file") from error


def _device(device: str) -> dict[str, Any]:
    """CUDA where it is asked for and this ONNX Runtime can use it."""
    import onnxruntime

    if not device.startswith("cuda") or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return {}
    engine = "EngineConfig.onnxruntime"
    return {f"{engine}.use_cuda": True, f"{engine}.cuda_ep_cfg.device_id": int(device.partition(":")[2] or 0)}
