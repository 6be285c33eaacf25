"""Settings: what is laid over what, and what a wrong key or value is answered with."""

import pytest
from vdesc import Settings, SettingsError
from vdesc import settings as home
from vdesc.settings import WEIGHTS, layered, presets


@pytest.fixture
def config(tmp_path):
    """Writes a settings file."""

    def write(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_without_anything_the_defaults_are_in_force():
    assert layered() == Settings()


def test_a_flag_beats_the_file_and_the_file_beats_the_default(config):
    file = config("candidates: 5\nlanguage: ko\nranking: {merge: 0.5}")
    effective = layered(file, {"language": "de", "device": None})
    assert (effective.candidates, effective.language, effective.device) == (5, "de", "auto")
    assert (effective.ranking.merge, effective.ranking.similarity) == (0.5, "auto")


def test_set_beats_the_file_and_leaves_its_neighbours(config):
    effective = layered(config("options: {a: {x: 1, y: 2}}"), sets=["a.x=9", "ranking.merge=null", "candidates=7"])
    assert effective.options == {"a": {"x": 9, "y": 2}}
    assert effective.ranking.merge is None and effective.candidates == 7


def test_a_preset_is_found_by_name_and_a_file_of_that_name_comes_first(tmp_path, monkeypatch, config):
    monkeypatch.setattr(home, "configs", lambda: tmp_path)
    (tmp_path / "calm.yaml").write_text("candidates: 2")
    assert list(presets()) == ["calm"]
    assert layered("calm").candidates == 2
    with pytest.raises(SettingsError, match=r"no file or preset 'clam' \(did you mean 'calm'\?\)"):
        layered("clam")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calm").write_text("candidates: 4")
    assert layered("calm").candidates == 4


@pytest.mark.parametrize("name", presets())
def test_every_shipped_preset_is_valid(name):
    assert layered(name) != Settings(), "a preset that changes nothing is no preset"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("0.7", 0.7),
        ("true", True),
        ("3", 3),
        ("'3'", "3"),
        ("a b", "a b"),
        ("[1, 2]", [1, 2]),
        ("", None),
        ("a=b", "a=b"),
    ],
)
def test_the_value_of_set_is_read_as_yaml(value, read):
    assert layered(sets=[f"clipgpt.x={value}"]).options == {"clipgpt": {"x": read}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("candidats: 3", "unknown setting 'candidats' (did you mean 'candidates'?)"),
        ("ranking: {merg: 1}", "unknown setting 'ranking.merg' (did you mean 'merge'?)"),
        ("slots: {shortest: -1}", "slots.shortest -1 is wrong"),
        ("candidates: 0", "candidates 0 is wrong"),
        ("plugins: clipgpt", "plugins 'clipgpt' is wrong"),
        ("ranking: {weights: {novelty: -1}}", "a weight must be a number from 0 up"),
        ("ranking: {weights: {novelty: .nan}}", "a weight must be a number from 0 up"),
        ("options: {clipgpt: 3}", "options.clipgpt 3 is wrong"),
        ("1: 2", "unknown setting '1'"),
        ("- a\n- b", "holds no settings"),
        ("a: [", "cannot read settings"),
        ("a: b: c", "cannot read settings"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_it(config, text, sentence):
    path = config(text)
    with pytest.raises(SettingsError) as error:
        layered(path)
    assert path in str(error.value) and sentence in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("clipgpt.beam", "write name.option=value"),
        ("=3", "write name.option=value"),
        ("clipgpt.=3", "write name.option=value"),
        ("clipgpt.x=[", "the value is not readable"),
        ("candidates.x=3", "unknown setting|candidates"),
        ("clipgpt=3", "unknown setting 'clipgpt'"),
        ("ranking.mrge=1", "did you mean 'merge'"),
    ],
)
def test_a_wrong_set_is_one_sentence(text, sentence):
    with pytest.raises(SettingsError, match=sentence) as error:
        layered(sets=[text])
    assert "\n" not in str(error.value)


def test_set_cannot_go_inside_a_plain_value(config):
    with pytest.raises(SettingsError, match="candidates has no parts"):
        layered(config("candidates: 3"), sets=["candidates.x=1"])


def test_bytes_that_are_no_text_are_one_sentence(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot read settings from"):
        layered(tmp_path / "a.yaml")
    with pytest.raises(SettingsError, match="cannot read settings from"):
        layered(tmp_path)


def test_an_empty_file_changes_nothing(config):
    assert layered(config("# nothing")) == Settings()


def test_some_weights_are_laid_over_the_defaults():
    assert layered(sets=["ranking.weights.novelty=3"]).ranking.weights == WEIGHTS | {"novelty": 3.0}


def test_a_run_never_changes_the_defaults():
    layered(sets=["ranking.weights.novelty=3", "a.b=1"])
    assert Settings().ranking.weights["novelty"] == 0.5 and Settings().options == {}
