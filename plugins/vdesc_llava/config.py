"""What a llava model is made of: the one record that training writes and inference reads. Imports no torch."""

from __future__ import annotations

import inspect
from typing import Any

from transformers import AutoConfig, PretrainedConfig
from vdesc import ModelError
from vdesc.errors import nearest

PROJECTORS = ("linear", "mlp2x", "perceiver", "c_abstractor")
INITS = ("scaled", "plain")
VIDEO = "<video>"
PLAIN = "<video>\n{instruction}\n"


class LlavaConfig(PretrainedConfig):
    """The settings of a `LlavaModel`.

    Args:
        tower, llm: the bases: hub ids or folders, also folders inside the model's own; "" where they have no home.
        tower_config, llm_config: the bases' own transformers configs, as dicts with their `model_type`.
        projector: how features become visual tokens, one of `PROJECTORS`.
        layer: which of the tower's hidden states is read; -1 is the last, before any norm that follows it.
        cls: whether the tower's CLS token is read beside the patches.
        queries: visual tokens of a clip, for `perceiver` and `c_abstractor`.
        depth: layers of `perceiver`.
        heads: attention heads of `perceiver` and `c_abstractor`.
        dropout: of their attention and feed-forward layers, in training.
        init: how projectors start: `scaled` as `projectors.rescale` does it, `plain` as torch's layers do.
        normalize: whether features have mean 0 and variance 1 over their width before the projector reads them.
        frames: frames of a clip; at most so many are read.
        frame_positions, time_positions: whether the projector is told the number of a frame, and its time in seconds.
        pool: side of the squares of patches that are averaged into one.
        pool_time: how many frames, one after another, are averaged into one.
        image: preprocessing: `size` in pixels, `resize` (`crop` or `squash`), `mean`, `std` (0..1 scale), perhaps
            `edge` and `filter` (`pixels.fit`). What is not given is the tower's own; `checkpoint.new` fills it in.
        template: `chat` is the tokenizer's chat template (`plain` where it has none); `plain` is `PLAIN`; or a text of
            one's own with `<video>` and `{instruction}` in it, in this order.
        video_id: the number that stands for the visual tokens in `input_ids`; no tokenizer's own, so that no text can
            become it.
        style, language: how it was taught to speak, and the language as a BCP 47 tag.
        lora: `r`, `alpha`, `dropout`, `targets` (names of layers; unset: all linear ones) of the LLM's adapter; None
            for no adapter.
        max_tokens: the longest caption in tokens, its end token included.
    Raises:
        ModelError: a key is unknown, or a value is none of those it can have.
    """

    model_type = "vdesc-llava"

    def __init__(
        self,
        tower: str = "",
        llm: str = "",
        tower_config: dict[str, Any] | None = None,
        llm_config: dict[str, Any] | None = None,
        projector: str = "mlp2x",
        layer: int = -2,
        cls: bool = False,
        queries: int = 64,
        depth: int = 2,
        heads: int = 8,
        dropout: float = 0.1,
        init: str = "scaled",
        normalize: bool = True,
        frames: int = 8,
        frame_positions: bool = True,
        time_positions: bool = True,
        pool: int = 1,
        pool_time: int = 1,
        image: dict[str, Any] | None = None,
        template: str = "chat",
        video_id: int = -200,
        style: str = "basic",
        language: str = "en",
        lora: dict[str, Any] | None = None,
        max_tokens: int = 128,
        **kwargs: Any,
    ):
        known = inspect.signature(LlavaConfig.__init__).parameters.keys() - {"self", "kwargs"}
        _check(kwargs, known)
        self.tower, self.llm = tower, llm
        self.tower_config, self.llm_config = tower_config or {}, llm_config or {}
        self.projector, self.layer, self.cls = projector, layer, cls
        self.queries, self.depth, self.heads, self.dropout = queries, depth, heads, dropout
        self.init, self.normalize = init, normalize
        self.frames, self.frame_positions, self.time_positions = frames, frame_positions, time_positions
        self.pool, self.pool_time = pool, pool_time
        self.image = image or {}
        self.template, self.video_id = template, video_id
        self.style, self.language, self.lora, self.max_tokens = style, language, lora, max_tokens
        _choice("projector", projector, PROJECTORS)
        _choice("init", init, INITS)
        super().__init__(**kwargs)

    @property
    def width(self) -> int:
        """Width of the tower's features."""
        return width(self._base("tower"))

    @property
    def hidden(self) -> int:
        """Width of the LLM's word vectors."""
        return width(self._base("llm"))

    def _base(self, part: str) -> PretrainedConfig:
        if not (values := getattr(self, f"{part}_config")):
            raise ModelError(f"llava: the config does not say what the {part} is: give {part} or {part}_config")
        return base_config(values)

    @property
    def resamples(self) -> bool:
        """Whether a clip becomes `queries` tokens, however many features it has."""
        return self.projector in ("perceiver", "c_abstractor")


def base_config(values: dict[str, Any]) -> PretrainedConfig:
    """The config object of a base, of its own transformers class. Raises `ModelError`."""
    values = dict(values)
    kind = values.pop("model_type", None)
    try:
        return AutoConfig.for_model(kind, **values)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"llava: transformers knows no model of type '{kind}': update it, or name another") from error


def width(config: PretrainedConfig) -> int:
    """The width of a base: of a tower's features, of an LLM's word vectors."""
    return config.get_text_config().hidden_size


def _choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ModelError(f"llava: unknown {key} '{value}' in the config ({nearest(str(value), choices)})")


def _check(extra: dict[str, Any], known: set[str]) -> None:
    """Raises `ModelError` for a key that neither we nor transformers know."""
    theirs = PretrainedConfig().to_dict().keys() | {"_name_or_path", "architectures", "dtype", "name_or_path"}
    for key in extra:
        if key not in theirs and not key.startswith("_"):
            raise ModelError(f"llava: unknown key '{key}' in the config ({nearest(key, known)})")
