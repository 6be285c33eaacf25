"""videodescription: the JSON files of the program VideoDescription, into a description and back."""

from vdesc.hookspecs import hookimpl

from .converter import VideoDescription


@hookimpl
def converters() -> list[type[VideoDescription]]:
    """The converter of VideoDescription's files."""
    return [VideoDescription]
