"""What training needs beyond the base install."""

import importlib.util

from vdesc.errors import MissingExtra


def need_training() -> None:
    """Raises `MissingExtra` where a package that training uses is not installed."""
    for package in ("accelerate", "pycocoevalcap"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("training", package, "train")
