"""The openai captioner against a server process that really runs a tiny random LLaVA behind the chat completions."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import vdesc_openai
from vdesc import Cache, Context, Evidence, Settings
from vdesc.pipeline import Engine
from vdesc.registry import Registry, create
from vdesc.testing import slots, small_video
from vdesc_openai import OpenAI

TEXT = """
a the one two red blue big small old young man woman dog cat bird horse runs walks jumps sits stands sleeps reads looks
plays rides on in under near over behind street park house river table chair tree hill field bridge boat car train with
and while slowly fast alone together happily morning evening rain snow sun light shadow window door
"""
WORDS = TEXT.split()


def tiny_llava(folder: Path) -> Path:
    """A folder with a random LLaVA of the real class, whose tokens are the words above."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    special = ["<pad>", "<s>", "</s>", "<unk>", "<image>"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    template = (
        "{% for m in messages %}{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<image>{% else %} {{ c['text'] }} {% endif %}{% endfor %}{% endfor %}"
    )
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}), tokenizer,
        patch_size=14, vision_feature_select_strategy="default", chat_template=template, num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    small = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**small, image_size=28, patch_size=14, projection_dim=32),
        text_config=LlamaConfig(**small, vocab_size=len(vocabulary), pad_token_id=0, bos_token_id=1, eos_token_id=2),
        image_token_index=vocabulary["<image>"], image_token_id=vocabulary["<image>"],
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    head = model.lm_head.weight.data
    head[:5] = 0.0
    head *= 8  # far enough from even that pictures matter
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    model.generation_config.suppress_tokens = [0, 1, 3, 4]
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server process."""
    folder = tiny_llava(tmp_path_factory.mktemp("llava"))
    command = [sys.executable, str(Path(__file__).with_name("openai_server.py")), str(folder)]
    log = folder / "log"
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # a thread more would wait for the other tests
    with (
        log.open("w") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=alone) as process,
    ):
        assert process.stdout
        port = process.stdout.readline().strip()
        assert port, log.read_text()
        yield f"http://127.0.0.1:{port}/v1"
        process.terminate()


def made(url: str, **options: object) -> OpenAI:
    plugin: OpenAI = create(OpenAI, **{"url": url, "model": "tiny", "max_tokens": 10, "retries": 0, **options})
    return plugin


def test_a_real_model_captions_slots_of_several_pictures(url: str):
    plugin = made(url, frames=2, temperature=1.0)
    found = list(plugin.propose(slots(3, frames=2), 2))
    assert {candidate.slot for candidate in found} == {0, 1, 2}
    assert all(set(candidate.text.rstrip(".").split()) <= set(WORDS) for candidate in found)
    assert found == list(plugin.propose(slots(3, frames=2), 2))
    other = list(made(url, frames=2, temperature=1.0, seed=9).propose(slots(3, frames=2), 2))
    assert [c.text for c in other] != [c.text for c in found]


def test_the_words_rest_on_the_pictures_and_the_evidence(url: str):
    plugin = made(url, temperature=0, max_tokens=6, evidence_tokens=100)
    one, other = slots(2)
    bare = replace(one, context=Context())
    spoken = replace(one, context=Context((Evidence("speech", one.span, "red dog runs", 0.9, "x"),)))
    seen = replace(bare, keyframes=other.keyframes)
    texts = [[c.text for c in plugin.propose([slot])] for slot in (bare, spoken, seen)]
    assert texts[0] == [c.text for c in plugin.propose([bare])]
    assert texts[1] != texts[0] and texts[2] != texts[0]


def test_a_video_is_described_through_the_engine(url: str, tmp_path: Path):
    registry = Registry()
    if all(entry.name != "openai" for entry in registry.entries):
        registry.register(vdesc_openai)
    settings = Settings(
        plugins=("openai",), formats=("srt", "json"), candidates=2, ranking={"similarity": "tokens"},
        options={"openai": {"url": url, "model": "tiny", "max_tokens": 10, "temperature": 1.0}},
    )  # fmt: skip
    with Engine(settings, registry, Cache(tmp_path / "cache")) as engine:
        described = engine.describe(small_video(tmp_path / "clip.mp4"))
        engine.write(described, tmp_path)
        assert engine.describe(tmp_path / "clip.mp4").candidates == described.candidates
    assert {path.suffix for path in tmp_path.glob("clip.*")} == {".mp4", ".srt", ".json"}
    assert described.cues and all(cue.chosen.source == "openai" for cue in described.cues)
