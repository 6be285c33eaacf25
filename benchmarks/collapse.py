"""Whether each projector tells clips apart: diversity of its captions, and retrieval of captions by clips.

    python benchmarks/collapse.py TABLE STORE [--projectors linear,mlp2x] [--ways "shipped;plain"] [--speaker FILE]

Clips are pairs of Flickr8k's photos, captioned "FIRST, then SECOND"; the photos' features lie in the table's store
STORE (any run of `vdesc train clipgpt` with `features: cached` leaves one). An LLM from scratch first learns to speak,
with an mlp2x projector, and is then fixed: what is measured is what a fresh projector alone learns, which is stage 1.
The ways are the ablation: each changes one thing (`WAYS`). The LLM is kept in FILE, and taken from there the next time.
Diversity is the share of different captions; recall is how often a clip's own caption is the likeliest of `--among`
(chance: 1 in so many).
"""

import argparse
import copy
import random
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM
from vdesc_llava.config import LlavaConfig, base_config
from vdesc_llava.model import LlavaModel
from vdesc_llava.training.beginning import learned
from vdesc_llava.training.clips import collate
from vdesc_llava.training.contrast import contrast
from vdesc_training.features import FeatureStore
from vdesc_training.table import Item, read_table

LLM = dict(
    model_type="qwen3", hidden_size=128, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, head_dim=32, max_position_embeddings=512, tie_word_embeddings=True,
)  # fmt: skip
ASKED = "Describe."
WAYS: dict[str, dict[str, Any]] = {
    "shipped": {},
    "plain": {"init": "plain"},
    "raw": {"init": "plain", "normalize": False},
    "no positions": {"frame_positions": False, "time_positions": False},
    "4 queries": {"queries": 4},
    "64 queries": {"queries": 64},
    "rate / 10": {"rate": 0.1},
    "plain + rate / 10": {"init": "plain", "rate": 0.1},
    "aligned": {"align": 0.1},
    "plain + aligned": {"init": "plain", "align": 0.1},
    "54 steps": {"steps": 0.036},
    "plain + 54 steps": {"init": "plain", "steps": 0.036},
    "raw + 54 steps": {"init": "plain", "normalize": False, "steps": 0.036},
    "LLM learns": {"whole": True},
    "LLM learns, and is lost": {"whole": True, "lost": True},
}
"""By name: settings of the model, and of its training (`TRAINING`)."""
TRAINING = {"rate": 1.0, "steps": 1.0, "align": 0.0, "whole": False, "lost": False}
"""Factors of the rate and the steps (54 are two epochs of 865 clips in batches of 32, which the predecessor had), the
weight of the contrastive loss, whether the LLM learns as well, and whether what it learned is thrown away before the
measurement, as where adapters are not saved."""


class Clips:
    """Pairs of a split's photos: drawn anew each time, or a fixed set of them."""

    def __init__(self, table: Path, store: FeatureStore, split: str):
        self.items = [item for item in read_table(table, split) if item.id in store]
        self.store = store

    def draw(self, chance: random.Random) -> tuple[Tensor, str]:
        """Features (2, tokens, width) and the caption."""
        pair = chance.sample(self.items, 2)
        return torch.cat([self.store.get(item.id)[:1] for item in pair]), ", then ".join(
            _said(item, chance) for item in pair
        )


def _said(item: Item, chance: random.Random) -> str:
    short = sorted(item.captions, key=len)[:3]  # long ones cost time and teach no more
    return chance.choice(short).rstrip(" .").lower()


def batch(model: LlavaModel, clips: list[tuple[Tensor, str]]) -> dict[str, Any]:
    """What `forward` takes."""
    seconds = torch.tensor([0.25, 0.75])
    rows = [
        {"id": str(i), "features": shown.float(), "times": seconds, "captions": [model.answer_ids(text)]}
        for i, (shown, text) in enumerate(clips)
    ]
    made = collate(rows, model.prompt_ids(ASKED), model.tokenizer.pad_token_id)
    return {key: value for key, value in made.items() if key not in ("broken", "owner")}


