"""The model: a vision encoder, a mapper, a GPT-2. The class that is trained is the class that captions."""

from typing import Any, cast

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
from vdesc import ModelError

from .config import READS, ClipGPTConfig
from .mappers import build_mapper
from .matcher import Matcher, contrast
from .resnet import CLIPResNet  # noqa: F401 - transformers then knows it by its name


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
        width = _width(config, self.encoder.config)
        self.mapper = build_mapper(config, width, decoder.n_embd)
        self.decoder = GPT2LMHeadModel(decoder)
        self.matcher = Matcher(width, decoder.vocab_size, config.matcher) if config.matcher else None
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
        return self.config.frames if self.config.mapper in ("concat", "cross", "framewise") else 1

    def encode(self, pixels: Tensor) -> Tensor:
        """Features (batch, tokens, width) of preprocessed pixels (batch, 3, size, size), or (batch, frames, 3, ...)."""
        if pixels.dim() == 5:
            return self.encode(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2]).flatten(1, 2)
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
        match: bool = False,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Logits and loss of captions given their images; without images, of words alone.

        The prefix passes through the decoder once per image however many captions the image has: the captions
        then read its keys and values, which saves most of the work of training with five captions a photo.

        Args:
            features: (images, tokens, width), from `encode`; or give `pixels`, as `encode` takes them.
            labels: token ids (images, captions, length), each ended by EOS, then -100.
            match: the loss is the matcher's instead, of each image's first caption; there are no logits.
        Returns:
            `loss`: the mean cross-entropy over tokens that are not -100; `logits` (tokens, vocabulary) of those
            tokens alone, in order: padding never reaches the widest layer.
        """
        if self.config.positions != "plain":
            raise ModelError("clipgpt: doubled positions are not trained: set positions to plain in the recipe's model")
        assert labels is not None
        if features is None and pixels is not None:
            features = self.encode(pixels)
        tokens = labels.flatten(0, 1)
        real = tokens != -100
        if features is None:
            logits = self._alone(tokens)[real]
            return CausalLMOutputWithPast(loss=self._loss(logits, tokens[real]), logits=logits)
        if match:
            assert self.matcher is not None
            said = self.matcher.of_labels(labels[:, 0], self._begin)
            return CausalLMOutputWithPast(loss=contrast(self.matcher, features, *said))
        prompt = self.decoder.transformer(inputs_embeds=self.map(features), use_cache=True)
        cache = prompt.past_key_values
        cache.batch_repeat_interleave(labels.shape[1])
        words = self.decoder.transformer(
            input_ids=tokens[:, :-1].clamp(min=0), past_key_values=cache, use_cache=True
        ).last_hidden_state
        first = prompt.last_hidden_state[:, -1:].repeat_interleave(labels.shape[1], dim=0)
        logits = self.decoder.lm_head(torch.cat([first, words], dim=1)[real])
        return CausalLMOutputWithPast(loss=self._loss(logits, tokens[real]), logits=logits)

    @property
    def _begin(self) -> int:
        return cast(int, self.decoder.config.eos_token_id)

    def _alone(self, tokens: Tensor) -> Tensor:
        """Logits of words that no image stands before; they have the places that they would have after one."""
        before = torch.full_like(tokens[:, :1], self._begin)
        start = self.config.prefix + self.config.begin - 1
        places = torch.arange(start, start + tokens.shape[1], device=tokens.device)[None]
        inputs = torch.cat([before, tokens[:, :-1].clamp(min=0)], dim=1)
        return self.decoder(input_ids=inputs, position_ids=places).logits

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
