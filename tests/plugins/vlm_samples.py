"""Tiny random vision-language models of the real classes, their tokenizer and processors, and slots for them."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from vdesc import Box, Context, Evidence, Keyframe, Picture, Shot, Slot, Span

torch.set_num_threads(1)  # the models are too small for more

WORDS, SIDE = 420, 28
SAID = [
    "a man rides a brown horse over the wide green field",
    "two dogs run on the grass while children watch from afar",
    "a woman reads a book under trees in the old park",
    "the red car stands before a house near some bridge",
    "한 남자가 갈색 말을 탄다",
]
SPECIAL = {
    "image_token": "<image>", "video_token": "<video>", "start_image_token": "<img>", "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>", "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>",
    "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>",
}  # fmt: skip
MORE = ["<|begin|>", "<|end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
TEMPLATE = (
    "{{% for message in messages %}}<|begin|>{{{{ message.role }}}}\n"
    "{{% for part in message.content %}}{{% if part.type == 'image' %}}{image}"
    "{{% elif part.type == 'video' %}}{video}{{% else %}}{{{{ part.text }}}}{{% endif %}}{{% endfor %}}<|end|>\n"
    "{{% endfor %}}{{% if add_generation_prompt %}}<|begin|>assistant\n{{% endif %}}"
)
_TEXT = dict(
    hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    vocab_size=WORDS, max_position_embeddings=4096, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    tie_word_embeddings=False,
)  # fmt: skip
_VISION = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=7
)


@cache
def tokenizer(family: str = "") -> Any:
    """A byte-level BPE that knows the special tokens of all families."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", *SPECIAL.values(), *MORE]
    made.train_from_iterator(
        SAID * 4,
        trainers.BpeTrainer(
            vocab_size=WORDS, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )  # fmt: skip
    own = {} if family == "qwen" else SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="right",
        additional_special_tokens=MORE, extra_special_tokens=own,
    )  # fmt: skip


def number(token: str) -> int:
    """The id of a token."""
    return tokenizer().convert_tokens_to_ids(token)


def _template(image: str, video: str = "<video>") -> str:
    return TEMPLATE.format(image=image, video=video)


def _rope(*sections: int) -> dict[str, Any]:
    return dict(rope_type="default", rope_theta=1e4, mrope_section=list(sections))


def _qwen(
    name: str, vision: dict[str, Any], patch: int, text: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Any, Any]:
    import transformers

    processors = "Qwen2VL" if name == "Qwen2_5_VL" else name
    config = getattr(transformers, f"{name}Config")(
        text_config=_TEXT | dict(head_dim=12, rope_parameters=_rope(2, 2, 2)) | text,
        vision_config=dict(depth=2, num_heads=2, patch_size=patch) | vision,
        image_token_id=number("<|image_pad|>"), video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"), vision_end_token_id=number("<|vision_end|>"),
        tie_word_embeddings=False,
    )  # fmt: skip
    smallest = (2 * patch) ** 2
    images, video = (dict(shortest_edge=smallest, longest_edge=many * smallest) for many in (3, 12))
    processor = getattr(transformers, f"{name}Processor")(
        transformers.Qwen2VLImageProcessor(patch_size=patch, size=images), tokenizer("qwen"),
        getattr(transformers, f"{processors}VideoProcessor")(patch_size=patch, size=video),
        chat_template=_template(*(f"<|vision_start|><|{kind}_pad|><|vision_end|>" for kind in ("image", "video"))),
    )  # fmt: skip
    return getattr(transformers, f"{name}ForConditionalGeneration")(config), processor


def _qwen2_vl() -> tuple[Any, Any]:
    return _qwen("Qwen2VL", dict(embed_dim=32, hidden_size=48, mlp_ratio=2), 7)


def _qwen2_5_vl() -> tuple[Any, Any]:
    own = dict(hidden_size=32, intermediate_size=64, out_hidden_size=48, window_size=28, fullatt_block_indexes=[1])
    return _qwen("Qwen2_5_VL", own, 7)


