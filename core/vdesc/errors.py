"""What can go wrong, as one tree; each message is one sentence that names the file or plugin and the next step.

    VdescError
    |- InputError       a file that the person gave cannot be used
    |  `- MediaError    it is no video, or nothing in it can be decoded
    |- OutputError      a result cannot be written
    |- SettingsError    a flag, a key or a value is wrong
    |- PluginError      a plugin is unknown, broken, or failed at its work
    |  `- MissingExtra  it needs a package that is not installed
    `- ModelError       a model or checkpoint is missing, of another shape, or not safe to load

Only these reach the command line as a sentence; anything else is a fault of the program and shows its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class VdescError(Exception):
    """Base of everything that vdesc raises on purpose; its text is meant for the person."""


class InputError(VdescError):
    """A file that the person gave cannot be used."""


class MediaError(InputError):
    """A file is no video or photo, or nothing in it can be decoded."""


class OutputError(VdescError):
    """A result cannot be written."""


class SettingsError(VdescError):
    """A flag, a key or a value is wrong."""


class PluginError(VdescError):
    """A plugin is unknown, broken, or failed at its work."""


class MissingExtra(PluginError):
    """A plugin needs a package that is not installed; `notice` is what to know before it is."""

    def __init__(self, plugin: str, package: str, extra: str, notice: str = ""):
        aside = f" ({notice})" if notice else ""
        super().__init__(f"{plugin} needs the package {package}: pip install 'vdesc[{extra}]'{aside}")
        self.plugin, self.package, self.extra = plugin, package, extra


class ModelError(VdescError):
    """A model or checkpoint is missing, of another shape, or not safe to load."""


def nearest(wrong: str, known: Iterable[str]) -> str:
    """A closing half-sentence for an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    close = get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known) or 'none'}"
