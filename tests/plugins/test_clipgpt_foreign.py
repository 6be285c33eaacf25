"""Checkpoints of other programs say what their own slow loops say: logits, tokens, beams, text; and errors of files."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from clipgpt_models import slots
from foreign_files import EOS, FEATURES, STOP, ClipCap, ClipGpt, Loop, ResNet, clip, pictures, write, write_tokenizer
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel
from typer.testing import CliRunner
from vdesc import ModelError, OutputError, SettingsError
from vdesc.cli import app
from vdesc_clipgpt import ClipGPT, pixels, words
from vdesc_clipgpt.checkpoint import load_model, read_tokenizer
from vdesc_clipgpt.config import SHAPES
from vdesc_clipgpt.decoding import Decoding, decode, read
from vdesc_clipgpt.foreign import STALE, clip_gpt, convert
from vdesc_clipgpt.foreign.facts import Facts
from vdesc_clipgpt.foreign.found import Shapes
from vdesc_clipgpt.model import ClipGPTModel
from vdesc_clipgpt.steps import Steps
from vdesc_clipgpt.training.beginning import begin
from vdesc_clipgpt.training.recipe import Recipe

FRAMES, LONGEST = 3, 40
PROGRAMS: dict[str, Callable[[], Loop]] = {
    "A-raw": ClipGpt,
    "A-epoch": ClipGpt,
    "C-mlp": lambda: ClipCap("mlp"),
    "C-mlp-normalised": lambda: ClipCap("mlp", normalize=True),
    "C-transformer": lambda: ClipCap("transformer"),
    "C-transformer-normalised": lambda: ClipCap("transformer", normalize=True),
    "D-concat": lambda: ClipCap("concat", frames=FRAMES),
    "D-cross": lambda: ClipCap("cross", frames=FRAMES),
    "D-framewise": lambda: ClipCap("framewise", frames=FRAMES),
}
RUN = dict(
    epoch=3, optimizer_state_dict={"state": {}, "lr": 0.1}, scheduler_state_dict={"k": [1]}, tloss=[0.5], vloss=[]
)
Made = tuple[Loop, Path, Tensor, ClipGPTModel, Any]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP's folder, which ClipCap's and NYU's files need beside them."""
    path = tmp_path_factory.mktemp("clip")
    clip().save_pretrained(path)
    return path