def _qwen3_vl() -> tuple[Any, Any]:
    own = dict(hidden_size=32, intermediate_size=64, out_hidden_size=48, num_position_embeddings=16)
    return _qwen("Qwen3VL", own | dict(deepstack_visual_indexes=[0]), 8)


def _smolvlm() -> tuple[Any, Any]:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMProcessor, SmolVLMVideoProcessor
    from transformers import SmolVLMImageProcessor as Images

    config = SmolVLMConfig(
        text_config=_TEXT | dict(model_type="llama"), vision_config=_VISION, scale_factor=2,
        image_token_id=number("<image>"), tie_word_embeddings=False, pad_token_id=0,
    )  # fmt: skip
    size = dict(size=dict(longest_edge=2 * SIDE), max_image_size=dict(longest_edge=SIDE))
    processor = SmolVLMProcessor(
        Images(**size), tokenizer(), SmolVLMVideoProcessor(**size, num_frames=8, fps=1), image_seq_len=4,
        chat_template=_template("<image>"),
    )  # fmt: skip
    return SmolVLMForConditionalGeneration(config), processor


def _internvl() -> tuple[Any, Any]:
    from transformers import GotOcr2ImageProcessor as Images
    from transformers import (
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    config = InternVLConfig(
        text_config=_TEXT | dict(model_type="qwen2"), vision_config=_VISION, image_token_id=number("<IMG_CONTEXT>"),
        image_seq_length=4, tie_word_embeddings=False,
    )  # fmt: skip
    size = dict(height=SIDE, width=SIDE)
    processor = InternVLProcessor(
        Images(size=size, crop_to_patches=True, min_patches=1, max_patches=2), tokenizer(),
        InternVLVideoProcessor(size=size), image_seq_length=4, chat_template=_template("<IMG_CONTEXT>\n", "<video>\n"),
    )  # fmt: skip
    return InternVLForConditionalGeneration(config), processor


def _llava_next_video() -> tuple[Any, Any]:
    from transformers import LlavaNextImageProcessor as Images
    from transformers import (
        LlavaNextVideoConfig,
        LlavaNextVideoForConditionalGeneration,
        LlavaNextVideoProcessor,
        LlavaNextVideoVideoProcessor,
    )

    grid = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE]]
    config = LlavaNextVideoConfig(
        text_config=_TEXT | dict(model_type="llama"), vision_config=_VISION | dict(model_type="clip_vision_model"),
        image_token_index=number("<image>"), video_token_index=number("<video>"), image_grid_pinpoints=grid,
        vision_feature_layer=-1, tie_word_embeddings=False,
    )  # fmt: skip
    size = dict(size=dict(shortest_edge=SIDE), crop_size=dict(height=SIDE, width=SIDE))
    processor = LlavaNextVideoProcessor(
        LlavaNextVideoVideoProcessor(**size), Images(**size, image_grid_pinpoints=grid), tokenizer(),
        chat_template=_template("<image>\n", "<video>\n"), patch_size=7, vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )  # fmt: skip
    return LlavaNextVideoForConditionalGeneration(config), processor


def _llava_onevision() -> tuple[Any, Any]:
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, LlavaOnevisionProcessor
    from transformers import LlavaOnevisionImageProcessor as Images
    from transformers import LlavaOnevisionVideoProcessor as Videos

    grid = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE]]
    config = LlavaOnevisionConfig(
        text_config=_TEXT | dict(model_type="qwen2"), vision_config=_VISION | dict(model_type="siglip_vision_model"),
        image_token_index=number("<image>"), video_token_index=number("<video>"), image_grid_pinpoints=grid,
        tie_word_embeddings=False,
    )  # fmt: skip
    size = dict(size=dict(height=SIDE, width=SIDE))
    processor = LlavaOnevisionProcessor(
        Images(**size, image_grid_pinpoints=grid), tokenizer(), Videos(**size), num_image_tokens=16,
        vision_feature_select_strategy="full", chat_template=_template("<image>\n", "<video>\n"),
    )  # fmt: skip
    return LlavaOnevisionForConditionalGeneration(config), processor


