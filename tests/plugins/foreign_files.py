"""Small checkpoints as other programs write them, and what those programs make of them, told anew: the oracles.

The oracles are slow on purpose: one image at a time, no cache, the whole sequence through GPT-2 at every token.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel

torch.set_num_threads(1)

WIDTH, FEATURES, SIDE, VOCABULARY, STOP, EOS = 128, 48, 32, 257, 13, 256
"""Of encoder and decoder; of CLIP's projected features; of a picture; GPT-2's letters and its end; "." in GPT-2."""


def noise(count: int, seed: int) -> np.ndarray:
    """Numbers in -1..1 that depend on nothing but `seed`: the 32-bit finaliser of MurmurHash3 over 0, 1, ..."""
    bits = np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B1)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        bits &= np.uint64(0xFFFFFFFF)
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    bits &= np.uint64(0xFFFFFFFF)
    return (bits ^ (bits >> np.uint64(16))) / 2**31 - 1


def filled(module: nn.Module, amount: float = 1.0) -> nn.Module:
    """The module with weights of noise, by name: loud enough that pictures make a difference."""
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            made = torch.from_numpy(noise(value.numel(), zlib.crc32(name.encode()))).float().view_as(value)
            scale = amount * (3 / value.shape[-1]) ** 0.5 if value.dim() > 1 else 0.1
            one = name.endswith("weight") and ("norm" in name or ".ln_" in name or ".bn" in name)
            value.copy_(made * scale + one)
    return module.eval()


def pictures(count: int, seed: int = 7) -> Tensor:
    """Preprocessed pixels (count, 3, SIDE, SIDE)."""
    return torch.from_numpy(noise(count * 3 * SIDE * SIDE, seed)).float().view(count, 3, SIDE, SIDE) * 2


def clip() -> CLIPModel:
    tower = dict(hidden_size=WIDTH, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2)
    vision = tower | dict(image_size=SIDE, patch_size=16)
    text = tower | dict(vocab_size=99, max_position_embeddings=8)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=FEATURES)
    config.vision_config.projection_dim = config.text_config.projection_dim = FEATURES
    return filled(CLIPModel(config), 2)  # type: ignore[return-value]


def gpt2() -> GPT2LMHeadModel:
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=2, n_head=2, n_positions=128, n_inner=512)
    model: Any = filled(GPT2LMHeadModel(config), 3)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(3)
        model.transformer.wpe.weight.mul_(0.3)
        for value in model.transformer.ln_f.parameters():
            value.mul_(0.1)  # logits of a few units, as trained models have
    return model


def stale(prefix: str, layers: int = 2, places: int = 128) -> dict[str, Tensor]:
    """The buffers of GPT-2 that transformers 4 stored among the weights."""
    mask = torch.ones(1, 1, places, places, dtype=torch.uint8)
    return {f"{prefix}transformer.h.{i}.attn.bias": mask for i in range(layers)} | {
        f"{prefix}transformer.h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in range(layers)
    }


def write_tokenizer(folder: Path) -> Path:
    """GPT-2's tokenizer without its merges: 256 letters for bytes, in its own order, and the end."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in shown] + [chr(256 + i) for i in range(256 - len(shown))]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {letter: i for i, letter in enumerate([*letters, "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return folder


