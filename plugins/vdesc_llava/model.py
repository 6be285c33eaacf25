"""The model: a frozen vision tower, a projector, an LLM. The class that is trained is the class that captions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_outputs import CausalLMOutput
from vdesc import ModelError

from . import projectors
from .bases import check_fit, word_scale
from .config import LlavaConfig
from .decoding import Decoding, Said, answers
from .dialogue import Dialogue
from .pooling import grouped, over_space, over_time
from .positions import Positions
from .static import StaticSteps
from .steps import Steps
from .tower import features as tower_features

AT_ONCE = {"cpu": 8}  # pictures through the tower; elsewhere `AT_ONCE_ELSEWHERE`
AT_ONCE_ELSEWHERE = 64

__all__ = ["LlavaModel", "Said"]


class LlavaModel(nn.Module):
    """Captions of clips: `encode` (pixels to features), `project` (features to visual tokens), `llm` (tokens to words).

    Args:
        config: what it is made of.
        tower: the vision encoder; None for a model that only reads features from a cache.
        llm: a causal LM of transformers, perhaps with an adapter of peft's.
        tokenizer: of the LLM.
        fresh: whether projector and positions get weights of their own, rather than none yet.
    Raises:
        ModelError: the parts do not fit one another.
    """

    def __init__(self, config: LlavaConfig, tower: nn.Module | None, llm: Any, tokenizer: Any, fresh: bool = True):
        super().__init__()
        check_fit(config, tower, llm, tokenizer)
        self.config, self.tokenizer = config, tokenizer
        self.tower, self.llm = tower, llm
        with torch.device(torch.get_default_device() if fresh else "meta"):
            self.projector = projectors.build(config, word_scale(llm) if fresh else None)
            self.positions = Positions(config)

    @property
    def device(self) -> torch.device:
        """Where the projector is."""
        return next(self.projector.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the projector."""
        return next(self.projector.parameters()).dtype

    @cached_property
    def dialogue(self) -> Dialogue:
        """How it is asked, in tokens."""
        return Dialogue(self.tokenizer, self.config.template, self.config.video_id)

    def prompt_ids(self, instruction: str) -> list[int]:
        """Token ids of an instruction in the LLM's template, the video's place in it. Nothing in it becomes special."""
        return self.dialogue.prompt(instruction)

    def answer_ids(self, caption: str) -> list[int]:
        """Token ids of a caption and of the end of the turn."""
        return self.dialogue.answer(caption)

    def train(self, mode: bool = True) -> LlavaModel:
        """Training mode; the tower stays as it is."""
        super().train(mode)
        if self.tower is not None:
            self.tower.eval()
        return self

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Features (n, frames, patches, width) of preprocessed pixels (n, frames, 3, height, width)."""
        if self.tower is None:
            raise ModelError("llava: this model was loaded without its vision tower, so it reads cached features only")
        some = next(self.tower.parameters())
        at_once = AT_ONCE.get(some.device.type, AT_ONCE_ELSEWHERE)
        parts = pixels.flatten(0, 1).split(at_once)
        settings = self.config.layer, self.config.cls
        found = [tower_features(self.tower, part.to(some.device, some.dtype), *settings) for part in parts]
        return torch.cat(found).unflatten(0, pixels.shape[:2])

    def project(self, features: Tensor, times: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Visual tokens (n, tokens, hidden) of features (n, frames, patches, width).

        Args:
            times: float32 (n, frames), seconds from the start of the clip.
            present: bool (n, frames), false where there is no such frame; its tokens, if it has some, mean nothing
                (`visible`).
        """
        width = self.config.width
        if features.shape[-1] != width:
            raise ModelError(f"llava: features are {features.shape[-1]} wide, but the projector reads {width}")
        features = features.to(self.device, self.dtype)
        if self.config.normalize:
            features = functional.layer_norm(features, (width,))
        features = self.positions(features, None if times is None else times.to(self.device))
        features = self._pooled(features, self._present(features, present))
        absent = None
        if present is not None and self.config.resamples:
            absent = ~self._groups(present.to(self.device)).repeat_interleave(features.shape[2], dim=1)
            absent = absent & ~absent.all(-1, keepdim=True)  # a clip without any frame must not make others NaN
        return self.projector(features.flatten(1, 2), absent)

    def visible(self, tokens: int, present: Tensor) -> Tensor:
        """Bool (n, tokens): which of so many visual tokens mean something, given which frames (n, frames) are there."""
        if self.config.resamples:
            return present.any(-1, keepdim=True).expand(-1, tokens)
        groups = self._groups(present)
        return groups.repeat_interleave(tokens // groups.shape[1], dim=1)

    @staticmethod
    def _present(features: Tensor, present: Tensor | None) -> Tensor:
        if present is None:
            return torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        return present.to(features.device)

    def _groups(self, present: Tensor) -> Tensor:
        """Which groups of `pool_time` frames have one that is there: (n, groups)."""
        return grouped(present, self.config.pool_time).any(2)

    def _pooled(self, features: Tensor, present: Tensor) -> Tensor:
        """Features averaged over squares of patches, and over frames that are there."""
        if self.config.pool > 1:
            features = over_space(features, self.config.pool, self.config.cls)
        features = features.masked_fill(~present[..., None, None], 0)
        return features if self.config.pool_time == 1 else over_time(features, self.config.pool_time, present)

    def forward(
        self,
        *,
        features: Tensor | None = None,
        pixels: Tensor | None = None,
        times: Tensor | None = None,
        present: Tensor | None = None,
        input_ids: Tensor,
        labels: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> CausalLMOutput:
        """Logits, and the loss of captions, given their clips.

        Args:
            features: (n, frames, patches, width), from `encode`; or give `pixels`, as `encode` takes them.
            times, present: see `project`.
            input_ids: (n, length), of `prompt_ids` and `answer_ids`; the visual tokens take the place of `video_id`.
            labels: (n, length), the tokens to learn, -100 elsewhere.
            attention_mask: (n, length), 0 on padding, left or right.
        Returns:
            Without labels, `logits` (n, length - 1 + visual tokens, vocabulary). With them, `loss`, the mean
            cross-entropy of the labels that are not -100, and `logits` (those labels, vocabulary), in order: what need
            not be learned does not reach the widest layer.
        """
        if features is None:
            assert pixels is not None, "features or pixels"
            features = self.encode(pixels)
        embeds, mask, labels = self._spliced(features, times, present, input_ids, attention_mask, labels)
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        given: dict[str, Any] = dict(inputs_embeds=embeds, attention_mask=mask, position_ids=places, use_cache=False)
        if labels is None:
            return CausalLMOutput(logits=self.llm(**given).logits)
        columns = (labels != -100).any(0).nonzero()
        keep = labels.shape[1] - (int(columns[0]) if len(columns) else labels.shape[1] - 1) + 1
        logits = self.llm(**given, logits_to_keep=keep).logits[:, :-1]
        wanted = labels[:, labels.shape[1] - logits.shape[1] :]
        real = wanted != -100
        logits, wanted = logits[real], wanted[real]
        loss = functional.cross_entropy(logits.float(), wanted) if len(wanted) else logits.sum() + 0 * embeds.sum()
        return CausalLMOutput(loss=loss, logits=logits)

    def _spliced(
        self,
        features: Tensor,
        times: Tensor | None,
        present: Tensor | None,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        labels: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Embeddings, attention mask and labels of rows in which the visual tokens stand in their place."""
        input_ids = input_ids.to(self.device)
        video = input_ids == self.config.video_id
        if not bool((video.sum(1) == 1).all()):
            raise ModelError("llava: each row of input_ids has the video's number once: take them from prompt_ids")
        words = self.llm.get_input_embeddings()(input_ids.masked_fill(video, 0))
        visual = self.project(features, times, present).to(words.dtype)
        count, length = visual.shape[1], input_ids.shape[1] - 1 + visual.shape[1]
        self._check_length(length)
        index = _splice(video.int().argmax(1), input_ids.shape[1], count)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.to(self.device)
        seen = mask.new_ones(len(mask), count)
        if present is not None:
            seen = self.visible(count, present.to(self.device)).to(mask.dtype)
        embeds = torch.cat([words, visual], 1).gather(1, index[..., None].expand(-1, -1, words.shape[-1]))
        if labels is not None:
            labels = torch.cat([labels.to(self.device), torch.full_like(seen, -100)], 1).gather(1, index)
        return embeds, torch.cat([mask, seen], 1).gather(1, index), labels

    def _check_length(self, length: int) -> None:
        longest = getattr(self.llm.config.get_text_config(), "max_position_embeddings", None)
        if longest and length > longest:
            raise ModelError(
                f"llava: video and words are {length} tokens long, but the LLM reads {longest}: take fewer frames, "
                "pool more, or a projector with queries"
            )

    @torch.inference_mode()
    def generate(
        self,
        features: Tensor,
        instructions: Sequence[str],
        *,
        n: int = 1,
        beams: int = 1,
        sample: bool = False,
        temperature: float = 1.0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        max_tokens: int | None = None,
        times: Tensor | None = None,
        present: Tensor | None = None,
        seed: int = 0,
        numbers: Sequence[int] | None = None,
        static: bool | None = None,
    ) -> list[list[Said]]:
        """Up to `n` different captions of each clip, best first; whole batches at once, with a cache.

        Args:
            features: (clips, frames, patches, width), from `encode`.
            instructions: one for each clip.
            beams: beam width; 1 is greedy; at least `n`, where captions are not sampled.
            sample, temperature, top_p: draw tokens instead.
            repetition_penalty: above 1 makes what a caption has said less likely in it.
            max_tokens: the longest caption with its end; unset: what the config says.
            times, present: see `project`.
            seed: what is drawn, together with `numbers`, by default 0, 1, ..., the clips' own.
            static: a cache of fixed length; unset: on a GPU, where the LLM allows it.
        """
        how = Decoding(
            self.ends, max_tokens or self.config.max_tokens, beams, sample, temperature, top_p, repetition_penalty, seed
        )
        embeds, mask = self._prompted(features, instructions, times, present, how.max_tokens)
        steps = self._steps(embeds, mask, how.max_tokens, static)
        found = answers(steps, how, n, numbers or range(len(features)))
        return [[Said(self._text(a.ids), a.ids, a.logprob, a.finished) for a in some] for some in found]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end a caption; the first is what it learns to say."""
        said = getattr(self.llm, "generation_config", None)
        theirs = getattr(said, "eos_token_id", None)
        others = theirs if isinstance(theirs, list) else [theirs, self.tokenizer.eos_token_id]
        return tuple(dict.fromkeys([self.dialogue.end, *(number for number in others if number is not None)]))

    def _steps(self, embeds: Tensor, mask: Tensor, room: int, static: bool | None) -> Steps:
        if static or (static is None and embeds.is_cuda and StaticSteps.fits(self.llm)):
            return StaticSteps(self.llm, embeds, mask, room)
        return Steps(self.llm, embeds, mask)

    def _prompted(
        self, features: Tensor, instructions: Sequence[str], times: Tensor | None, present: Tensor | None, room: int
    ) -> tuple[Tensor, Tensor]:
        """Embeddings and attention mask of the clips' prompts, padded on the left, with room for an answer."""
        prompts = [self.prompt_ids(instruction) for instruction in instructions]
        longest = max(map(len, prompts))
        rows = [[0] * (longest - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        tensors = torch.tensor(rows), torch.tensor(mask)
        embeds, seen, _ = self._spliced(features, times, present, *tensors)
        self._check_length(embeds.shape[1] + room)
        return embeds, seen

    def _text(self, ids: tuple[int, ...]) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=True).strip()


def _splice(place: Tensor, length: int, count: int) -> Tensor:
    """Where each position of the spliced rows comes from in [words, visual]: (n, length - 1 + count).

    Args:
        place: (n,) of the video's number; length: of the rows; count: of visual tokens.
    """
    at = torch.arange(length - 1 + count, device=place.device)
    offset = at - place[:, None]
    return torch.where(offset < 0, at, torch.where(offset < count, length + offset, at - count + 1))