def _gemma3() -> tuple[Any, Any]:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
    from transformers import Gemma3ImageProcessor as Images

    config = Gemma3Config(
        text_config=_TEXT | dict(head_dim=12, sliding_window=64, num_hidden_layers=2),
        vision_config=_VISION | dict(model_type="siglip_vision_model"), mm_tokens_per_image=4,
        boi_token_index=number("<start_of_image>"), eoi_token_index=number("<end_of_image>"),
        image_token_index=number("<image>"), tie_word_embeddings=False,
    )  # fmt: skip
    processor = Gemma3Processor(
        Images(size=dict(height=SIDE, width=SIDE)), tokenizer(), chat_template=_template("<start_of_image>"),
        image_seq_length=4,
    )  # fmt: skip
    return Gemma3ForConditionalGeneration(config), processor


FAMILIES = {
    "qwen2_vl": _qwen2_vl, "qwen2_5_vl": _qwen2_5_vl, "qwen3_vl": _qwen3_vl, "smolvlm": _smolvlm,
    "internvl": _internvl, "llava_next_video": _llava_next_video, "llava_onevision": _llava_onevision,
    "gemma3": _gemma3,
}  # fmt: skip
VIDEOS = [family for family in FAMILIES if family != "gemma3"]
"""Families with video of their own."""


def wordy(model: Any, seed: int = 0) -> Any:
    """The model with weights that make it say words, other ones of other pictures."""
    made = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.dim() >= 2 and not name.endswith("lm_head.weight"):
                weight.copy_(torch.randn(weight.shape, generator=made) * (0.3 if "embed" not in name else 0.5))
        head = model.get_output_embeddings().weight
        head.zero_()
        said = sorted(
            [
                i
                for word, i in tokenizer().get_vocab().items()
                if word[0] == "Ġ" and word[1:].isascii() and len(word) > 3
            ]
        )
        said = [2, *said]
        head[said] = torch.randn(len(said), head.shape[1], generator=made)
    return model


def folder(path: Path, family: str) -> Path:
    """The folder of a random model, the same each time, as the hub has it."""
    return _saved(path, FAMILIES[family], wordy)


def larger(path: Path) -> Path:
    """The folder of an untrained Qwen2-VL of 30 M parameters, for benchmarks."""
    text = dict(
        hidden_size=512, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=4,
        head_dim=64, rope_parameters=_rope(16, 8, 8),
    )  # fmt: skip
    vision = dict(embed_dim=128, hidden_size=512, num_heads=4, depth=4)
    return _saved(path, lambda: _qwen("Qwen2VL", vision, 14, text), lambda model: model)


def _saved(path: Path, made: Callable[[], tuple[Any, Any]], filled: Callable[[Any], Any]) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, processor = made()
    model = filled(model)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path


