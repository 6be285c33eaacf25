"""System E's checkpoints: its four projectors become llava models; what is none of them is a sentence."""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import llava_samples as samples
import pytest
import torch
from test_llava_projectors import COUNTS, foreign_state, keys_of_e, reference
from vdesc import ModelError, OutputError
from vdesc.testing import assert_contract
from vdesc_llava import checkpoint, foreign
from vdesc_llava.config import PROJECTORS, LlavaConfig
from vdesc_llava.converter import LlavaConverter


def file(path: Path, kind: str, **more: Any) -> Path:
    """A checkpoint as system E's training writes it, of the widths of the tiny bases."""
    weight = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    torch.save(
        {
            "projector_state_dict": OrderedDict(foreign_state(kind, samples.WIDTH, samples.HIDDEN)),
            "metrics": {"siglip": 0.3, "diversity": 0.04},
            "stage": 2,
            "epoch": 1,
            "optimizer_state_dict": optimizer.state_dict(),
            "scheduler_state_dict": {"last_epoch": 7},
        }
        | more,
        path,
    )
    return path


def converted(source: Path, out: Path, **options: Any) -> list[str]:
    return LlavaConverter(LlavaConverter.Options(**options)).convert(source, out)


@pytest.mark.parametrize("kind", PROJECTORS)
def test_a_checkpoint_becomes_a_model_that_gives_the_same_tokens(tmp_path: Path, kind: str) -> None:
    tower, llm = samples.bases(tmp_path)
    lines = converted(
        file(tmp_path / "best_model.pt", kind), tmp_path / "model", tower=str(tower), llm=str(llm), heads=4
    )
    assert f"projector {kind}" in lines[0] and "never saved" in lines[1] and str(tmp_path / "model") in lines[2]
    model = checkpoint.load(tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"config.json", "projector.safetensors"}
    features = samples.features(2)
    with torch.no_grad():
        ours = model.project(features, times=torch.ones(2, 3))
    state = foreign_state(kind, samples.WIDTH, samples.HIDDEN)
    torch.testing.assert_close(ours, reference(kind, state, features.flatten(1, 2), 4), rtol=1e-4, atol=1e-4)
    shown = samples.pixels()
    said = model.tower(pixel_values=shown.flatten(0, 1)).last_hidden_state[:, 1:]
    torch.testing.assert_close(model.encode(shown).flatten(0, 1), said)
    assert model.prompt_ids("what")[0] == model.config.video_id
    assert model.generate(features, ["what", "who"])[0][0].ids


@pytest.mark.parametrize("kind", PROJECTORS)
def test_the_widths_of_system_e_need_no_names(kind: str) -> None:
    with torch.device("meta"):
        state = foreign_state(kind, 1, 1, 64)
        state = {key: torch.empty(shape) for key, shape in true_shapes(kind, state).items()}
    config = foreign.understood(state, Path("best_model.pt"))
    assert (config.projector, config.width, config.hidden) == (kind, 1024, 4096)
    assert (config.tower, config.llm) == ("openai/clip-vit-large-patch14-336", "Qwen/Qwen3-8B")
    assert (config.layer, config.frame_positions, config.time_positions, config.normalize) == (-1, False, False, False)
    assert (config.queries, config.depth, config.heads, config.frames) == (64, 2, 8, 8)
    assert sum(value.numel() for value in state.values()) == COUNTS[kind]