class Loop:
    """What the programs have in common: GPT-2 over vectors, the last token's logits.

    Attributes:
        gpt: the language model.
        ends: the number of the token that ends a caption.
    """

    gpt: GPT2LMHeadModel
    ends: int

    def state(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def start(self, pixels: Tensor) -> Tensor:
        """What stands before the words, (rows, width), for one picture."""
        raise NotImplementedError

    @torch.no_grad()
    def logits(self, vectors: Tensor) -> Tensor:
        return self.gpt(inputs_embeds=vectors[None], use_cache=False).logits[0, -1]

    @torch.no_grad()
    def greedy(self, pixels: Tensor, longest: int) -> tuple[list[int], list[Tensor]]:
        """Tokens, and the logits that each was chosen by."""
        vectors, said, seen = self.start(pixels), list[int](), list[Tensor]()
        while len(said) < longest and (not said or said[-1] != self.ends):
            seen.append(self.logits(vectors))
            said.append(int(top_p(seen[-1], 0.8).argmax()))
            vectors = torch.cat([vectors, self.gpt.transformer.wte.weight[said[-1:]]])
        return said, seen

    @torch.no_grad()
    def ending(self, images: Tensor, longest: int) -> "Loop":
        """The same, with the number of the end and of that word exchanged which ends captions most differently."""
        rows = [self.greedy(image, longest)[0] for image in images]
        places = {word: {row.index(word) if word in row else None for row in rows} for row in rows for word in row}
        word = max(sorted(places), key=lambda word: len(places[word]))
        table = self.gpt.transformer.wte.weight
        table[[word, self.ends]] = table[[self.ends, word]].clone()
        return self


def top_p(logits: Tensor, most: float) -> Tensor:
    """The logits with all but the likeliest words forbidden, as ClipCap does before it takes the likeliest."""
    ranked, order = logits.sort(descending=True)
    beyond = ranked.softmax(-1).cumsum(-1) > most
    beyond = torch.cat([torch.tensor([False]), beyond[:-1]])
    return logits.index_fill(0, order[beyond], -torch.inf)


class ClipGpt(Loop, nn.Module):
    """clip-gpt-captioning: CLIP's pooled feature, a transformer encoder, GPT-2; place vectors added over and over."""

    ends = EOS

    def __init__(self) -> None:
        super().__init__()
        self.ie, self.mp, self.td = nn.Module(), nn.Module(), nn.Module()
        self.ie.model = clip().vision_model
        layer = nn.TransformerEncoderLayer(WIDTH, 16, 4 * WIDTH, batch_first=True)
        self.mp.transformer_encoder = nn.TransformerEncoder(layer, 2)
        self.mp.mapper = nn.Linear(WIDTH, 4 * WIDTH)
        filled(self.mp)
        self.td.model = self.gpt = gpt2()
        self.eval()

    def state(self) -> dict[str, Tensor]:
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("gpt.")}
        return own | stale("td.model.") | {"ie.model.embeddings.position_ids": torch.arange(5)[None]}

    @torch.no_grad()
    def start(self, pixels: Tensor) -> Tensor:
        feature = self.ie.model(pixels[None]).pooler_output
        prefix = self.mp.mapper(self.mp.transformer_encoder(feature)).view(4, WIDTH)
        return torch.cat([self.gpt.transformer.wte.weight[EOS:], prefix])

    @torch.no_grad()
    def greedy(self, pixels: Tensor, longest: int = 40) -> tuple[list[int], list[Tensor]]:
        start, said, seen = self.start(pixels), list[int](), list[Tensor]()
        while len(said) < longest and EOS not in said:
            places = self.gpt.transformer.wpe.weight[: len(start) + len(said)]
            if said:
                vectors = torch.cat([start, self.gpt.transformer.wte.weight[said]]) + places
            else:
                start = vectors = start + places  # in place: the start keeps them
            seen.append(self.logits(vectors))
            said.append(int(seen[-1].argmax()))
        return said, seen