@pytest.fixture(scope="module", params=PROGRAMS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Made:
    """A program, its file, pictures (6, frames, ...), and the model and tokenizer that are read from the file."""
    program = PROGRAMS[request.param]()
    shown = pictures(6 * getattr(program, "frames", 1)).unflatten(0, (6, -1))
    shown = shown if isinstance(program, ClipCap) else shown[:, 0]
    program.ending(shown, LONGEST)
    path = write(program, tmp_path_factory.mktemp("foreign"), **(RUN if request.param == "A-epoch" else {}))
    if isinstance(program, ClipCap):
        note(path, encoder, program)
    return program, path, shown, *load_model(str(path))


def note(path: Path, encoder: Path, program: ClipCap) -> None:
    """What the file does not say, beside it."""
    lines = [f"encoder: {encoder}", f"normalize: {str(program.normalize).lower()}"]
    lines += [f"mapper: {program.kind}", f"frames: {program.frames}"] if program.frames > 1 else []
    path.with_suffix(".yaml").write_text("\n".join(lines))


@torch.inference_mode()
def prefixes(model: ClipGPTModel, shown: Tensor) -> Tensor:
    count = len(shown)
    return model.map(model.encode(shown.reshape(-1, *shown.shape[-3:])).unflatten(0, (count, -1)).flatten(1, 2))


def until(row: list[int], end: int) -> list[int]:
    return row[: row.index(end) + 1] if end in row else row


def greedy(model: ClipGPTModel, longest: int = LONGEST) -> Decoding:
    return Decoding(beams=1, no_repeat=model.config.no_repeat, max_tokens=longest)


@torch.inference_mode()
def test_every_step_has_the_originals_logits(made: Made) -> None:
    program, _, shown, model, _ = made
    doubled = model.config.positions == "doubled"
    for picture in shown[:3]:
        said, seen = program.greedy(picture, LONGEST)
        prefix = prefixes(model, picture[None])
        torch.testing.assert_close(prefix[0], program.start(picture), rtol=0, atol=1e-5)
        steps = Steps(model.decoder, prefix, 1, LONGEST, doubled)
        ours = [steps.logits, *(steps.step(torch.tensor([word])) for word in said[:-1])]
        torch.testing.assert_close(torch.cat(ours), torch.stack(seen), rtol=0, atol=1e-5)


def test_pictures_in_one_batch_get_the_originals_tokens(made: Made) -> None:
    program, _, shown, model, _ = made
    wanted = [program.greedy(picture, LONGEST)[0] for picture in shown]
    tokens = decode(model, prefixes(model, shown), greedy(model))[0][:, 0].tolist()
    assert [until(row, program.ends)[:LONGEST] for row in tokens] == wanted
    assert len({len(row) for row in wanted}) > 2 and len({tuple(row) for row in wanted}) > 3
    for picture, row in zip(shown, wanted, strict=True):
        alone = decode(model, prefixes(model, picture[None]), greedy(model))[0][0, 0].tolist()
        assert until(alone, program.ends)[:LONGEST] == row


def test_the_plugin_says_what_the_original_says(made: Made) -> None:
    program, path, _, model, tokenizer = made
    frames, longest = getattr(program, "frames", 1), model.config.max_tokens
    some = slots(4, keyframes=frames)
    texts = {candidate.slot: candidate.text for candidate in captioner(path).propose(some)}
    assert texts
    for slot in some:
        images = [Image.fromarray(keyframe.image.pixels()) for keyframe in slot.keyframes]
        shown = torch.stack(
            [pixels.tensor(pixels.fit(image, model.config.image), model.config.image) for image in images]
        )
        said = program.greedy(shown if isinstance(program, ClipCap) else shown[0], longest)[0]
        wanted = tokenizer.decode(said[:-1] if isinstance(program, ClipGpt) else said, skip_special_tokens=True)
        assert texts.get(slot.index, "") == words.verbatim(wanted)


def test_a_converted_folder_is_the_same_model(made: Made, tmp_path: Path) -> None:
    program, path, shown, model, tokenizer = made
    found = convert(path, tmp_path / "out")
    again, other = load_model(str(tmp_path / "out"))
    other_lines = {"_name_or_path": "", "architectures": []}
    assert again.config.to_dict() | other_lines == model.config.to_dict() | other_lines
    torch.testing.assert_close(prefixes(again, shown), prefixes(model, shown), rtol=0, atol=1e-5)
    assert other.get_vocab() == tokenizer.get_vocab() and other.eos_token_id == EOS
    assert found.dropped == (5 if isinstance(program, ClipGpt) else 4)
    assert {inside.name for inside in tmp_path.iterdir()} == {"out"}
    convert(path, tmp_path / "out")  # again, in its own place


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
def test_five_beams_are_those_of_clipcap_in_its_order(kind: str, tmp_path: Path, encoder: Path) -> None:
    program, shown = ClipCap(kind, normalize=True), pictures(4)
    with torch.no_grad():
        program.gpt.transformer.wte.weight[STOP] *= -4  # so that beams end early and late
    path = write(program, tmp_path)
    note(path, encoder, program)
    model, _ = load_model(str(path))
    wanted = [program.beams(picture, 10) for picture in shown]
    assert len({len(said) for rows in wanted for said in rows}) > 2
    tokens, score = decode(model, prefixes(model, shown), Decoding(beams=5, no_repeat=0, max_tokens=10), 5)
    assert [[until(row, STOP)[:10] for row in rows] for rows in tokens.tolist()] == wanted
    assert (score.diff(dim=1) <= 0).all()
    for picture, rows in zip(shown, wanted, strict=True):
        alone = decode(model, prefixes(model, picture[None]), Decoding(beams=5, no_repeat=0, max_tokens=10))[0]
        assert until(alone[0, 0].tolist(), STOP)[:10] == rows[0]


def test_clipcaps_sampling_is_no_sampling() -> None:
    """Its top-p mask never takes the likeliest word, so that its loop is greedy."""
    from foreign_files import noise, top_p

    logits = torch.from_numpy(noise(50 * 200, 5)).view(50, 200) * 9
    for share in (0.01, 0.8, 1.0):
        assert [int(top_p(row, share).argmax()) for row in logits] == logits.argmax(1).tolist()


def test_doubled_positions_matter(tmp_path: Path) -> None:
    model, _ = load_model(str(write(ClipGpt(), tmp_path)))
    prefix = prefixes(model, pictures(6))
    doubled = decode(model, prefix, greedy(model))[0]
    model.config.positions = "plain"
    assert decode(model, prefix, greedy(model))[0].tolist() != doubled.tolist()
    model.config.positions = "doubled"
    with pytest.raises(ModelError, match="positions to plain"):
        model(features=torch.zeros(1, 1, 128), labels=torch.zeros(1, 1, 3, dtype=torch.long))


@pytest.mark.parametrize(("drop", "stop", "wanted"), [(False, None, "ab"), (True, None, "ab"), (False, 66, "abc")])
def test_a_caption_is_read_up_to_its_end(drop: bool, stop: int | None, wanted: str, tmp_path: Path) -> None:
    model, tokenizer = load_model(str(write(ClipGpt(), tmp_path)))
    model.config.drop_last, model.config.stop = drop, stop
    end = EOS if stop is None else stop
    assert read(model, tokenizer, torch.tensor([[64, 65, end, end]])) == [wanted]
    assert read(model, tokenizer, torch.tensor([[64, 65, 67, 68]])) == ["abd" if drop else "abde"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (" a man , a dog .", "A man, a dog."),
        ("the man 's dog does n't run", "The man's dog doesn't run"),
        ("who 's it ? we 're ! I 'm , I 've", "Who's it? we're! I'm, I've"),
        ("rock ' n ' roll", "Rock'n'roll"),
        ("a ; b : c", "A ; b : c"),
        ("two\nlines ", "Two lines"),
        (" . ", ""),
        ("", ""),
    ],
)
def test_text_is_cleaned_as_transformers_4_did(said: str, shown: str) -> None:
    assert words.verbatim(said) == shown


