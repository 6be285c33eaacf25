"""Projectors of llava: E's keys, shapes and counts; the same numbers as code that shares nothing with them."""

import llava_samples as samples
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from vdesc import ModelError
from vdesc_llava import projectors
from vdesc_llava.config import PROJECTORS, LlavaConfig
from vdesc_llava.foreign import CLIP, QWEN

State = dict[str, Tensor]
COUNTS = {"linear": 4_198_400, "mlp2x": 20_979_712, "c_abstractor": 205_840_384, "perceiver": 541_495_296}
TOKENS = {"linear": 4608, "mlp2x": 4608, "c_abstractor": 64, "perceiver": 64}


def built(kind: str, **more: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return projectors.build(samples.config(kind, **more)).eval()


@pytest.mark.parametrize("kind", PROJECTORS)
def test_the_count_of_weights_and_tokens_is_that_of_system_e(kind: str) -> None:
    with torch.device("meta"):
        made = projectors.build(LlavaConfig(projector=kind, tower_config=CLIP, llm_config=QWEN)).eval()
        tokens = made(torch.empty(1, 8 * 576, 1024))
    assert sum(weight.numel() for weight in made.parameters()) == COUNTS[kind]
    assert tokens.shape == (1, TOKENS[kind], 4096)


def keys_of_e(kind: str) -> set[str]:
    """The keys that system E's notebooks show."""

    def both(*names: str) -> set[str]:
        return {f"{name}.{part}" for name in names for part in ("weight", "bias")}

    def attention(name: str) -> set[str]:
        return {f"{name}.in_proj_weight", f"{name}.in_proj_bias"} | both(f"{name}.out_proj")

    if kind == "linear":
        return both("proj")
    if kind == "mlp2x":
        return both("proj.0", "proj.2")
    if kind == "c_abstractor":
        return {"queries"} | both("input_proj", "norm1", "norm2", "ffn.0", "ffn.3") | attention("cross_attn")
    layers = set()
    for i in (0, 1):
        names = both("norm1", "norm2", "norm3", "ffn.0", "ffn.3") | attention("self_attn") | attention("cross_attn")
        layers |= {f"layers.{i}.{name}" for name in names}
    return {"queries"} | both("input_proj", "output_norm") | layers


@pytest.mark.parametrize("kind", PROJECTORS)
def test_the_keys_are_those_of_system_e(kind: str) -> None:
    assert set(built(kind).state_dict()) == keys_of_e(kind)


def line(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state: State, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    shown = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return shown * state[f"{name}.weight"] + state[f"{name}.bias"]


def attended(state: State, name: str, asked: Tensor, read: Tensor, heads: int) -> Tensor:
    weights, biases = state[f"{name}.in_proj_weight"].chunk(3), state[f"{name}.in_proj_bias"].chunk(3)
    inputs = (asked, read, read)
    q, k, v = (x @ w.T + b for x, w, b in zip(inputs, weights, biases, strict=True))
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    shares = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return line(state, f"{name}.out_proj", (shares @ v).transpose(1, 2).flatten(2))


def fed(state: State, name: str, x: Tensor) -> Tensor:
    inner = line(state, f"{name}.0", x)
    return line(state, f"{name}.3", inner * 0.5 * (1 + torch.erf(inner / 2**0.5)))


def reference(kind: str, state: State, features: Tensor, heads: int) -> Tensor:
    """System E's projectors, written from its description, without torch's modules."""
    if kind == "linear":
        return line(state, "proj", features)
    if kind == "mlp2x":
        inner = line(state, "proj.0", features)
        return line(state, "proj.2", inner * 0.5 * (1 + torch.erf(inner / 2**0.5)))
    read = line(state, "input_proj", features)
    asked = state["queries"].expand(len(read), -1, -1)
    if kind == "c_abstractor":
        asked = norm(state, "norm1", asked + attended(state, "cross_attn", asked, read, heads))
        return norm(state, "norm2", asked + fed(state, "ffn", asked))
    for i in range(2):
        inside = {key.removeprefix(f"layers.{i}."): value for key, value in state.items()}
        asked = norm(inside, "norm1", asked + attended(inside, "self_attn", asked, asked, heads))
        asked = norm(inside, "norm2", asked + attended(inside, "cross_attn", asked, read, heads))
        asked = norm(inside, "norm3", asked + fed(inside, "ffn", asked))
    return norm(state, "output_norm", asked)


def foreign_state(kind: str, width: int, hidden: int, queries: int = 6, seed: int = 0) -> State:
    """A random state of E's keys and shapes, made without our modules."""
    drawn = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]] = {}
    for key in sorted(keys_of_e(kind)):
        wide = {"in_proj_weight": (3 * hidden, hidden), "in_proj_bias": (3 * hidden,), "queries": (queries, hidden)}
        last = key.rpartition(".")[2]
        into = width if key.startswith(("proj.weight", "proj.0", "input_proj")) else hidden
        if last in wide:
            shapes[key] = wide[last]
        elif "norm" in key:
            shapes[key] = (hidden,)
        elif ".ffn.0" in f".{key}":
            shapes[key] = (4 * hidden, hidden) if last == "weight" else (4 * hidden,)
        elif ".ffn.3" in f".{key}":
            shapes[key] = (hidden, 4 * hidden) if last == "weight" else (hidden,)
        else:
            shapes[key] = (hidden, into) if last == "weight" else (hidden,)
    return {key: torch.randn(shape, generator=drawn) * 0.3 for key, shape in shapes.items()}