def learn(model: LlavaModel, clips: Clips, args: argparse.Namespace, how: dict[str, Any]) -> float:
    """Trains the projector, or the LLM as well; the loss of the last tenth of the steps."""
    whole, rate, steps, align = how["whole"], args.rate * how["rate"], round(args.steps * how["steps"]), how["align"]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(whole or not name.startswith("llm."))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.05)
    chance, losses = random.Random(args.seed + whole), []
    seen: list[Tensor] = []
    hook = model.projector.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model.train()
    for _ in range(steps):
        given = batch(model, [clips.draw(chance) for _ in range(args.batch)])
        loss = model(**given).loss
        losses.append(loss.item())
        if align:
            real = given["labels"] != -100
            words = model.llm.get_input_embeddings()(given["labels"].masked_fill(~real, 0)).detach()
            loss = loss + align * contrast(seen[-1], words, real, torch.eye(args.batch, dtype=torch.bool))
        seen.clear()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    hook.remove()
    return statistics.mean(losses[-max(1, steps // 10) :])


@torch.inference_mode()
def measure(model: LlavaModel, clips: list[tuple[Tensor, str]], among: int) -> tuple[float, float, list[str]]:
    """Diversity of what is said of the clips, the recall of their captions among so many, and what was said."""
    model.eval()
    shown = torch.stack([features.float() for features, _ in clips])
    seconds = torch.tensor([[0.25, 0.75]] * len(clips))
    said = [some[0].text for some in model.generate(shown, [ASKED] * len(clips), times=seconds)]
    hits = sum(_found(model, clips, i, among) for i in range(len(clips)))
    return len(set(said)) / len(said), hits / len(clips), said


def _found(model: LlavaModel, clips: list[tuple[Tensor, str]], i: int, among: int) -> bool:
    """Whether the clip's own caption is the likeliest, per token, of its and the next ones'."""
    texts = [clips[(i + k) % len(clips)][1] for k in range(among)]
    given = batch(model, [(clips[i][0], text) for text in texts])
    real = given["labels"] != -100
    wanted = given["labels"][real]
    losses = functional.cross_entropy(model(**given).logits.float(), wanted, reduction="none")
    each = [some.mean().item() for some in losses.split(real.sum(1).tolist())]
    return each[0] == min(each)


def speaker(settings: dict[str, Any], tokenizer: Any, clips: Clips, args: argparse.Namespace) -> Any:
    """An LLM that speaks as captions do: of the file, or taught now."""
    llm = AutoModelForCausalLM.from_config(base_config(LLM | {"vocab_size": len(tokenizer)}))
    if args.speaker and args.speaker.exists():
        llm.load_state_dict(torch.load(args.speaker, weights_only=True))
        return llm
    teacher = LlavaModel(LlavaConfig(**settings, projector="mlp2x", pool=2), None, llm, tokenizer)
    began = time.perf_counter()
    loss = learn(teacher, clips, args, TRAINING | {"whole": True})
    print(f"the LLM speaks: loss {loss:.2f} after {args.steps} steps, {time.perf_counter() - began:.0f} s", flush=True)
    if args.speaker:
        torch.save(llm.state_dict(), args.speaker)
    return llm


def main() -> None:
    """Prints a line for each way and projector."""
    args = arguments()
    torch.manual_seed(args.seed)
    store = FeatureStore(args.table, args.store)
    train, val = Clips(args.table, store, "train"), Clips(args.table, store, "val")
    chance = random.Random(7)
    held_out = [val.draw(chance) for _ in range(args.clips)]
    tokenizer = learned((_said(item, chance) for item in train.items for _ in range(3)), 2000)
    settings = dict(
        tower_config=dict(model_type="clip_vision_model", hidden_size=held_out[0][0].shape[-1], num_attention_heads=4),
        frames=2, queries=16, heads=4, max_tokens=48, llm_config=LLM | {"vocab_size": len(tokenizer)}, dropout=0.0,
    )  # fmt: skip
    llm = speaker(settings, tokenizer, train, args)
    print(f"{'way':25}{'projector':14}{'loss':>8}{'diversity':>11}{'recall':>8}  (chance {1 / args.among:.3f})")
    for way in args.ways.split(";"):
        for name in args.projectors.split(","):
            torch.manual_seed(args.seed)
            pool = 2 if name in ("linear", "mlp2x") else 1
            own = {key: value for key, value in WAYS[way].items() if key not in TRAINING}
            model = LlavaModel(LlavaConfig(**settings | {"projector": name, "pool": pool} | own), None, llm, tokenizer)
            how = TRAINING | {key: value for key, value in WAYS[way].items() if key in TRAINING}
            before = copy.deepcopy(llm.state_dict())
            loss = learn(model, train, args, how)
            if how["lost"]:
                llm.load_state_dict(before)
            diversity, recall, said = measure(model, held_out, args.among)
            llm.load_state_dict(before)
            print(f"{way:25}{name:14}{loss:8.2f}{diversity:11.2f}{recall:8.2f}   e.g. {said[0]}", flush=True)


def arguments() -> argparse.Namespace:
    """What the person asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("store")
    parser.add_argument("--projectors", default="linear,mlp2x,perceiver,c_abstractor")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--among", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", default="shipped", help=f"with ; between them, of {'; '.join(WAYS)}; or all")
    parser.add_argument("--speaker", type=Path, help="where the LLM is kept")
    args = parser.parse_args()
    args.ways = ";".join(WAYS) if args.ways == "all" else args.ways
    return args


if __name__ == "__main__":
    main()