@pytest.mark.shared
def test_gpt2s_own_tokenizer_ends_clipcaps_captions_with_13(shared: Path, tmp_path: Path) -> None:
    for ours, theirs in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
        (tmp_path / theirs).write_bytes((shared / "tokenizers" / "gpt2" / ours).read_bytes())
    tokenizer = read_tokenizer(tmp_path)
    assert (len(tokenizer), tokenizer.eos_token_id, tokenizer.encode(".")) == (50257, 50256, [STOP])
    said = tokenizer.decode(tokenizer.encode(" a man 's dog does n't run .")[:-1])
    assert words.verbatim(said) == "A man's dog doesn't run"


# what a file is found to be


def planned(size: str, stale: bool = True) -> dict[str, Tensor]:
    """The keys and shapes of clip-gpt-captioning's public files, without memory, from CLIP's and GPT-2's classes."""
    shape = SHAPES[size]
    vision = {key: value for key, value in shape["encoder"].items() if key != "model_type"}
    width = vision["hidden_size"]
    gpt = {key: value for key, value in shape["decoder"].items() if key != "model_type"}
    with torch.device("meta"):
        config = CLIPConfig(vision_config=vision, text_config=dict(num_hidden_layers=1))
        layer = nn.TransformerEncoderLayer(width, 16, 4 * width, batch_first=True)
        parts = {
            "ie.model.": CLIPModel(config).vision_model,
            "mp.transformer_encoder.": nn.TransformerEncoder(layer, shape["layers"]),
            "mp.mapper.": nn.Linear(width, 4 * width),
            "td.model.": GPT2LMHeadModel(GPT2Config(**gpt)),
        }
        state = {prefix + name: value for prefix, part in parts.items() for name, value in part.state_dict().items()}
        if stale:
            state["ie.model.embeddings.position_ids"] = torch.empty(1, 50)
            for i in range(gpt["n_layer"]):
                state[f"td.model.transformer.h.{i}.attn.bias"] = torch.empty(1, 1, 1024, 1024)
                state[f"td.model.transformer.h.{i}.attn.masked_bias"] = torch.empty(())
    return state


