"""llava: captions from a vision tower, a projector and a large language model with LoRA."""

from vdesc import Captioner, Converter, Trainer, hookimpl


@hookimpl
def captioners() -> list[type[Captioner]]:
    """The captioner `llava`."""
    from .plugin import Llava

    return [Llava]


@hookimpl
def converters() -> list[type[Converter]]:
    """The converter `llava`."""
    from .converter import LlavaConverter

    return [LlavaConverter]


@hookimpl
def trainers() -> list[type[Trainer]]:
    """The trainer `llava`."""
    from .training import LlavaTrainer

    return [LlavaTrainer]
