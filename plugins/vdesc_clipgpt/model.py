"""The model: a vision encoder, a mapper, a GPT-2. The class that is trained is the class that captions."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    GPT2LMHeadModel,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from .config import READS, ClipGPTConfig
from .mappers import build_mapper


class ClipGPTModel(PreTrainedModel):
    """Captions from images: `encode` (pixels to features), `map` (features to prefix), `decoder` (prefix to words)."""

    config_class = ClipGPTConfig
    config: ClipGPTConfig
    main_input_name = "features"
    _tied_weights_keys = {"decoder.lm_head.weight": "decoder.transformer.wte.weight"}  # noqa: RUF012 - as its base
    label_smoothing = 0.0  # a training run sets it

    def __init__(self, config: ClipGPTConfig):
        super().__init__(config)
        self.encoder = _build_encoder(config)
        decoder = config.decoder_config()
        self.mapper = build_mapper(config, _width(config, self.encoder.config), decoder.n_embd)
        self.decoder = GPT2LMHeadModel(decoder)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Each part initialises itself as its own library or paper does; nothing is drawn over it here."""

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's word vectors."""
        return self.decoder.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """The decoder's last layer, tied to its word vectors."""
        return self.decoder.get_output_embeddings()

    def train(self, mode: bool = True) -> "ClipGPTModel":
        """Training mode; batch norms of the encoder keep their statistics, which small batches would spoil."""
        super().train(mode)
        for module in self.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    @property
    def pictures(self) -> int:
        """How many pictures of a slot the mapper reads."""
        return self.config.frames if self.config.mapper in ("concat", "cross") else 1

    def encode(self, pixels: Tensor) -> Tensor:
        """Features (batch, tokens, width) of preprocessed pixels (batch, 3, size, size)."""
        if self.config.reads == "projected":
            return self.encoder(pixel_values=pixels).image_embeds[:, None]
        output = self.encoder(pixel_values=pixels)
        if self.config.reads == "pooled":
            return output.pooler_output.flatten(1)[:, None]
        grid = output.last_hidden_state
        if grid.dim() == 4:  # a convolutional map: (batch, width, rows, columns)
            return grid.flatten(2).transpose(1, 2)
        return grid[:, 1:]  # a vision transformer: CLS comes first

    def map(self, features: Tensor) -> Tensor:
        """Prefix vectors (batch, prefix, hidden) of features, with the BOS row before them where the config says so."""
        if self.config.normalize:
            features = nn.functional.normalize(features, dim=-1)
        prefix = self.mapper(features)
        if self.config.begin:
            start = self.decoder.transformer.wte.weight[self.decoder.config.bos_token_id]
            prefix = torch.cat([start.expand(len(prefix), 1, -1), prefix], dim=1)
        return prefix

    def forward(
        self,
        features: Tensor | None = None,
        pixels: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Logits and loss of captions given their images.

        The prefix passes through the decoder once per image however many captions the image has: the captions
        then read its keys and values, which saves most of the work of training with five captions a photo.

        Args:
            features: (images, tokens, width), from `encode`; or give `pixels` (images, 3, size, size).
            labels: token ids (images, captions, length), each ended by EOS, then -100.
        Returns:
            `loss`: the mean cross-entropy over tokens that are not -100; `logits` (tokens, vocabulary) of those
            tokens alone, in order: padding never reaches the widest layer.
        """
        assert labels is not None
        if features is None:
            assert pixels is not None
            features = self.encode(pixels)
        tokens = labels.flatten(0, 1)
        real = tokens != -100
        prompt = self.decoder.transformer(inputs_embeds=self.map(features), use_cache=True)
        cache = prompt.past_key_values
        cache.batch_repeat_interleave(labels.shape[1])
        words = self.decoder.transformer(
            input_ids=tokens[:, :-1].clamp(min=0), past_key_values=cache, use_cache=True
        ).last_hidden_state
        first = prompt.last_hidden_state[:, -1:].repeat_interleave(labels.shape[1], dim=0)
        logits = self.decoder.lm_head(torch.cat([first, words], dim=1)[real])
        return CausalLMOutputWithPast(loss=self._loss(logits, tokens[real]), logits=logits)

    def _loss(self, logits: Tensor, tokens: Tensor) -> Tensor:
        smoothing = self.label_smoothing if self.training else 0.0
        return nn.functional.cross_entropy(logits.float(), tokens, label_smoothing=smoothing)


def _build_encoder(config: ClipGPTConfig) -> PreTrainedModel:
    if config.reads not in READS:
        raise ValueError(f"unknown reads {config.reads!r}")
    encoder = config.encoder_config()
    if isinstance(encoder, CLIPVisionConfig):
        return (CLIPVisionModelWithProjection if config.reads == "projected" else CLIPVisionModel)(encoder)
    return AutoModel.from_config(encoder)


def _width(config: ClipGPTConfig, encoder: Any) -> int:
    if config.reads == "projected":
        return encoder.projection_dim
    if encoder.model_type == "mobilenet_v2":  # the last 1 x 1 convolution is not widened below 1280
        return max(1280, int(1280 * encoder.depth_multiplier))
    return getattr(encoder, "hidden_size", None) or encoder.hidden_sizes[-1]