class Noise(Picture):
    """Noise in memory: blocks of colour, another for each name."""

    def pixels(self) -> np.ndarray:
        seed, width, height = map(int, self.path.name.split("x"))
        blocks = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
        return np.kron(blocks, np.ones((height // 5, width // 5, 1), np.uint8))


def slot(index: int, frames: int = 3, evidence: tuple[Evidence, ...] = (), size: tuple[int, int] = (80, 60)) -> Slot:
    """A slot of four seconds, with keyframes of noise at uneven times."""
    span = Span(4000 * index, 4000 * (index + 1))
    shot = Shot(index, span)
    times = [span.start + 100 + 1000 * i + 7 * i * i for i in range(frames)]
    names = [f"{100 * index + i}x{size[0]}x{size[1]}" for i in range(frames)]
    keyframes = [Keyframe(i, times[i], shot, Noise(Path(names[i])), sharpness=float(i)) for i in range(frames)]
    return Slot(index, span, tuple(keyframes), Context(evidence))


def text(value: str, at: int = 0, left: float = 0.1, top: float = 0.1, confidence: float = 0.9) -> Evidence:
    """A line read in the first slot."""
    return Evidence("text", Span(at, at + 4000), value, confidence, "fake", Box(left, top, left + 0.2, top + 0.1))


def thing(value: str, at: int = 0, confidence: float = 0.8, length: int = 4000) -> Evidence:
    """An object seen in the first slot."""
    return Evidence("object", Span(at, at + length), value, confidence, "fake", Box(0.07, 0.21, 0.5, 0.9))


def changed(path: Path, name: str, **values: Any) -> None:
    """Writes other values into a JSON file of a folder; None takes a key out."""
    file = path / name
    known = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({key: value for key, value in (known | values).items() if value is not None}))


def captioner(place: Path, **options: Any) -> Any:
    """The captioner with a model, loaded; answers are short."""
    from vdesc_vlm import Vlm

    made = Vlm(Vlm.Options(**dict(model=str(place), max_tokens=10) | options))
    made.load("cpu")
    return made


CONFIGURATION = """
from pathlib import Path
from transformers import LlamaConfig

Path(r"{ran}").touch()


class FakeConfig(LlamaConfig):
    model_type = "fakeclova"
"""
MODELING = """
from transformers import LlamaForCausalLM
from .configuration_fake import FakeConfig


class FakeForCausalLM(LlamaForCausalLM):
    config_class = FakeConfig

    def forward(self, input_ids=None, attention_mask=None, pixel_values=None, **more):
        return super().forward(input_ids=input_ids, attention_mask=attention_mask, **more)
"""
PROCESSING = """
from transformers import BatchFeature
from transformers.processing_utils import ProcessorMixin


class FakeProcessor(ProcessorMixin):
    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **more):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def __call__(self, images=None, text=None, **more):
        if {alone} and any(len(some) > 1 for some in images):
            raise ValueError("one image at a time")
        made = self.tokenizer(text, padding=True, return_tensors="pt")
        pixels = self.image_processor([one for some in images for one in some], return_tensors="pt")
        return BatchFeature({{**made, **pixels}})
"""
CLOVA = (
    "{% for message in messages %}{% for part in message.content %}{% if part.type == 'image' %}<|begin|>image/aux\n"
    '{"ocr": "{{ part.ocr }}", "lens_keywords": "{{ part.lens_keywords }}", '
    '"lens_local_keywords": "{{ part.lens_local_keywords }}"}<|end|>\n'
    "{% else %}<|begin|>user\n{{ part.text }}<|end|>\n{% endif %}{% endfor %}{% endfor %}<|begin|>assistant\n"
)


@cache
def _modules() -> None:
    """A place of the tests' own, for good, for the copies that transformers makes of code that it runs."""
    from transformers import dynamic_module_utils

    dynamic_module_utils.HF_MODULES_CACHE = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, dynamic_module_utils.HF_MODULES_CACHE, ignore_errors=True)


def clova(path: Path, alone: bool = False) -> Path:
    """A model with code and message slots of its own, as HyperCLOVA X SEED Vision's; the file `ran` tells that it ran.

    `alone` makes its processor refuse several images in one prompt.
    """
    from transformers import CLIPImageProcessor, LlamaConfig, LlamaForCausalLM

    _modules()
    wordy(LlamaForCausalLM(LlamaConfig(**_TEXT))).save_pretrained(path)
    tokenizer().save_pretrained(path)
    CLIPImageProcessor(size=dict(shortest_edge=SIDE), crop_size=dict(height=SIDE, width=SIDE)).save_pretrained(path)
    (path / "chat_template.jinja").write_text(CLOVA)
    (path / "configuration_fake.py").write_text(CONFIGURATION.format(ran=path / "ran"))
    (path / "modeling_fake.py").write_text(MODELING)
    (path / "processing_fake.py").write_text(PROCESSING.format(alone=alone))
    own = {"AutoConfig": "configuration_fake.FakeConfig", "AutoModelForCausalLM": "modeling_fake.FakeForCausalLM"}
    changed(path, "config.json", model_type="fakeclova", architectures=["FakeForCausalLM"], auto_map=own)
    processor = {"AutoProcessor": "processing_fake.FakeProcessor"}
    changed(path, "processor_config.json", processor_class="FakeProcessor", auto_map=processor)
    return path
