"""The alignment ranker on tiny random CLIP and SigLIP models of the real classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    SiglipConfig,
    SiglipModel,
    SiglipTextConfig,
    SiglipVisionConfig,
)
from vdesc import Candidate, ModelError
from vdesc.registry import create
from vdesc.testing import assert_contract, slots
from vdesc_alignment import Alignment
from vdesc_clipgpt.words import train_tokenizer

SAID = ["a red car on the road", "two dogs run", "a man reads"]
TEXT = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, vocab_size=300)
VISION = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16
)


def make(folder: Path, kind: str) -> str:
    """A model folder of the kind."""
    torch.manual_seed(0)
    end = 0
    if kind == "clip":
        text = CLIPTextConfig(**TEXT, max_position_embeddings=16, eos_token_id=end, bos_token_id=end)
        config = CLIPConfig(
            text_config=text.to_dict(), vision_config=CLIPVisionConfig(**VISION).to_dict(), projection_dim=16
        )
        CLIPModel(config).save_pretrained(folder)
    else:
        text = SiglipTextConfig(**TEXT, max_position_embeddings=16)
        config = SiglipConfig(text_config=text.to_dict(), vision_config=SiglipVisionConfig(**VISION).to_dict())
        SiglipModel(config).save_pretrained(folder)
    train_tokenizer(SAID * 3, 300).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module", params=["clip", "siglip"])
def ranker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Alignment:
    folder = make(tmp_path_factory.mktemp("model"), request.param)
    plugin = create(Alignment, model=folder, batch=2)
    plugin.load("cpu")
    return plugin


def some(n: int) -> list[Candidate]:
    return [Candidate(slot, text, "x") for slot in range(n) for text in SAID]


def test_one_number_in_0_to_1_for_each_candidate(ranker: Alignment):
    numbers = ranker.score(slots(3), some(3))
    assert len(numbers) == 9
    assert all(0 <= number <= 1 for number in numbers)
    assert ranker.score(slots(3), []) == []


def test_the_numbers_are_the_models_own(ranker: Alignment):
    from PIL import Image

    slot = slots(1)[0]
    inputs = ranker.processor(images=[Image.fromarray(slot.keyframes[0].pixels())], return_tensors="pt")
    text = ranker.tokenizer(SAID[:1], padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    if isinstance(ranker.model, CLIPModel):
        text = ranker.tokenizer(SAID[:1], return_tensors="pt")
    with torch.no_grad():
        output = ranker.model(
            input_ids=text["input_ids"],
            pixel_values=inputs["pixel_values"],
            **({"attention_mask": text["attention_mask"]} if isinstance(ranker.model, CLIPModel) else {}),
        )
    logit = output.logits_per_image[0, 0]
    cosine = logit / ranker.model.logit_scale.exp()
    expected = logit.sigmoid() if isinstance(ranker.model, SiglipModel) else (2.5 * cosine).clamp(0, 1)
    assert ranker.score([slot], [Candidate(0, SAID[0], "x")])[0] == pytest.approx(expected.item(), abs=1e-5)


def test_batches_and_company_change_nothing(ranker: Alignment):
    every = slots(4)
    alone = [ranker.score([slot], [Candidate(slot.index, SAID[1], "x")])[0] for slot in every]
    together = ranker.score(every, [Candidate(slot.index, SAID[1], "x") for slot in every])
    assert np.allclose(alone, together, atol=1e-5)


def test_a_slot_of_several_frames_takes_their_mean(ranker: Alignment):
    (two,) = slots(1, frames=2)
    from dataclasses import replace

    apart = [replace(two, index=i, keyframes=(frame,)) for i, frame in enumerate(two.keyframes)]
    one, other = ranker.score(apart, [Candidate(i, SAID[0], "x") for i in range(2)])
    both = ranker.score([two], [Candidate(two.index, SAID[0], "x")])[0]
    assert both == pytest.approx((one + other) / 2, abs=1e-5)


def test_it_keeps_the_contract(ranker: Alignment):
    assert_contract(Alignment, model=ranker.options.model)


def test_a_model_that_is_not_there_gets_a_sentence_at_once():
    with pytest.raises(ModelError, match=r"alignment: the model 'openai/.*' is not on disk"):
        create(Alignment).load("cpu")


def test_sentences_are_unit_vectors_equal_for_equal_texts(ranker: Alignment):
    vectors = ranker.sentences([SAID[0], SAID[0], SAID[1], SAID[1]])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors[0::2], vectors[1::2], atol=1e-5)
    assert vectors[0] @ vectors[2] < 0.999
    assert len(ranker.sentences([])) == 0