@pytest.mark.parametrize(("size", "keys"), [("S", 447), ("L", 795)])
def test_sizes_are_recognised_by_their_keys(size: str, keys: int) -> None:
    state = planned(size)
    assert len(state) == keys
    found = clip_gpt.understood(Shapes(Path("model.pt"), state, 64), Facts())
    assert found.format == f"clip-gpt-captioning {size}"
    for part in ("encoder", "decoder"):
        assert SHAPES[size][part].items() <= found.settings[part].items()
    for name in ("mapper", "prefix", "layers", "heads"):
        assert found.settings[name] == SHAPES[size][name]
    assert (found.settings["max_tokens"], found.settings["beams"], found.settings["begin"]) == (40, 1, True)


def test_only_the_three_kinds_of_buffers_are_stale() -> None:
    dropped = {name for name in planned("S") if name.endswith(STALE)}
    assert dropped == planned("S").keys() - planned("S", stale=False).keys()


def test_an_untrained_copy_of_the_model_class_fits_the_public_keys() -> None:
    from vdesc_clipgpt.config import ClipGPTConfig
    from vdesc_clipgpt.weights import _renamed, compare

    state = planned("S", stale=False)
    found = clip_gpt.understood(Shapes(Path("model.pt"), state, 64), Facts())
    with torch.device("meta"):
        plan = ClipGPTModel(ClipGPTConfig(**found.settings)).state_dict()
    compare(state, {_renamed(name, found.names): value for name, value in plan.items()}, (), "x")