def true_shapes(kind: str, small: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """The shapes of system E's state at its true size: of our own module, whose keys are tested elsewhere."""
    from vdesc_llava import projectors

    made = projectors.build(LlavaConfig(projector=kind, tower_config=foreign.CLIP, llm_config=foreign.QWEN))
    assert set(small) == keys_of_e(kind)
    return {key: tuple(value.shape) for key, value in made.state_dict().items()}


def test_weights_of_half_precision_and_of_several_gpus_are_read(tmp_path: Path) -> None:
    state = foreign_state("mlp2x", samples.WIDTH, samples.HIDDEN)
    half = {f"module.{key}": value.bfloat16() for key, value in state.items()}
    found = foreign.read(file(tmp_path / "best.pt", "mlp2x", projector_state_dict=half))
    assert set(found) == set(state) and {value.dtype for value in found.values()} == {torch.float32}


def test_widths_that_are_not_system_es_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is for a tower 32 wide, which it does not name: give --set tower=FOLDER"):
        converted(file(tmp_path / "best.pt", "linear"), tmp_path / "model")


def test_bases_that_do_not_fit_are_named_with_their_widths(tmp_path: Path) -> None:
    tower, _ = samples.bases(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(samples.LLMS, "qwen3", samples.LLMS["qwen3"] | dict(hidden_size=40))
        _, llm = samples.bases(tmp_path / "other")
    with pytest.raises(ModelError, match=r"joins a tower 32 wide and an LLM 48 wide, but .* is 32 and .* 40 wide"):
        converted(file(tmp_path / "best.pt", "linear"), tmp_path / "model", tower=str(tower), llm=str(llm))
    assert not (tmp_path / "model").exists()


def test_heads_that_cannot_be_are_an_error(tmp_path: Path) -> None:
    tower, llm = samples.bases(tmp_path)
    source = file(tmp_path / "best.pt", "perceiver")
    with pytest.raises(ModelError, match="5 heads do not divide"):
        converted(source, tmp_path / "model", tower=str(tower), llm=str(llm), heads=5)


def test_what_is_no_checkpoint_of_system_e_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    with pytest.raises(ModelError, match="there is no file"):
        foreign.load(path)
    path.write_bytes(b"nothing at all")
    with pytest.raises(ModelError, match=r"refused|damaged"):
        foreign.load(path)
    torch.save({"model_state_dict": {}}, path)
    with pytest.raises(ModelError, match="has no projector_state_dict"):
        foreign.load(path)
    torch.save({"projector_state_dict": {"vision_proj.weight": torch.zeros(2, 2)}}, path)
    with pytest.raises(
        ModelError, match=r"the keys of .* \(vision_proj.weight, ...\) are none of the four projectors'"
    ):
        foreign.load(path)
    whole = foreign_state("perceiver", samples.WIDTH, samples.HIDDEN)
    del whole["layers.0.norm2.bias"]
    torch.save({"projector_state_dict": whole}, path)
    bases: dict[str, Any] = dict(tower_config=samples.TOWERS["clip"], llm_config=samples.LLMS["qwen3"], heads=4)
    with pytest.raises(ModelError, match=r"looks like 'perceiver', but does not fit: keys 1 missing \(layers.0.norm2"):
        foreign.load(path, **bases)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('ran')",)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "best.pt", "linear", metrics=Evil())
    with pytest.raises(ModelError, match="refused, because it is a pickle with more in it than tensors"):
        foreign.load(path)


def test_the_converter_reads_only_files_with_a_projector(tmp_path: Path) -> None:
    converter = LlavaConverter()
    assert converter.reads(file(tmp_path / "stage2_epoch1_checkpoint.pt", "linear"))
    torch.save({"model_state_dict": {"a": torch.zeros(1)}}, tmp_path / "model.pt")
    assert not converter.reads(tmp_path / "model.pt")
    (tmp_path / "zip.pt").write_bytes(b"PK\x03\x04 broken")
    assert not converter.reads(tmp_path / "zip.pt")
    (tmp_path / "text.json").write_text("{}")
    assert not converter.reads(tmp_path / "text.json")
    assert not converter.reads(tmp_path / "none.pt")
    assert_contract(LlavaConverter)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    tower, llm = samples.bases(tmp_path)
    source = file(tmp_path / "best.pt", "linear")
    out = tmp_path / "out"
    for _ in range(2):
        converted(source, out, tower=str(tower), llm=str(llm))
    assert json.loads((out / "config.json").read_text())["template"] == "<video>{instruction}"
    (out / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="is no converted model"):
        converted(source, out, tower=str(tower), llm=str(llm))
