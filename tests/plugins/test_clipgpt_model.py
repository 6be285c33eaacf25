"""The model class: the predecessors' parameter counts, round trips, the shared prefix, preprocessing, words."""

from typing import Any

import numpy as np
import pytest
import torch
from clipgpt_models import KINDS, config, model, tokenizer
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from vdesc_clipgpt import pixels, words
from vdesc_clipgpt.config import CLIP_IMAGE, SHAPES, ClipGPTConfig
from vdesc_clipgpt.mappers import build_mapper
from vdesc_clipgpt.model import ClipGPTModel


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def mapped(**values: Any) -> int:
    width = values.pop("width")
    with torch.device("meta"):
        return count(build_mapper(ClipGPTConfig(**values), width, 768))


def test_mappers_have_the_predecessors_parameter_counts() -> None:
    assert mapped(mapper="mlp", width=512, prefix=10) == 31_468_800
    assert mapped(mapper="transformer", width=512, prefix=10, constants=10, layers=8, heads=8) == 41_745_408
    assert mapped(mapper="transformer", width=640, prefix=40, constants=40, layers=8, heads=8) == 57_520_128
    for mapper in ("concat", "cross"):
        assert mapped(mapper=mapper, width=512, prefix=20, layers=8, heads=8, frames=28) == 38_207_232


@pytest.mark.parametrize(("size", "mapper", "total"), [("S", 44_889_600, 256_785_408), ("L", 67_179_520, 725_182_464)])
def test_sizes_have_clip_gpt_captionings_parameter_counts(size: str, mapper: int, total: int) -> None:
    with torch.device("meta"):
        made = ClipGPTModel(ClipGPTConfig(**SHAPES[size]))
    assert (count(made.mapper), count(made)) == (mapper, total)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_gives_equal_logits(kind: str, tmp_path: Any) -> None:
    made = model(kind)
    images = torch.randn(3 * made.pictures, 3, 32, 32)
    labels = torch.randint(0, 300, (3, 2, 5))
    with torch.inference_mode():
        features = made.encode(images).unflatten(0, (3, -1)).flatten(1, 2)
        logits = made(features=features, labels=labels).logits
        made.save_pretrained(tmp_path)
        again = ClipGPTModel.from_pretrained(tmp_path)
        assert again.config.to_dict() | {"_name_or_path": ""} == made.config.to_dict()
        assert torch.equal(again(features=features, labels=labels).logits, logits)
    assert logits.shape == (3 * 2 * 5, 320)
    assert not torch.equal(logits[:5], logits[10:15])


def test_frames_of_a_slot_all_count() -> None:
    for kind in ("concat", "cross"):
        made = model(kind)
        features = torch.randn(1, 3, 24)
        changed = features.clone()
        changed[0, 2] += 1
        assert not torch.allclose(made.map(features), made.map(changed))


@pytest.mark.parametrize("kind", ["encoder", "grid"])
def test_the_shared_prefix_gives_the_loss_of_each_caption_alone(kind: str) -> None:
    made = model(kind)
    features = made.encode(torch.randn(3, 3, 32, 32)).detach()
    labels = torch.randint(0, 300, (3, 4, 7))
    labels[:, 1, 4:] = labels[1, 2, 2:] = labels[2, 3, 1:] = -100
    losses = []
    for image in range(3):
        prefix = made.map(features[image : image + 1])
        for caption in range(4):
            said = labels[image, caption][labels[image, caption] != -100]
            whole = torch.cat([prefix, made.decoder.transformer.wte(said)[None]], dim=1)
            logits = made.decoder(inputs_embeds=whole, use_cache=False).logits[0, prefix.shape[1] - 1 : -1]
            losses.append(nn.functional.cross_entropy(logits, said, reduction="none"))
    naive = torch.cat(losses).mean()
    loss = made(features=features, labels=labels).loss
    torch.testing.assert_close(loss, naive, rtol=0, atol=1e-5)
    (wanted,) = torch.autograd.grad(naive, made.decoder.transformer.wpe.weight)
    loss.backward()
    torch.testing.assert_close(made.decoder.transformer.wpe.weight.grad, wanted, rtol=1e-3, atol=1e-5)


def test_training_smooths_labels_and_leaves_the_encoders_statistics_alone() -> None:
    made = model("grid", encoder=dict(model_type="mobilenet_v2", image_size=32, depth_multiplier=0.25), prefix=1)
    images, labels = torch.randn(2, 3, 32, 32), torch.randint(0, 300, (2, 1, 4))
    before = {name: value.clone() for name, value in made.encoder.named_buffers()}
    plain = made(pixels=images, labels=labels).loss
    made.label_smoothing = 0.5
    assert torch.equal(made(pixels=images, labels=labels).loss, plain)
    made.train()
    made(pixels=images, labels=labels)
    assert all(torch.equal(value, before[name]) for name, value in made.encoder.named_buffers())
    made.decoder.eval()
    assert made(pixels=images, labels=labels).loss != plain