def run(*arguments: Any) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["convert", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.output


def test_the_command_says_what_it_found(tmp_path: Path, encoder: Path) -> None:
    path = write(ClipCap("transformer"), tmp_path)
    code, said = run(path, tmp_path / "out", "--set", f"encoder={encoder}", "--set", "normalize=true")
    assert code == 0
    for words_ in (
        "ClipCap transformer",
        "2 layers, 8 heads",
        "prefix 4",
        "48 wide, normalised",
        "257 tokens",
        "dropped: 4",
    ):
        assert words_ in said
    model, _ = load_model(str(tmp_path / "out"))
    assert model.config.normalize and (model.config.stop, model.config.search) == (STOP, "averaged")


def test_flags_win_over_what_stands_beside_the_file(tmp_path: Path, encoder: Path) -> None:
    path = write(ClipCap("cross"), tmp_path)
    path.with_suffix(".yaml").write_text(f"mapper: concat\nencoder: {encoder}\nframes: 5")
    run(path, tmp_path / "out", "--set", "mapper=cross")
    config = load_model(str(tmp_path / "out"))[0].config
    assert (config.mapper, config.frames) == ("cross", 5)


def test_folders_may_be_named_from_the_files_own(tmp_path: Path, encoder: Path) -> None:
    path = write(ClipCap("mlp"), tmp_path)
    (tmp_path / "clip").symlink_to(encoder)
    path.with_suffix(".yaml").write_text("encoder: clip")
    assert load_model(str(path))[0].config.reads == "projected"


def test_heads_of_another_width_are_given(tmp_path: Path) -> None:
    path = write(ClipGpt(), tmp_path)
    path.with_suffix(".yaml").write_text("head: 32")
    config = load_model(str(path))[0].config
    assert (config.encoder["num_attention_heads"], config.decoder["n_head"], config.heads) == (4, 4, 16)


def test_the_vision_tower_alone_is_encoder_enough(tmp_path: Path, encoder: Path) -> None:
    from transformers import CLIPVisionModelWithProjection

    tower = CLIPVisionModelWithProjection.from_pretrained(encoder)
    tower.save_pretrained(tmp_path / "tower")
    program = ClipCap("mlp")
    path = write(program, tmp_path)
    note(path, tmp_path / "tower", program)
    model, _ = load_model(str(path))
    torch.testing.assert_close(prefixes(model, pictures(1))[0], program.start(pictures(1)), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_clips_convolutional_encoder_is_read_too(tmp_path: Path) -> None:
    """The one of ClipCap's transformer for COCO, which transformers has no class for."""
    program, encoder = ClipCap("transformer", normalize=True), ResNet()
    path = write(program, tmp_path)
    note(path, encoder.save(tmp_path / "resnet"), program)
    shown = torch.nn.functional.interpolate(pictures(4), size=64)
    model, _ = load_model(str(path))
    assert model.config.image["size"] == 64
    features = encoder(shown)
    torch.testing.assert_close(model.encode(shown)[:, 0], features, rtol=1e-4, atol=1e-5)
    assert (features.std(0) > 0.001).all()
    torch.testing.assert_close(model.map(model.encode(shown))[0], program.prefix(features[:1]), rtol=0, atol=1e-5)
    convert(path, tmp_path / "out")
    again, _ = load_model(str(tmp_path / "out"))
    torch.testing.assert_close(again.encode(shown), model.encode(shown), rtol=0, atol=1e-5)
    shots = [slot.keyframes[0].image for slot in slots(2)]
    assert captioner(tmp_path / "out").features.of(shots).shape == (2, 1, FEATURES)


def test_training_begins_from_clips_convolutional_encoder(tmp_path: Path) -> None:
    """In open_clip's file, as the recipe of ClipCap's transformer names it."""
    theirs = ResNet()
    decoder = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64}
    mapper = {"mapper": "mlp", "prefix": 2, "reads": "projected", "max_tokens": 8}
    recipe = Recipe(encoder=str(theirs.save(tmp_path / "resnet")), vocabulary=270, model={"decoder": decoder, **mapper})
    _, model = begin(recipe, ["a dog"])
    size = 32 * theirs.SIDE
    assert model.config.image["size"] == size
    shown = torch.rand(2, 3, size, size)
    torch.testing.assert_close(model.eval().encode(shown)[:, 0], theirs(shown), rtol=1e-4, atol=1e-5)


def captioner(path: Path) -> ClipGPT:
    made = ClipGPT(ClipGPT.Options(model=str(path)))
    made.load("cpu")
    return made


def test_the_public_convolutional_encoder_has_its_known_size() -> None:
    from vdesc_clipgpt.resnet import CLIPResNet, CLIPResNetConfig

    with torch.device("meta"):
        model = CLIPResNet(CLIPResNetConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == 87_137_080


def test_features_out_of_nyus_hdf5_give_its_prefix(tmp_path: Path, encoder: Path) -> None:
    h5py = pytest.importorskip("h5py")
    program = ClipCap("cross", frames=28)
    path = write(program, tmp_path)
    path.with_suffix(".yaml").write_text(f"mapper: cross\nencoder: {encoder}")
    features = program.features(pictures(28))
    with h5py.File(tmp_path / "features.hdf5", "w") as file:
        file["video7"] = features.numpy()
    with h5py.File(tmp_path / "features.hdf5", "r") as file:
        stored = torch.from_numpy(file["video7"][()])
    model, _ = load_model(str(path))
    assert model.pictures == 28 and model.config.max_tokens == 10
    with torch.inference_mode():
        torch.testing.assert_close(model.map(stored[None])[0], program.prefix(features), rtol=0, atol=1e-5)


def test_the_fingerprint_follows_the_file_and_the_facts(tmp_path: Path, encoder: Path) -> None:
    path = write(ClipCap("mlp"), tmp_path)
    prints = []
    for fact in ("true", "false"):
        path.with_suffix(".yaml").write_text(f"encoder: {encoder}\nnormalize: {fact}")
        prints.append(ClipGPT(ClipGPT.Options(model=str(path))).fingerprint())
    torch.save(ClipCap("mlp").state() | {"more": torch.zeros(1)}, path)
    prints.append(ClipGPT(ClipGPT.Options(model=str(path))).fingerprint())
    assert len(set(prints)) == 3


def test_safetensors_of_another_program_are_read(tmp_path: Path) -> None:
    path = write(ClipGpt(), tmp_path)
    wanted = prefixes(load_model(str(path))[0], pictures(1))
    weights = {name: value.clone().contiguous() for name, value in torch.load(path).items()}
    del weights["td.model.lm_head.weight"]  # the same as wte.weight
    save_file(weights, tmp_path / "model.safetensors")
    again, _ = load_model(str(tmp_path / "model.safetensors"))
    torch.testing.assert_close(prefixes(again, pictures(1)), wanted, rtol=0, atol=1e-5)


# what is wrong


def refused(path: Path, kind: type[Exception] = ModelError, **flags: Any) -> str:
    """The one sentence of the error, given to the plugin's reader, or to the converter with flags."""
    with pytest.raises(kind) as caught:
        if flags:
            convert(path, path.parent / "out", Facts(**flags))
        else:
            load_model(str(path))
    assert not (path.parent / "out").exists()
    text = str(caught.value)
    assert "\n" not in text and str(path.name) in text
    return text


class Evil:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("where", ["beside", "inside"])
def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path: Path, where: str) -> None:
    state: dict[str, Any] = dict(ClipGpt().state())
    evil = Evil(tmp_path / "executed")
    torch.save(state | {"x": evil} if where == "inside" else {"model_state_dict": state, "x": evil}, tmp_path / "m.pt")
    assert "could run code" in refused(tmp_path / "m.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_program_of_torchscript_is_refused(tmp_path: Path) -> None:
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(tmp_path / "m.pt"))
    assert "TorchScript" in refused(tmp_path / "m.pt")


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>Google Drive - Quota exceeded", b"\x89PNG", b"{}"])
def test_what_is_no_checkpoint_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pt").write_bytes(content)
    assert "no file of PyTorch's" in refused(tmp_path / "m.pt")


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, share: float) -> None:
    path = write(ClipGpt(), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "damaged" in refused(path)


def test_a_zip_of_other_things_is_damaged(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("readme.txt", "hello")
    (tmp_path / "m.pt").write_bytes(data.getvalue())
    assert "damaged" in refused(tmp_path / "m.pt")


@pytest.mark.parametrize("value", [[1, 2], {"weights": 3}, {"model_state_dict": [1]}, torch.zeros(3)])
def test_a_file_of_other_values_is_one_sentence(tmp_path: Path, value: Any) -> None:
    torch.save(value, tmp_path / "m.pt")
    assert "no table of tensors" in refused(tmp_path / "m.pt")


@pytest.mark.parametrize("keys", [[], ["encoder.weight", "decoder.weight"], ["gpt.transformer.wte.weight"]])
def test_a_file_of_another_program_shows_its_keys(tmp_path: Path, keys: list[str]) -> None:
    torch.save({key: torch.zeros(2) for key in keys}, tmp_path / "m.pt")
    text = refused(tmp_path / "m.pt")
    assert "another program" in text and all(key in text for key in keys)


def changed(path: Path, change: Callable[[dict[str, Tensor]], Any]) -> Path:
    state = torch.load(path)
    change(state)
    torch.save(state, path)
    return path


def test_keys_that_do_not_fit_are_named_as_they_are_in_the_file(tmp_path: Path) -> None:
    path = write(ClipGpt(), tmp_path)
    changed(path, lambda state: state.update({"mp.stranger": torch.zeros(1), "mp.mapper.bias": torch.zeros(3)}))
    changed(path, lambda state: state.pop("td.model.transformer.ln_f.bias"))
    text = refused(path)
    assert "looks like clip-gpt-captioning" in text
    assert "1 missing (td.model.transformer.ln_f.bias)" in text and "1 not known (mp.stranger)" in text
    assert "mp.mapper.bias (3,) instead of (512,)" in text


@pytest.mark.parametrize(
    "key", ["td.model.transformer.wte.weight", "ie.model.embeddings.class_embedding", "mp.mapper.weight"]
)
def test_a_file_without_what_tells_its_size_is_not_whole(tmp_path: Path, key: str) -> None:
    assert f"has no {key}" in refused(changed(write(ClipGpt(), tmp_path), lambda state: state.pop(key)))


def test_layers_of_another_size_are_named(tmp_path: Path) -> None:
    """As where the mapper of L stands in a file of S."""
    key = "mp.transformer_encoder.layers.1.linear1.weight"
    path = changed(write(ClipGpt(), tmp_path), lambda state: state.update({key: torch.zeros(256, 64)}))
    assert f"{key} (256, 64) instead of (512, 128)" in refused(path)


def test_a_missing_fact_is_named_with_both_ways_to_give_it(tmp_path: Path, encoder: Path) -> None:
    path = write(ClipCap("cross"), tmp_path)
    text = refused(path)
    assert "concat or cross" in text and "--set mapper=cross" in text and "'mapper: cross' into model.yaml" in text
    assert "48 wide" in refused(path, mapper="cross") and "--set encoder=" in refused(path, mapper="cross")
    path = write(ClipCap("transformer"), tmp_path)
    assert "--set normalize=true or false" in refused(path, encoder=str(encoder))


def test_a_fact_that_the_keys_deny_is_refused(tmp_path: Path, encoder: Path) -> None:
    text = refused(write(ClipCap("mlp"), tmp_path), mapper="cross", encoder=str(encoder))
    assert "no mapper 'cross'" in text and "mlp" in text
    assert "concat or cross" in refused(write(ClipCap("cross"), tmp_path), mapper="mlp", encoder=str(encoder))


@pytest.mark.parametrize(
    ("content", "said"),
    [("mappr: cross", "did you mean 'mapper'"), ("mapper: lstm", "mapper"), ("frames: 0", "frames")],
)
def test_wrong_facts_are_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    path = write(ClipGpt(), tmp_path)
    path.with_suffix(".yaml").write_text(content)
    with pytest.raises(SettingsError, match=said) as caught:
        load_model(str(path))
    assert "model.yaml" in str(caught.value)


def test_widths_that_do_not_split_into_heads_ask_for_them(tmp_path: Path) -> None:
    assert "--set head=" in refused(write(ClipGpt(), tmp_path), head=48)


def test_a_missing_tokenizer_says_where_to_put_it(tmp_path: Path) -> None:
    path = write(ClipGpt(), tmp_path)
    (tmp_path / "vocab.json").unlink()
    text = refused(path)
    assert "vocab.json and merges.txt beside it" in text and "--set tokenizer=" in text


def test_a_tokenizer_of_another_size_is_refused(tmp_path: Path) -> None:
    from clipgpt_models import tokenizer

    tokenizer().save_pretrained(tmp_path / "other")
    text = refused(write(ClipGpt(), tmp_path / "a"), tokenizer=str(tmp_path / "other"))
    assert "315 tokens" in text and "257" in text
    write_tokenizer(tmp_path / "letters")
    (tmp_path / "a" / "vocab.json").unlink()
    assert convert(tmp_path / "a" / "model.pt", tmp_path / "out", Facts(tokenizer=str(tmp_path / "letters")))


def test_an_encoder_that_does_not_fit_is_one_sentence(tmp_path: Path, encoder: Path) -> None:
    path = write(ClipCap("mlp"), tmp_path)

    def with_encoder(name: str, change: Callable[[Path], Any]) -> str:
        import shutil

        copy = Path(shutil.copytree(encoder, tmp_path / name))
        change(copy)
        with pytest.raises(ModelError) as caught:
            convert(path, tmp_path / "out", Facts(encoder=str(copy)))
        assert name in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    def without(copy: Path, key: str) -> None:
        state = load_file(copy / "model.safetensors")
        del state[key]
        save_file(state, copy / "model.safetensors")

    assert "bert" in with_encoder("bert", lambda copy: (copy / "config.json").write_text('{"model_type": "bert"}'))
    assert "config" in with_encoder("none", lambda copy: (copy / "config.json").unlink())
    key = "vision_model.post_layernorm.bias"
    assert f"1 missing ({key})" in with_encoder("holes", lambda copy: without(copy, key))
    narrow = write(ClipCap("mlp"), tmp_path / "narrow")
    changed(narrow, lambda state: state.update({"clip_project.model.0.weight": torch.zeros(256, FEATURES - 8)}))
    with pytest.raises(ModelError, match="48 wide, but the checkpoint reads 40"):
        convert(narrow, tmp_path / "out", Facts(encoder=str(encoder)))


def test_nothing_of_anybody_else_is_written_over(tmp_path: Path) -> None:
    path = write(ClipGpt(), tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="is no converted model"):
        convert(path, tmp_path / "out")
    assert [inside.name for inside in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is no converted model"):
        convert(path, tmp_path / "file")


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(ClipGpt(), tmp_path / "in")
    convert(path, tmp_path / "out")
    before = {inside.name: inside.read_bytes() for inside in (tmp_path / "out").iterdir()}

    def full(self: Any, folder: Path, **_: Any) -> None:
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ClipGPTModel, "save_pretrained", full)
    with pytest.raises(OutputError, match="No space left"):
        convert(path, tmp_path / "out")
    assert {inside.name for inside in tmp_path.iterdir()} == {"in", "out"}
    assert {inside.name: inside.read_bytes() for inside in (tmp_path / "out").iterdir()} == before
