"""The catalogue: public checkpoints by name. The first use fetches, checks and converts one; later ones read a folder.

Where they are, and what their files do not say of themselves; nothing heavy is imported before one is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vdesc import ModelError
from vdesc.cache import default_root
from vdesc.hub import model_folder, reachable

DRIVE = "https://drive.usercontent.google.com/download"
VIT, RESNET = "openai/clip-vit-base-patch32", "timm/resnet50x4_clip.openai"


@dataclass(frozen=True, slots=True)
class Public:
    """A public checkpoint.

    Args:
        sources: where its file is, the best first: `owner/name/file` on the model hub, or `drive:ID` on Google Drive.
        size: of the file, in bytes, to a twentieth: a file of another size is not fetched.
        format: what it must be found to be.
        facts: what it does not say; see `foreign.facts.Facts`.
    """

    sources: tuple[str, ...]
    size: int
    format: str
    facts: dict[str, Any]


PUBLIC = {
    "clipcap-coco": Public(
        ("akhaliq/CLIP-prefix-captioning-COCO-weights/coco_weights.pt", "drive:1IdaBtMSvtyzF0ByVaBHtvM0JYSXRExRX"),
        636_200_000, "ClipCap mlp", {"encoder": VIT, "normalize": False},
    ),
    "clipcap-conceptual": Public(
        ("akhaliq/CLIP-prefix-captioning-conceptual-weights/conceptual_weights.pt",
         "drive:14pXWwB4Zm82rsDdvbGguLfx9F8aM7ovT"),
        636_200_000, "ClipCap mlp", {"encoder": VIT, "normalize": False},
    ),
    "clipcap-coco-transformer": Public(
        ("drive:1GYPToCqFREwi285wPLhuVExlz7DDUDfJ",),
        740_400_000, "ClipCap transformer", {"encoder": RESNET, "normalize": True},
    ),
    # The drive's two files were exchanged more than once: the size of each tells which it is.
    "clip-gpt-s": Public(
        ("drive:1pSQruQyg8KJq6VmzhMLFbT_VaHJMdlWF", "drive:1Gh32arzhW06C1ZJyzcJSSfdJDi3RgWoG"),
        1_040_000_000, "clip-gpt-captioning S", {},
    ),
    "clip-gpt-l": Public(
        ("drive:1Gh32arzhW06C1ZJyzcJSSfdJDi3RgWoG", "drive:1pSQruQyg8KJq6VmzhMLFbT_VaHJMdlWF"),
        2_926_000_000, "clip-gpt-captioning L", {},
    ),
}  # fmt: skip


def public_folder(name: str) -> Path:
    """The model folder of a public checkpoint, fetched and converted where it is not there yet.

    Raises:
        ModelError: there is no network, or no source has the file: at once, in one sentence.
        OutputError: there is no room for it.
    """
    folder = default_root() / "models" / name
    if not (folder / "config.json").is_file():
        from filelock import FileLock

        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # two runs at once fetch it once
            if not (folder / "config.json").is_file():
                _make(name, folder)
    return folder


def _make(name: str, folder: Path) -> None:
    """Tries the sources of a checkpoint in turn, until its folder is there."""
    from .download import download
    from .foreign import GPT2, WORDS, load, save
    from .foreign.encoder import encoder_folder
    from .foreign.facts import Facts

    public, reasons = PUBLIC[name], list[str]()
    if not any(map(reachable, {_address(source) for source in public.sources})):
        raise ModelError(
            f"clipgpt: the model '{name}' is not on disk and its place cannot be reached: run this where there is a "
            f"network, or fetch {_page(public.sources[-1])} there and give the file to vdesc convert"
        )
    model_folder(GPT2, "clipgpt", WORDS)  # the small parts first: they may be missing too
    if encoder := public.facts.get("encoder"):
        encoder_folder(encoder)
    for source in public.sources:
        file = folder.with_suffix(".pt")
        try:
            download(_address(source), file, public.size)
            model, tokenizer, found = load(file, Facts(**public.facts))
            if found.format != public.format:
                raise ModelError(f"clipgpt: {_page(source)} holds {found.format}, not {public.format}")
            return save(model, tokenizer, folder)
        except ModelError as error:
            reasons.append(str(error).removeprefix("clipgpt: "))
        finally:
            file.unlink(missing_ok=True)
    raise ModelError(f"clipgpt: the model '{name}' cannot be had: {'; '.join(reasons)}")


def _address(source: str) -> str:
    """Where the bytes of a source are."""
    if source.startswith("drive:"):
        return f"{DRIVE}?id={source.removeprefix('drive:')}&export=download&confirm=t"
    from huggingface_hub import hf_hub_url

    repo, _, file = source.rpartition("/")
    return hf_hub_url(repo, file)


def _page(source: str) -> str:
    """Where a person finds a source."""
    if source.startswith("drive:"):
        return f"https://drive.google.com/file/d/{source.removeprefix('drive:')}/view"
    return _address(source)