def test_pictures_only_count_for_mappers_of_several() -> None:
    assert model("cross").pictures == 3
    assert model("mlp", frames=9).pictures == 1


@pytest.mark.parametrize(
    "change", [dict(mapper="nothing"), dict(reads="nothing"), dict(decoder=dict(model_type="opt"))]
)
def test_a_config_of_unknown_parts_builds_no_model(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        ClipGPTModel(ClipGPTConfig(**(config().to_dict() | change)))


@given(st.integers(1, 300), st.integers(1, 300))
def test_any_picture_fits(width: int, height: int) -> None:
    image = Image.new("L", (width, height), 77)
    for resize in ("crop", "squash"):
        fitted = pixels.fit(image, {"size": 16, "resize": resize})
        assert (fitted.mode, fitted.size) == ("RGB", (16, 16))
        assert np.all(np.asarray(fitted) == 77)


def test_crop_keeps_the_middle_and_squash_the_whole() -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 255
    assert np.asarray(pixels.fit(Image.fromarray(wide), CLIP_IMAGE | {"size": 20}))[:, 2:-2].min() == 255
    squashed = np.asarray(pixels.fit(Image.fromarray(wide), {"size": 21, "resize": "squash"}))
    assert squashed[:, 10].min() == 255 and squashed[:, 3].max() == squashed[:, 17].max() == 0


@pytest.mark.parametrize(("width", "height"), [(320, 180), (160, 121), (37, 90), (56, 56)])
def test_crop_is_what_resizing_first_and_cutting_then_gives(width: int, height: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image, scale = Image.fromarray(noise), 32 / min(width, height)
    whole = image.resize((int(width * scale), int(height * scale)), Image.Resampling.BICUBIC)
    left, top = round((whole.width - 32) / 2), round((whole.height - 32) / 2)
    wanted = np.asarray(whole.crop((left, top, left + 32, top + 32)), int)
    assert np.abs(np.asarray(pixels.fit(image, CLIP_IMAGE | {"size": 32}), int) - wanted).max() <= 1


def test_pixels_are_normalised() -> None:
    settings = dict(size=8, resize="squash", mean=[0.5, 0.25, 0], std=[0.5, 0.25, 1])
    white = pixels.tensor(pixels.fit(Image.new("L", (9, 5), 255), settings), settings)
    assert white.shape == (3, 8, 8)
    torch.testing.assert_close(white.mean((1, 2)), torch.tensor([1.0, 3.0, 1.0]))


def test_a_wide_picture_is_cut_to_its_middle_before_it_is_squashed() -> None:
    wide = Image.new("RGB", (100, 20), "red")
    wide.paste("blue", (35, 0, 65, 20))  # the middle, 1.5 : 1
    shown = np.asarray(pixels.fit(wide, dict(size=8, resize="squash", widest=1.5)))
    assert (shown[:, 1:-1] == (0, 0, 255)).all()  # the filter reaches a little over the edge
    high = np.asarray(pixels.fit(wide.rotate(90, expand=True), dict(size=8, resize="squash", widest=1.5)))
    assert (high[1:-1] == (0, 0, 255)).all()
    whole = np.asarray(pixels.fit(wide, dict(size=8, resize="squash")))
    assert (whole[:, 0] == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("a man rides a horse", "A man rides a horse."),
        (" a dog , wet .", "A dog, wet."),
        ("the man 's dog does n't run", "The man's dog doesn't run."),
        ("what is this ?", "What is this?"),
        ("two\nlines\x00 here\u2028", "Two lines here."),
        ("", ""),
        (" . ", ""),
    ],
)
def test_a_sentence_is_fit_to_be_read(said: str, sentence: str) -> None:
    assert words.sentence(said) == sentence


def test_a_lesson_is_what_the_decoder_learns() -> None:
    assert words.lesson(" A Dog ,  wet . ", "lower") == "a dog, wet"
    assert words.lesson(" A Dog ,  wet . ", "plain") == "A Dog , wet ."


def test_a_tokenizer_gives_back_any_text() -> None:
    learned = tokenizer()
    for text in ("a man rides", "größe 日本 🙂"):
        assert learned.decode(learned.encode(text), skip_special_tokens=True).strip() == text
    numbered = words.numbered_tokenizer(9)
    assert numbered.decode([7, 0, 8], skip_special_tokens=True) == "w7 w0"