class ClipCap(Loop):
    """ClipCap, and NYU's offspring of it: projected features, a mapper, GPT-2.

    Args:
        kind: `mlp`, `transformer`, `concat`, `cross` or `framewise`.
        normalize: whether features are normalised first.
    """

    ends = STOP
    PREFIX, TOKENS, LAYERS = 4, 3, 2

    def __init__(self, kind: str, normalize: bool = False, frames: int = 1):
        self.kind, self.normalize, self.frames = kind, normalize, frames
        self.clip, self.gpt = clip(), gpt2()
        shapes: dict[str, tuple[int, ...]] = {}
        if kind in ("mlp", "framewise"):
            out = WIDTH * (self.PREFIX if kind == "mlp" else 1)
            shapes |= {"model.0.weight": (out // 2, FEATURES), "model.0.bias": (out // 2,)}
            shapes |= {"model.2.weight": (out, out // 2), "model.2.bias": (out,)}
        else:
            out = WIDTH * (self.TOKENS if kind == "transformer" else 1)
            shapes |= {"linear.weight": (out, FEATURES), "linear.bias": (out,), "prefix_const": (self.PREFIX, WIDTH)}
            for i in range(self.LAYERS):
                layer = f"transformer.layers.{i}"
                shapes |= {f"{layer}.norm{k}.{part}": (WIDTH,) for k in (1, 2) for part in ("weight", "bias")}
                shapes |= {f"{layer}.attn.to_queries.weight": (WIDTH, WIDTH)}
                shapes |= {f"{layer}.attn.to_keys_values.weight": (2 * WIDTH, WIDTH)}
                shapes |= {f"{layer}.attn.project.weight": (WIDTH, WIDTH), f"{layer}.attn.project.bias": (WIDTH,)}
                shapes |= {f"{layer}.mlp.fc1.weight": (2 * WIDTH, WIDTH), f"{layer}.mlp.fc1.bias": (2 * WIDTH,)}
                shapes |= {f"{layer}.mlp.fc2.weight": (WIDTH, 2 * WIDTH), f"{layer}.mlp.fc2.bias": (WIDTH,)}
        self.project = nn.ParameterDict({name.replace(".", "/"): torch.empty(shape) for name, shape in shapes.items()})
        filled(self.project)

    def __getitem__(self, name: str) -> Tensor:
        return self.project[name.replace(".", "/")].detach()

    def state(self) -> dict[str, Tensor]:
        own = {f"clip_project.{name.replace('/', '.')}": value.detach() for name, value in self.project.items()}
        return own | {f"gpt.{name}": value for name, value in self.gpt.state_dict().items()} | stale("gpt.")

    @torch.no_grad()
    def features(self, pixels: Tensor) -> Tensor:
        """(frames, FEATURES) of pixels (frames, 3, side, side), or of one picture."""
        pixels = pixels if pixels.dim() == 4 else pixels[None]
        return self.clip.visual_projection(self.clip.vision_model(pixels).pooler_output)

    def start(self, pixels: Tensor) -> Tensor:
        return self.prefix(self.features(pixels))

    def prefix(self, features: Tensor) -> Tensor:
        if self.normalize:
            features = features / features.norm(2, -1, keepdim=True)
        if self.kind in ("mlp", "framewise"):
            hidden = torch.tanh(features @ self["model.0.weight"].T + self["model.0.bias"])
            return (hidden @ self["model.2.weight"].T + self["model.2.bias"]).reshape(-1, WIDTH)
        tokens = (features @ self["linear.weight"].T + self["linear.bias"]).reshape(-1, WIDTH)
        constants = self["prefix_const"]
        if self.kind == "cross":
            return self._blocks(constants, tokens)
        return self._blocks(torch.cat([tokens, constants]), None)[len(tokens) :]

    def _blocks(self, x: Tensor, memory: Tensor | None) -> Tensor:
        for i in range(self.LAYERS):
            layer = f"transformer.layers.{i}"
            normed = self._norm(x, f"{layer}.norm1")
            x = x + self._attention(normed, normed if memory is None else memory, f"{layer}.attn")
            hidden = self._norm(x, f"{layer}.norm2") @ self[f"{layer}.mlp.fc1.weight"].T + self[f"{layer}.mlp.fc1.bias"]
            x = x + hidden.relu() @ self[f"{layer}.mlp.fc2.weight"].T + self[f"{layer}.mlp.fc2.bias"]
        return x

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return nn.functional.layer_norm(x, (WIDTH,), self[f"{name}.weight"], self[f"{name}.bias"])

    def _attention(self, x: Tensor, memory: Tensor, name: str) -> Tensor:
        queries = (x @ self[f"{name}.to_queries.weight"].T).view(len(x), 8, WIDTH // 8)
        both = (memory @ self[f"{name}.to_keys_values.weight"].T).view(len(memory), 2, 8, WIDTH // 8)
        shares = torch.einsum("nhd,mhd->nmh", queries, both[:, 0]) * (WIDTH // 8) ** -0.5
        mixed = torch.einsum("nmh,mhd->nhd", shares.softmax(1), both[:, 1]).reshape(len(x), WIDTH)
        return mixed @ self[f"{name}.project.weight"].T + self[f"{name}.project.bias"]

    @torch.no_grad()
    def beams(self, pixels: Tensor, longest: int, width: int = 5) -> list[list[int]]:
        """The beams' tokens, best first: plain lists of (mean score, tokens)."""
        start, rows = self.start(pixels), [(0.0, list[int]())]
        for _ in range(longest):
            grown = []
            for mean, said in rows:
                if said and said[-1] == STOP:
                    grown.append((mean, said))
                    continue
                vectors = torch.cat([start, self.gpt.transformer.wte.weight[said]])
                likely = self.logits(vectors).log_softmax(-1)
                sums = ((mean * len(said) + likely) / (len(said) + 1)).tolist()
                grown += [(value, [*said, word]) for word, value in enumerate(sums)]
            rows = sorted(grown, key=lambda row: -row[0])[:width]
            if all(said[-1] == STOP for _, said in rows):
                break
        return [said for _, said in rows]


class ResNet:
    """CLIP's convolutional encoder, RN50x4 in small, told by functions over a table of tensors."""

    WIDTH, LAYERS, SIDE = 8, (1, 2, 1, 1), 2

    def __init__(self) -> None:
        width, wide = self.WIDTH, 32 * self.WIDTH
        shapes = {"attnpool.positional_embedding": (self.SIDE**2 + 1, wide)}
        for part, out in (("q", wide), ("k", wide), ("v", wide), ("c", FEATURES)):
            shapes |= {f"attnpool.{part}_proj.weight": (out, wide), f"attnpool.{part}_proj.bias": (out,)}
        convolutions = {"conv1": (width // 2, 3, 3), "conv2": (width // 2, width // 2, 3)}
        convolutions |= {"conv3": (width, width // 2, 3)}
        come = width
        for i, blocks in enumerate(self.LAYERS):
            planes = width * 2**i
            for j in range(blocks):
                block = f"layer{i + 1}.{j}"
                convolutions |= {f"{block}.conv1": (planes, come, 1), f"{block}.conv2": (planes, planes, 3)}
                convolutions |= {f"{block}.conv3": (4 * planes, planes, 1)}
                convolutions |= {} if j else {f"{block}.downsample.0": (4 * planes, come, 1)}
                come = 4 * planes
        for name, (out, into, size) in convolutions.items():
            norm = name.replace("conv", "bn").replace("downsample.0", "downsample.1")
            shapes |= {f"{name}.weight": (out, into, size, size)}
            shapes |= {f"{norm}.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")}
        self.table = {}
        for name, shape in shapes.items():
            value = torch.from_numpy(noise(int(np.prod(shape)), zlib.crc32(name.encode()))).float().view(shape)
            one = len(shape) == 1 and name.endswith(("weight", "running_var"))
            self.table[name] = value / max(1, np.prod(shape[1:])) ** 0.5 * 2 if len(shape) > 1 else 0.3 * value + one

    def save(self, folder: Path) -> Path:
        """open_clip's file, in a folder of its own."""
        from safetensors.torch import save_file

        folder.mkdir()
        text = {"logit_scale": torch.zeros(()), "transformer.resblocks.0.ln_1.weight": torch.ones(4)}
        counters = {"visual.bn1.num_batches_tracked": torch.tensor(0)}
        state = {f"visual.{name}": value.contiguous() for name, value in self.table.items()}
        save_file(state | text | counters, folder / "open_clip_model.safetensors")
        return folder

    def __call__(self, pixels: Tensor) -> Tensor:
        x = pixels
        for name, stride in (("conv1", 2), ("conv2", 1), ("conv3", 1)):
            x = self._convolved(x, name, stride).relu()
        x = nn.functional.avg_pool2d(x, 2)
        for i, blocks in enumerate(self.LAYERS):
            for j in range(blocks):
                x = self._block(x, f"layer{i + 1}.{j}", 2 if i and not j else 1)
        cells = x.flatten(2).permute(2, 0, 1)
        cells = torch.cat([cells.mean(0, keepdim=True), cells])
        cells = cells + self.table["attnpool.positional_embedding"][:, None]
        pool = {name.removeprefix("attnpool."): value for name, value in self.table.items() if "attnpool" in name}
        return nn.functional.multi_head_attention_forward(
            cells[:1], cells, cells, cells.shape[-1], cells.shape[-1] // 64, None,
            torch.cat([pool["q_proj.bias"], pool["k_proj.bias"], pool["v_proj.bias"]]), None, None, False, 0.0,
            pool["c_proj.weight"], pool["c_proj.bias"], use_separate_proj_weight=True, training=False,
            need_weights=False, **{f"{part}_proj_weight": pool[f"{part}_proj.weight"] for part in "qkv"},
        )[0][0]  # fmt: skip

    def _block(self, x: Tensor, name: str, stride: int) -> Tensor:
        y = self._convolved(x, f"{name}.conv1").relu()
        y = nn.functional.avg_pool2d(self._convolved(y, f"{name}.conv2").relu(), stride)
        y = self._convolved(y, f"{name}.conv3")
        if f"{name}.downsample.0.weight" in self.table:
            x = self._convolved(nn.functional.avg_pool2d(x, stride), f"{name}.downsample.0")
        return (x + y).relu()

    def _convolved(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = self.table[f"{name}.weight"]
        norm = name.replace("conv", "bn").replace("downsample.0", "downsample.1")
        mean, variance, scale, shift = (
            self.table[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = nn.functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def write(program: Loop, folder: Path, name: str = "model.pt", **training: Any) -> Path:
    """The program's file with a tokenizer beside it, as a state dict, or within the record of a training run."""
    write_tokenizer(folder)
    state = {name: value.clone() for name, value in program.state().items()}
    torch.save({"model_state_dict": state, **training} if training else state, folder / name)
    return folder / name
