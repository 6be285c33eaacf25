"""Models by name: a folder, or a hub id that is on disk or can be fetched now. Never a minute of retries."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from .errors import ModelError

PATIENCE = 3.0  # seconds to wait for the hub's first answer
NEEDED = ["*.json", "*.txt", "*.model", "*.safetensors", "*.bin", "*.pt"]


def model_folder(name: str, plugin: str, needed: Sequence[str] = NEEDED) -> Path:
    """The folder that holds a model's files.

    Args:
        name: a folder, or a hub id `owner/name` (optionally `@revision`), downloaded once with progress.
        plugin: who asks; its name stands in the error.
        needed: patterns of the files that are downloaded.
    Raises:
        ModelError: there is no such folder or id, or it cannot be fetched: at once, in one sentence.
    """
    if name and (folder := Path(name).expanduser()).is_dir():
        return folder
    repo, _, revision = name.partition("@")
    if repo.count("/") != 1 or repo.startswith((".", "/", "~")):
        raise ModelError(
            f"{plugin}: there is no model '{name}': give a folder that exists, or a hub id such as owner/name"
        )
    return _on_disk(repo, revision or None, needed) or _download(repo, revision or None, plugin, needed)


def _on_disk(repo: str, revision: str | None, needed: Sequence[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, local_files_only=True, allow_patterns=[*needed]))
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None


def _download(repo: str, revision: str | None, plugin: str, needed: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    if not reachable():
        raise ModelError(
            f"{plugin}: the model '{repo}' is not on disk and the model hub cannot be reached: "
            "download it where there is a network, then give its folder"
        )
    (enable_progress_bars if sys.stderr.isatty() else disable_progress_bars)()
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=[*needed]))
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise ModelError(
            f"{plugin}: the hub has no model '{repo}' for you (answer {status}): check its name"
        ) from error
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{plugin}: the download of '{repo}' broke off ({reason}): run again to go on") from error


def reachable(address: str = "") -> bool:
    """Whether an address, by default the hub's, answers within `PATIENCE`; False at once where offline is asked for."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True  # only the proxy knows
    from huggingface_hub import constants

    place = urlsplit(address or constants.ENDPOINT)
    try:
        with socket.create_connection((place.hostname or "", place.port or 443), PATIENCE):
            return True
    except OSError:
        return False
