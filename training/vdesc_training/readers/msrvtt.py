"""MSR-VTT (Xu et al. 2016), and the CLIP features of its videos as the NYU video prefix keeps them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vdesc.errors import InputError
from vdesc.files import digest

from ..report import Report
from .captions import video
from .coco import held
from .entry import Encoded, Entry
from .lines import parsed
from .sources import Sources

HDF5 = {".h5", ".hdf5"}


def msrvtt(sources: Sources, report: Report) -> Iterator[Entry]:
    """`train_val_videodatainfo.json`, `test_videodatainfo.json`: `videos` with their splits, and `sentences`."""
    paths = sources.annotations("*videodatainfo.json", "MSRVTT*.json")
    for path in paths:
        if path.suffix.lower() in HDF5:
            continue
        data = held(path, "videos", "sentences")
        splits = dict(parsed(data["videos"], lambda row: (row["video_id"], str(row["split"])), report, path.name))

        def entry(row: dict[str, Any], splits: dict[str, str] = splits) -> Entry:
            return video(row["video_id"], str(row["caption"]), split=splits[row["video_id"]])

        yield from parsed(data["sentences"], entry, report, path.name)


def nyu(sources: Sources, report: Report) -> Iterator[Entry]:
    """MSR-VTT's JSON, with HDF5 files that hold `video{N}`: (28 frames, 512), CLIP ViT-B/32, projected."""
    paths = sources.named("*.h5", "*.hdf5")
    if not paths:
        raise InputError("there is no .hdf5 among the sources: give the file of features beside MSR-VTT's JSON")
    files = {path.name: digest(path) for path in paths}
    about = {"format": "nyu", "encoder": "ViT-B/32", "frames": 28, "normalised": False, "files": files}
    held_in = {name: path for path in paths for name in _names(path)}
    for entry in msrvtt(sources, report):
        if entry.id in held_in:
            path = held_in[entry.id]
            yield replace(entry, encoded=Encoded("nyu-ViT-B-32-28", about, partial(_tensor, path, entry.id)))
        else:
            report.reject("no features", entry.id)


def _names(path: Path) -> list[str]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return [name for name, data in file.items() if getattr(data, "ndim", 0) == 2]
    except OSError as error:
        raise InputError(f"{path} is no HDF5 or is damaged: get the whole file") from error


def _tensor(path: Path, name: str) -> Any:
    import h5py
    import torch

    with h5py.File(path, "r") as file:
        return torch.from_numpy(file[name][()]).unsqueeze(1)
