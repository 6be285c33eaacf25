"""What a clipgpt model is made of: the one record that training writes and inference reads."""

from typing import Any

from transformers import AutoConfig, GPT2Config, PretrainedConfig

MAPPERS = ("mlp", "transformer", "encoder", "concat", "cross", "framewise", "grid")
READS = ("pooled", "projected", "grid")


class ClipGPTConfig(PretrainedConfig):
    """The settings of a `ClipGPTModel`.

    Args:
        encoder: the vision backbone's own transformers config, as a dict with its `model_type`.
        decoder: a GPT-2 config, as a dict.
        reads: what is taken from the encoder: `pooled` (post-norm CLS or mean), `projected`
            (CLIP's joint space), or `grid` (every patch or cell, without CLS).
        mapper: how features become prefix vectors, one of `MAPPERS`.
        prefix: number of prefix vectors handed to the decoder (for `grid`: number of cells).
        constants: number of clip tokens of ClipCap's transformer mapper.
        layers, heads: depth and attention heads of the mapper.
        frames: frames per slot that the mapper reads (1 for single-frame mappers).
        normalize: whether features are L2-normalised before the mapper.
        begin: whether the decoder's BOS row stands before the prefix (clip-gpt-captioning).
        image: preprocessing: `size` in pixels, `resize` (`squash` or `crop`), for `squash` perhaps `widest` (the
            greatest ratio of sides), `mean`, `std` (0..1 scale).
        text: what the model was taught to say: `lower` is lower case without a final stop, `plain` is the captions as
            they were. People read a sentence that is made of either. Of `verbatim` they read what was said: as `plain`,
            but no stop is added.
        max_tokens: the longest caption that training saw, in tokens.
        positions: `plain`; or `doubled`, as clip-gpt-captioning's loop has them: GPT-2's place vectors count twice, and
            three times on the prefix once a token was said. Such a model captions, but is not trained further.
        stop: the token that ends a caption and belongs to it (ClipCap: the full stop); unset: EOS, which does not.
        drop_last: whether a caption is read without its last token, whatever that is (clip-gpt-captioning).
        search: where beams keep what has ended: `ended` sets it aside, `averaged` leaves it among them (ClipCap).
        beams, no_repeat: how the model speaks where the person asks for nothing else; see `Decoding`.
        matcher: the settings of its `Matcher`, where it has one.
        language: what the model speaks, as a BCP 47 tag.
    """

    model_type = "clipgpt"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        decoder: dict[str, Any] | None = None,
        reads: str = "pooled",
        mapper: str = "mlp",
        prefix: int = 10,
        constants: int = 10,
        layers: int = 8,
        heads: int = 8,
        frames: int = 1,
        normalize: bool = False,
        begin: bool = False,
        dropout: float = 0.0,
        image: dict[str, Any] | None = None,
        text: str = "plain",
        max_tokens: int = 40,
        language: str = "en",
        positions: str = "plain",
        stop: int | None = None,
        drop_last: bool = False,
        search: str = "ended",
        beams: int = 3,
        no_repeat: int = 3,
        matcher: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        self.encoder = encoder or {"model_type": "clip_vision_model"}
        self.decoder = decoder or {"model_type": "gpt2"}
        self.reads, self.mapper = reads, mapper
        self.prefix, self.constants, self.layers, self.heads = prefix, constants, layers, heads
        self.frames, self.normalize, self.begin, self.dropout = frames, normalize, begin, dropout
        self.image = image or CLIP_IMAGE
        self.text, self.max_tokens, self.language = text, max_tokens, language
        self.positions, self.stop, self.drop_last = positions, stop, drop_last
        self.search, self.beams, self.no_repeat, self.matcher = search, beams, no_repeat, matcher
        super().__init__(**kwargs)

    def encoder_config(self) -> PretrainedConfig:
        """The encoder's config object of its own transformers class."""
        values = dict(self.encoder)
        return AutoConfig.for_model(values.pop("model_type"), **values)

    def decoder_config(self) -> GPT2Config:
        """The decoder's config object."""
        values = {"activation_function": "gelu_new"} | self.decoder
        if values["activation_function"] == "gelu_new":
            values["activation_function"] = "gelu_pytorch_tanh"  # the same function in one pass instead of five
        if (kind := values.pop("model_type", "gpt2")) != "gpt2":
            raise ValueError(f"unknown decoder {kind!r}")
        return GPT2Config(**values)


CLIP_IMAGE: dict[str, Any] = {
    "size": 224,
    "resize": "crop",
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
}

SHAPES: dict[str, dict[str, Any]] = {
    # clip-gpt-captioning's two sizes: encoder, decoder and mapper depth; weights come from training or a hub.
    "S": dict(
        encoder=dict(
            model_type="clip_vision_model", hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
            num_attention_heads=12, patch_size=32, image_size=224,
        ),
        decoder=dict(model_type="gpt2", n_embd=768, n_layer=12, n_head=12),
        mapper="encoder", prefix=4, layers=6, heads=16, dropout=0.1,
    ),
    "L": dict(
        encoder=dict(
            model_type="clip_vision_model", hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
            num_attention_heads=16, patch_size=14, image_size=224,
        ),
        decoder=dict(model_type="gpt2", n_embd=1024, n_layer=24, n_head=16),
        mapper="encoder", prefix=4, layers=5, heads=16, dropout=0.08,
    ),
}  # fmt: skip
SOURCES = {"S": ("openai/clip-vit-base-patch32", "gpt2"), "L": ("openai/clip-vit-large-patch14", "gpt2-medium")}
