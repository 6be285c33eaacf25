"""Packs a trained model for shipping: half-precision weights, and only the files that inference reads.

python -m vdesc_clipgpt.training.pack RUN/best plugins/vdesc_clipgpt/mini
"""

import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

KEPT = ("config.json", "tokenizer.json", "tokenizer_config.json", "recipe.yaml")


def pack(model: Path, out: Path) -> int:
    """Bytes written to `out`: the model's weights as float16 beside its config, tokenizer and recipe."""
    out.mkdir(parents=True, exist_ok=True)
    state = load_file(model / "model.safetensors")
    weights = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    for name in KEPT:
        shutil.copy(model / name, out / name)
    return sum(path.stat().st_size for path in out.iterdir())


if __name__ == "__main__":
    print(pack(Path(sys.argv[1]), Path(sys.argv[2])), "bytes")
