"""The model that a run begins with: made as the recipe says, with the weights that it names."""

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, GPT2Config, GPT2LMHeadModel
from vdesc import ModelError, SettingsError
from vdesc.errors import nearest
from vdesc.hub import model_folder
from vdesc_training.backbones import mobilenet

from .. import words
from ..checkpoint import OWN, load_model
from ..config import CLIP_IMAGE, ClipGPTConfig
from ..foreign.encoder import encoder_folder, resnet
from ..model import ClipGPTModel
from .recipe import Recipe

TABLES = ("encoder", "decoder", "image")  # settings that are tables: a recipe gives only what differs
PARTS = ("encoder", "mapper", "decoder")  # of a model
NOTED = ("transformers_version", "_name_or_path", "architectures", "dtype")  # in a config, but not of the model


def begin(recipe: Recipe, captions: Iterable[str]) -> tuple[Any, ClipGPTModel]:
    """The tokenizer, and the model before its first step.

    Args:
        captions: of the training split; a decoder from scratch learns its vocabulary from them.
    Raises:
        SettingsError: a model has no such setting.
        ModelError: weights are missing, or do not fit what the recipe describes.
    """
    known = inspect.signature(ClipGPTConfig).parameters.keys() - {"kwargs"}
    for name in recipe.model.keys() - known:
        raise SettingsError(f"a clipgpt model has no setting '{name}' ({nearest(name, known)})")
    if recipe.start:
        began, tokenizer = load_model(recipe.start)
        model = build(over(began.config.to_dict(), recipe.model))
        for name in PARTS:
            _pour(getattr(began, name).state_dict(), getattr(model, name), recipe.start)
        if began.matcher and model.matcher:
            _pour(began.matcher.state_dict(), model.matcher, recipe.start)
        return tokenizer, model
    tokenizer, words_of = _speaker(recipe, captions)
    model = build(over(over(_encoder_settings(recipe), {"decoder": words_of}), recipe.model))
    if (weights := _encoder_weights(recipe, model)) is not None:
        _pour(weights, model.encoder, str(recipe.encoder or recipe.encoder_weights))
    if recipe.decoder:
        _pour(_pretrained(GPT2LMHeadModel, recipe.decoder), model.decoder, recipe.decoder)
    return tokenizer, model


def build(settings: Mapping[str, Any]) -> ClipGPTModel:
    """The model that settings describe, with random weights. Raises `ModelError` where there is no such model."""
    try:
        model = ClipGPTModel(ClipGPTConfig(**settings))
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"the model that the recipe describes cannot be built: {error}") from error
    config = model.config
    if (need := config.prefix + config.begin + config.max_tokens) > (room := model.decoder.config.n_positions):
        raise ModelError(
            f"the recipe's prefix and max_tokens need {need} positions, but its decoder has {room}: raise n_positions"
        )
    return model


def over(settings: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a model with changes laid over them, table by table."""
    tables = {part: {**settings.get(part, {}), **changes[part]} for part in TABLES if part in changes}
    return settings | dict(changes) | tables


def _speaker(recipe: Recipe, captions: Iterable[str]) -> tuple[Any, dict[str, Any]]:
    """A tokenizer, and what it and the decoder's weights say of the decoder."""
    if recipe.decoder:
        folder = model_folder(recipe.decoder, "clipgpt")
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            settings = plain(GPT2Config.from_pretrained(folder, local_files_only=True))
        except (OSError, ValueError) as error:
            raise ModelError(f"the decoder {recipe.decoder} cannot be read as a GPT-2: {error}") from error
        tokenizer.pad_token = tokenizer.eos_token
        return tokenizer, settings
    style = recipe.model.get("text", "plain")
    tokenizer = words.train_tokenizer((words.lesson(caption, style) for caption in captions), recipe.vocabulary)
    end = tokenizer.eos_token_id
    return tokenizer, dict(model_type="gpt2", vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end)


def _encoder_settings(recipe: Recipe) -> dict[str, Any]:
    """What the encoder that the recipe names says of the model."""
    if recipe.encoder_weights:
        keys = ("model_type", "tf_padding", "image_size", "finegrained_output")
        backbone = mobilenet(recipe.encoder_weights).config
        return {"encoder": {key: getattr(backbone, key) for key in keys}}
    if not recipe.encoder:
        return {}
    if found := _resnet(recipe.encoder):
        settings = found[0]
    elif _is_clipgpt(recipe.encoder):
        config = load_model(recipe.encoder)[0].config
        return {"encoder": config.encoder, "reads": config.reads, "image": config.image}
    else:
        settings = plain(_vision_config(recipe.encoder))
    return {"encoder": settings, "image": CLIP_IMAGE | {"size": settings.get("image_size", CLIP_IMAGE["size"])}}


def _resnet(name: str) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Settings and weights where the encoder is one of CLIP's ResNets, which transformers does not have."""
    return None if name in OWN else resnet(encoder_folder(name))


def _vision_config(name: str) -> Any:
    try:
        whole = AutoConfig.from_pretrained(model_folder(name, "clipgpt"), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"the encoder {name} cannot be read: {error}") from error
    config = getattr(whole, "vision_config", whole)
    if hasattr(whole, "projection_dim"):  # CLIP says it for both of its halves
        config.projection_dim = whole.projection_dim
    return config


def _encoder_weights(recipe: Recipe, model: ClipGPTModel) -> Mapping[str, Tensor] | None:
    if recipe.encoder_weights:
        return mobilenet(recipe.encoder_weights).state_dict()
    if not recipe.encoder:
        return None
    if found := _resnet(recipe.encoder):
        return found[1]
    if _is_clipgpt(recipe.encoder):
        return load_model(recipe.encoder)[0].encoder.state_dict()
    return _pretrained(type(model.encoder), recipe.encoder, config=_vision_config(recipe.encoder))


def _is_clipgpt(name: str) -> bool:
    if name in OWN:
        return True
    try:
        config = json.loads((model_folder(name, "clipgpt") / "config.json").read_bytes())
        return config["model_type"] == ClipGPTConfig.model_type
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{name} has no config.json that can be read: give a model folder") from error


def _pretrained(kind: Any, name: str, **given: Any) -> Mapping[str, Tensor]:
    """The weights that a transformers class finds in a model by name; all of them must be there."""
    folder = model_folder(name, "clipgpt")
    try:
        model, found = kind.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, weights_only=True, **given
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{name} cannot be read as a {kind.__name__}: {error}") from error
    if missing := sorted(found["missing_keys"]):
        raise ModelError(f"{name} lacks weights of a {kind.__name__}, {missing[0]} among them: give another model")
    return model.state_dict()


def _pour(weights: Mapping[str, Tensor], part: nn.Module, source: str) -> None:
    """Loads weights; what does not fit is named."""
    for name, place in part.state_dict().items():
        if name not in weights:
            raise ModelError(f"{source} does not fit the recipe's model: it has no {name}")
        if weights[name].shape != place.shape:
            raise ModelError(
                f"{source} does not fit the recipe's model: its {name} is {tuple(weights[name].shape)}, "
                f"not {tuple(place.shape)}"
            )
    part.load_state_dict(weights, strict=False)


def plain(config: Any) -> dict[str, Any]:
    """A transformers config as what differs from its defaults, without notes on its origin."""
    return {key: value for key, value in config.to_diff_dict().items() if key not in NOTED}