@pytest.mark.parametrize("kind", PROJECTORS)
def test_states_of_e_load_strictly_and_give_the_numbers_of_another_implementation(kind: str) -> None:
    made = built(kind)
    state = foreign_state(kind, samples.WIDTH, samples.HIDDEN)
    made.load_state_dict(state, strict=True)
    features = samples.features(2, 3).flatten(1, 2)
    with torch.no_grad():
        ours = made(features)
    torch.testing.assert_close(ours, reference(kind, state, features, heads=4), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["perceiver", "c_abstractor"])
def test_what_is_absent_is_not_looked_at(kind: str) -> None:
    made, features = built(kind), samples.features(2, 1, 10)[:, 0]
    absent = torch.zeros(2, 10, dtype=torch.bool)
    absent[:, 7:] = True
    with torch.no_grad():
        torch.testing.assert_close(made(features, absent), made(features[:, :7]))
        assert not torch.allclose(made(features), made(features[:, :7]))


def test_heads_that_do_not_divide_the_width_are_an_error() -> None:
    with pytest.raises(ModelError, match="5 heads do not divide the LLM's width 48"):
        built("perceiver", heads=5)
    built("linear", heads=5)


@pytest.mark.parametrize("kind", ["linear", "mlp2x"])
def test_scaled_tokens_are_as_large_as_word_vectors(kind: str) -> None:
    torch.manual_seed(0)
    made = projectors.build(samples.config(kind), scale=0.02).eval()
    features = functional.layer_norm(samples.features(4, 3).flatten(1, 2), (samples.WIDTH,))
    with torch.no_grad():
        size = float(made(features).square().mean().sqrt())
    assert 0.8 < size / 0.02 < 1.25


def found(made: torch.nn.Module) -> float:
    """Of the tokens' variance, how much what each query finds in a clip makes up, beside clips and queries alone.

    Clips are alike, as those of a tower are: they share a mean, and differ in a part of their own and in patches.
    """
    drawn = torch.Generator().manual_seed(0)
    common, own, patch = (torch.randn(size, 100, 64, generator=drawn)[:, :n] for size, n in ((1, 1), (8, 1), (8, 100)))
    with torch.no_grad():
        tokens = made.eval()(functional.layer_norm(common + own / 2 + patch, (64,)))
    tokens = tokens / tokens.square().mean().sqrt()
    rest = tokens - tokens.mean(0, keepdim=True) - tokens.mean(1, keepdim=True) + tokens.mean((0, 1), keepdim=True)
    return float(rest.square().mean())


@pytest.mark.parametrize("kind", ["perceiver", "c_abstractor"])
def test_queries_of_scaled_resamplers_find_more_of_their_own(kind: str) -> None:
    def made(scale: float | None) -> torch.nn.Module:
        torch.manual_seed(0)
        tower = samples.TOWERS["clip"] | dict(hidden_size=64)
        llm = samples.LLMS["llama"] | dict(hidden_size=128)
        config = samples.config(kind, tower_config=tower, llm_config=llm, queries=32)
        return projectors.build(config, scale)

    assert found(made(0.02)) > 2 * found(made(None))


def test_plain_is_torchs_own_start() -> None:
    torch.manual_seed(0)
    made = projectors.build(samples.config("linear", init="plain"), scale=0.02)
    torch.manual_seed(0)
    alone = torch.nn.Linear(samples.WIDTH, samples.HIDDEN)
    assert torch.equal(made.get_parameter("proj.weight"), alone.weight)
