"""Towers of llava: CLIP, SigLIP, SigLIP 2 and DINOv2 of the real classes, and the pictures that they want."""

import json
from pathlib import Path
from typing import Any

import llava_samples as samples
import numpy as np
import pytest
import torch
from PIL import Image
from vdesc import ModelError
from vdesc.pretrained import quietly
from vdesc_llava import pixels, tower
from vdesc_llava.config import base_config

SPECIALS = {"clip": 1, "siglip": 0, "siglip2": 0, "dinov2": 1, "dinov2_registers": 4}


def built(kind: str) -> Any:
    torch.manual_seed(0)
    return tower.load_tower(samples.TOWERS[kind], "cpu")


@pytest.mark.parametrize("kind", samples.TOWERS)
def test_every_tower_gives_a_feature_a_patch(kind: str) -> None:
    made, shown = built(kind), samples.pixels(2, 1)[:, 0]
    for layer in (-1, -2, 0, 3):
        assert tower.features(made, shown, layer).shape == (2, 16, samples.WIDTH)
    assert not any(weight.requires_grad for weight in made.parameters())
    assert not made.training


@pytest.mark.parametrize("kind", ["clip", "siglip", "dinov2", "dinov2_registers"])
def test_features_are_the_hidden_states_without_what_is_no_patch(kind: str) -> None:
    made, shown = built(kind), samples.pixels(2, 1)[:, 0]
    states = made(pixel_values=shown, output_hidden_states=True).hidden_states
    for layer in (-1, -2):
        assert torch.equal(tower.features(made, shown, layer), states[layer][:, SPECIALS[kind] :])
    if SPECIALS[kind]:
        assert torch.equal(tower.features(made, shown, -2, cls=True)[:, 0], states[-2][:, 0])
        assert tower.features(made, shown, -2, cls=True).shape[1] == 17


def test_the_last_layer_of_clip_is_system_es_last_hidden_state() -> None:
    made, shown = built("clip"), samples.pixels(2, 1)[:, 0]
    assert torch.equal(tower.features(made, shown, -1), made(pixel_values=shown).last_hidden_state[:, 1:])


def test_siglip2_gets_the_patches_that_its_own_processor_cuts() -> None:
    from transformers.models.siglip2.image_processing_siglip2 import convert_image_to_patches

    made, shown = built("siglip2"), samples.pixels(2, 1)[:, 0]
    cut = torch.stack([convert_image_to_patches(one, 8) for one in shown])
    mask, shapes = torch.ones(2, 16, dtype=torch.long), torch.tensor([[4, 4]] * 2)
    states = made(pixel_values=cut, pixel_attention_mask=mask, spatial_shapes=shapes, output_hidden_states=True)
    torch.testing.assert_close(tower.features(made, shown, -2), states.hidden_states[-2])


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_is_not_there_is_an_error(layer: int) -> None:
    with pytest.raises(ModelError, match=f"has 3 layers, and no layer {layer}"):
        tower.features(built("clip"), samples.pixels(1, 1)[0], layer)


def test_a_tower_without_cls_says_so() -> None:
    with pytest.raises(ModelError, match="'siglip_vision_model' has no CLS token"):
        tower.features(built("siglip"), samples.pixels(1, 1)[0], cls=True)


def test_a_model_encodes_clips_in_parts_as_it_encodes_them_alone() -> None:
    made, shown = samples.model(), samples.pixels(4, 3)
    found = made.encode(shown)
    assert found.shape == (4, 3, 16, samples.WIDTH)
    alone = tower.features(made.tower, shown[3, 2:3], -2)
    torch.testing.assert_close(found[3, 2], alone[0])


def test_the_vision_part_of_a_whole_clip_is_read(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    small = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
    vision = {key: value for key, value in samples.TOWERS["clip"].items() if key != "model_type"}
    whole = CLIPModel(CLIPConfig(vision_config=vision, text_config=small)).eval()
    with quietly():
        whole.save_pretrained(tmp_path / "clip")
    made, shown = tower.load_tower(str(tmp_path / "clip"), "cpu"), samples.pixels(2, 1)[:, 0]
    assert type(made).__name__ == "CLIPVisionModel"
    states = whole.vision_model(pixel_values=shown, output_hidden_states=True).hidden_states
    torch.testing.assert_close(tower.features(made, shown, -2), states[-2][:, 1:])


def test_what_is_no_tower_is_an_error(tmp_path: Path) -> None:
    _, llm = samples.bases(tmp_path)
    with pytest.raises(ModelError, match=r"'qwen3' in .* is no vision tower of patches"):
        tower.load_tower(str(llm), "cpu")
    with pytest.raises(ModelError, match="there is no model 'nowhere'"):
        tower.load_tower("nowhere", "cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="empty holds no model that transformers knows"):
        tower.load_tower(str(tmp_path / "empty"), "cpu")


def test_a_tower_without_its_weights_is_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    place, _ = samples.bases(tmp_path)
    path = place / "model.safetensors"
    state = load_file(path)
    save_file(dict(list(state.items())[3:]), path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks 3 weights of its vision tower"):
        tower.load_tower(str(place), "cpu")
    path.unlink()
    with pytest.raises(ModelError, match=r"the vision tower in .* cannot be read"):
        tower.load_tower(str(place), "cpu")


def settings(folder: Path, kind: str, **said: object) -> dict[str, Any]:
    if said:
        (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return pixels.settings_of(folder, base_config(samples.TOWERS[kind]))


def test_pictures_are_fitted_as_the_towers_own_preprocessor_says(tmp_path: Path) -> None:
    found = settings(
        tmp_path, "dinov2", do_center_crop=True, crop_size={"height": 28, "width": 28}, size={"shortest_edge": 32},
        image_mean=[0.1, 0.2, 0.3], image_std=[1, 2, 3], resample=2,
    )  # fmt: skip
    assert found == dict(
        size=28, resize="crop", edge=32, mean=[0.1, 0.2, 0.3], std=[1, 2, 3], filter="bilinear"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "resize", "mean"),
    [("clip", "crop", 0.4815), ("siglip", "squash", 0.5), ("siglip2", "squash", 0.5), ("dinov2", "crop", 0.485)],
)
def test_without_a_preprocessor_it_is_what_is_usual(tmp_path: Path, kind: str, resize: str, mean: float) -> None:
    found = settings(tmp_path, kind)
    assert (found["size"], found["resize"], round(found["mean"][0], 4)) == (samples.SIDE, resize, mean)
    assert "edge" not in found


def test_a_damaged_preprocessor_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"preprocessor_config.json cannot be read"):
        settings(tmp_path, "clip")


def test_fitted_pictures_are_those_of_transformers_own_clip_processor() -> None:
    from transformers import CLIPImageProcessor

    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(noise).resize((80, 60), Image.Resampling.BICUBIC)
    said = {"size": 32, "resize": "crop"} | pixels.CLIP_IMAGE
    ours = pixels.tensor(pixels.fit(image, said), said)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    theirs = torch.as_tensor(np.asarray(processor(image)["pixel_values"][0]))
    assert (ours - theirs).abs().max() < 4 / 255 / 0.26  # they round twice, we once


def test_squash_keeps_all_and_crop_the_middle() -> None:
    shown = np.zeros((32, 96, 3), np.uint8)
    shown[:, :32], shown[:, 64:] = 255, 255
    image = Image.fromarray(shown)
    said = {"size": 32, "mean": [0.0] * 3, "std": [1.0] * 3}
    middle = pixels.tensor(pixels.fit(image, said | {"resize": "crop"}), said)
    whole = pixels.tensor(pixels.fit(image, said | {"resize": "squash"}), said)
    assert middle.shape == whole.shape == (3, 32, 32)
    assert float(middle.max()) == 0
    assert 0.6 < float(whole.mean()) < 0.72
    edged = pixels.fit(image, said | {"resize": "crop", "edge": 64})
    assert float(pixels.tensor(edged, said).max()) == 0
    assert pixels.fit(image.convert("L"), said | {"resize": "crop"}).mode == "RGB"
