"""Metrics: to the numbers of pycocoevalcap, with its words; what varies, what words mean, and what is missing here."""

import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from vdesc.errors import ModelError, SettingsError
from vdesc_training.metrics import (
    TOKENIZERS,
    References,
    Words,
    java,
    meaning,
    meteor,
    ngrams,
    normal,
    programs,
    score,
    tokenized,
    tokens,
    variety,
)

needs_java = pytest.mark.skipif(not java.version(), reason="no Java here: Stanford's tokeniser cannot run")
NOUNS = "dog cat man woman ball park street red big runs sits jumps on in the a with of and".split()  # noqa: SIM905


def sentence(dice: random.Random, longest: int = 12) -> str:
    return " ".join(dice.choice(NOUNS) for _ in range(dice.randint(1, longest)))


@pytest.fixture(scope="module")
def captions() -> tuple[dict[str, str], dict[str, list[str]]]:
    """120 captions, some of one word, one of none, with one to five references."""
    dice = random.Random(1)
    references = {str(i): [sentence(dice) for _ in range(dice.randint(1, 5))] for i in range(120)}
    predictions = {
        key: dice.choice(texts) if dice.random() < 0.3 else sentence(dice) for key, texts in references.items()
    }
    return {**predictions, "7": "dog", "8": "", "9": "dog dog dog dog"}, references


def plainly(said: dict[str, list[str]], truth: dict[str, list[str]]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The figures of pycocoevalcap: of the whole, and of each item in order."""
    bleu, bleus = Bleu(4).compute_score(truth, said, verbose=0)
    rouge, rouges = Rouge().compute_score(truth, said)
    cider, ciders = Cider().compute_score(truth, said)
    whole = {f"bleu{n}": value for n, value in enumerate(bleu, 1)} | {"rouge": rouge, "cider": cider}
    items = {f"bleu{n}": list(value) for n, value in enumerate(bleus, 1)}
    return whole, items | {"rouge": list(rouges), "cider": list(ciders)}


def test_figures_equal_pycocoevalcaps_as_a_whole_and_item_by_item(captions):
    predictions, references = captions
    whole, items = plainly({key: [text] for key, text in predictions.items()}, references)
    words = tokenized(predictions, references, "own")
    figures = {figure.name: figure for figure in ngrams.figures(words, References(words.truth))}
    for name, value in whole.items():
        assert figures[name].value == pytest.approx(value, abs=1e-9), name
        assert list(figures[name].items) == list(predictions)
        assert list(figures[name].items.values()) == pytest.approx(items[name], abs=1e-9), name
    assert {name: value for name, value in score(predictions, references).items() if name in whole} == pytest.approx(
        whole
    )


@needs_java
def test_figures_equal_pycocoevalcaps_with_its_own_tokeniser_on_the_same_text(captions):
    """Its tokeniser looks ahead into the next line: the last word of "Person A." depends on the caption after it."""
    predictions = {key: text.capitalize() + ", isn't it?" for key, text in captions[0].items()} | {"119": "Person A."}
    references = {
        key: [
            f"{captions[0][key]} (of Person A.",
            *(f'{"The" if int(key) % 2 else "one"} {text} in 5".' for text in texts),
        ]
        for key, texts in captions[1].items()
    }
    tokenise = PTBTokenizer().tokenize
    truth = tokenise({key: [{"caption": text} for text in texts] for key, texts in references.items()})
    said = tokenise({key: [{"caption": text}] for key, text in predictions.items()})
    whole, _ = plainly(said, truth)
    assert {"person a.", "person a"} <= {" ".join(text.split()[-2:]) for texts in truth.values() for text in texts}
    ours = score(predictions, references, "ptb")
    assert {name: ours[name] for name in whole} == pytest.approx(whole, abs=1e-9)


@pytest.mark.shared
@needs_java
def test_figures_equal_pycocoevalcaps_on_the_captions_of_flickr8k(shared: Path):
    import csv
    import gzip

    references: dict[str, list[str]] = {}
    with gzip.open(shared / "flickr8k" / "captions.csv.gz", "rt", encoding="utf-8") as file:
        for image, _, caption in list(csv.reader(file))[1:2001]:
            references.setdefault(image, []).append(caption)
    predictions = {key: texts.pop() for key, texts in references.items()}
    tokenise = PTBTokenizer().tokenize
    whole, _ = plainly(
        tokenise({key: [{"caption": text}] for key, text in predictions.items()}),
        tokenise({key: [{"caption": text} for text in texts] for key, texts in references.items()}),
    )
    ours = score(predictions, references, "ptb")
    assert {name: ours[name] for name in whole} == pytest.approx(whole, abs=1e-6)
    assert whole["cider"] > 0.3
    assert score(predictions, references)["cider"] == pytest.approx(whole["cider"], abs=1e-3)  # our own tokeniser


@pytest.mark.shared
@needs_java
def test_our_tokeniser_differs_from_stanfords_on_fewer_than_one_caption_in_a_thousand(shared: Path):
    import gzip
    import json

    coco = json.loads(gzip.decompress((shared / "coco_small" / "captions_val2017.json.gz").read_bytes()))
    films = json.loads(gzip.decompress((shared / "activitynet" / "val_1.json.gz").read_bytes()))
    texts = [row["caption"] for row in coco["annotations"]]
    texts += [text for film in films.values() for text in film["sentences"]]
    pairs = zip(tokens.ptb(texts), tokens.own(texts), strict=True)
    assert len(texts) > 40_000
    assert sum(theirs != ours for theirs, ours in pairs) < len(texts) / 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's dog, isn't it?  Yes -- well-known!", "a man 's dog is n't it yes well-known"),
        ('He cannot say "hi"; they\'re gonna go...', "he can not say hi they 're gon na go"),
        ("A T.V. (on) St. Mary's Ave. at 11:44", "a t.v. -lrb- on -rrb- st. mary 's ave. at 11:44"),
        ("a red,white tub/shower and AT&T rock 'n' roll", "a red white tub/shower and at&t rock 'n' roll"),
        ("The man’s “café” – 3/4 full", "the man 's café 3/4 full"),  # noqa: RUF001
        ("player #23 in the grass.A dog at 5:04pm :)", "player # 23 in the grass.a dog at 5:04 pm :-rrb-"),
        ("two o'clock on the '80s d'Orsay slip n 'slide", "two o'clock on the '80s d'orsay slip n slide"),
        ("mail me@x.org & see @you!! #tag 1,000", "mail me@x.org & see @you !! #tag 1,000"),
        (" ... ?! - ", "?!"),
    ],
)  # fmt: skip
def test_words_are_those_of_the_coco_evaluation(text: str, words: str):
    assert normal(text) == words
    if java.version():
        assert " ".join(tokens.ptb([text])[0]) == words


def test_scores_of_a_perfect_answer_and_of_a_wrong_one():
    references = {"a": ["a dog runs on the grass"], "b": ["two men talk in a bar"], "c": ["the red car is parked"]}
    same = score({key: texts[0].upper() + "." for key, texts in references.items()}, references)
    wrong = score({"a": "the red car is parked", "b": "a dog runs on the grass", "c": "nothing at all"}, references)
    assert same["bleu4"] == pytest.approx(1, abs=1e-6) and same["cider"] == pytest.approx(10)
    assert wrong["cider"] < 1 and wrong["rouge"] < same["rouge"]
    assert score({"a": "x y", "b": "X y.", "c": "z y"}, references)["diversity"] == pytest.approx(2 / 3)


def test_the_trainers_scores_start_no_program(captions, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    assert set(score(*captions)) == {"bleu1", "bleu2", "bleu3", "bleu4", "rouge", "cider", "diversity"}


def test_candidates_are_scored_one_by_one_against_references_prepared_once(captions):
    predictions, references = captions
    truth = References({key: [text.split() for text in texts] for key, texts in references.items()})
    _, items = plainly({key: [text] for key, text in predictions.items()}, references)
    assert [truth.cider(key, text.split()) for key, text in predictions.items()] == pytest.approx(items["cider"])
    assert truth.cider("7", ["unheard"]) == 0


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_common_run_of_words_is_that_of_the_plain_table(seed: int):
    dice = random.Random(seed)
    one, other = sentence(dice).split(), sentence(dice, 70).split()
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert ngrams.longest_common(one, other) == ngrams.longest_common(other, one) == table[-1][-1]


def words_of(*texts: str) -> Words:
    said = {str(i): text.split() for i, text in enumerate(texts)}
    return Words(said, {key: [["a", "b"], ["a", "c", "d", "d"]] for key in said}, "spaces")


def test_variety_is_counted():
    figures = {figure.name: figure for figure in variety.figures(words_of("a b a b", "a b a b", "c d"))}
    assert figures["diversity"].value == pytest.approx(2 / 3)
    assert figures["distinct1"].value == pytest.approx(4 / 10)
    assert figures["distinct2"].value == pytest.approx(3 / 7)
    assert figures["length"].value == pytest.approx(10 / 3) and figures["length"].how.endswith("references: 3.00")
    assert figures["vocabulary"].value == 4 and figures["vocabulary"].how.endswith("references: 4")


def test_self_bleu_takes_all_other_captions_as_references():
    dice = random.Random(3)
    texts = [sentence(dice) for _ in range(25)] + ["a dog a dog", "a dog a dog a dog a dog"]
    texts.append(texts[0])
    words = words_of(*texts)
    found = next(figure for figure in variety.figures(words) if figure.name == "self_bleu")
    said = {str(i): [text] for i, text in enumerate(texts)}
    others = {str(i): texts[:i] + texts[i + 1 :] for i in range(len(texts))}
    _, bleus = Bleu(4).compute_score(others, said, verbose=0)
    assert list(found.items.values()) == pytest.approx(bleus[3], abs=1e-12)
    assert found.value == pytest.approx(sum(bleus[3]) / len(texts))
    alone = next(figure for figure in variety.figures(words_of("a b")) if figure.name == "self_bleu")
    assert alone.value is None and "two" in alone.how


def test_korean_is_counted_by_characters_or_between_spaces():
    text = "강아지가  풀밭을, 달린다!"
    assert tokens.characters([text])[0] == list("강아지가풀밭을달린다")
    assert tokens.spaced([text])[0] == ["강아지가", "풀밭을", "달린다"]
    assert tokens.spaced(["Café CAFE\u0301"])[0] == ["café", "café"]


def test_the_tokeniser_follows_the_language_and_java(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(java, "version", lambda: "17")
    assert [tokens.tokenizer("auto", language) for language in ("en-GB", "ko", "ja-JP", "de")] == [
        "ptb", "characters", "characters", "words",
    ]  # fmt: skip
    assert tokens.tokenizer("own", "ko") == "own"
    monkeypatch.setattr(java, "version", lambda: "")
    assert tokens.tokenizer("auto", "en") == "own"
    with pytest.raises(SettingsError, match="did you mean 'words'"):
        tokens.tokenizer("word")
    with pytest.raises(SettingsError, match=r"needs Java.*--tokenizer own"):
        tokens.ptb(["a"])


@pytest.fixture
def bad_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `java` that cannot do anything, as on a Mac without one."""
    program = tmp_path / "java"
    program.write_text("#!/bin/sh\necho no runtime is present >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    version = java.version
    version.cache_clear()
    yield program
    version.cache_clear()


def test_a_java_that_only_says_where_to_get_one_is_none(bad_java: Path):
    assert java.version() == ""


def test_a_tokeniser_that_fails_is_told_in_a_sentence(bad_java: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(java, "version", lambda: "17")
    with pytest.raises(SettingsError, match=r"no runtime is present.*--tokenizer own"):
        java.ptb(["a"])


def ptb_words() -> Words:
    said = {"a": ["a", "dog", "runs"], "b": ["a", "cat", "|||", "sits"], "c": []}
    truth = {"a": [["a", "dog", "runs"], ["the", "dog", "is", "running"]], "b": [["a", "cat"]], "c": [["a", "dog"]]}
    return Words(said, truth, TOKENIZERS["ptb"][0])


@needs_java
@pytest.mark.slow
def test_meteor_gives_what_its_program_gives():
    figure = programs.meteor(ptb_words(), "en")
    assert figure.items["a"] == 1 and figure.items["c"] == 0 and 0.4 < figure.items["b"] < 1
    assert 0.3 < figure.value < 1
    assert "PTB" in figure.how


def test_meteor_is_asked_with_tokens_and_gives_its_items(monkeypatch: pytest.MonkeyPatch):
    asked = {}

    class Program:
        lock = threading.Lock()

        def compute_score(self, truth, said):
            asked.update(truth=truth, said=said)
            return 0.25, [0.1, 0.2, 0.3]

    monkeypatch.setattr("pycocoevalcap.meteor.meteor.Meteor", Program)
    figure = programs.meteor(ptb_words(), "en")
    assert (figure.value, figure.items) == (0.25, {"a": 0.1, "b": 0.2, "c": 0.3})
    assert asked["said"] == {"a": ["a dog runs"], "b": ["a cat sits"], "c": [""]}  # its own separator would end it
    assert asked["truth"]["a"] == ["a dog runs", "the dog is running"]


def test_a_meteor_that_fails_gives_a_reason_and_lets_go_of_its_lock(monkeypatch: pytest.MonkeyPatch):
    class Program:
        lock = threading.Lock()

        def compute_score(self, truth, said):
            self.lock.acquire()
            raise ValueError("could not convert string to float")

    monkeypatch.setattr("pycocoevalcap.meteor.meteor.Meteor", Program)
    figure = programs.meteor(ptb_words(), "en")
    assert figure.value is None and "could not convert" in figure.how
    assert not Program.lock.locked()


def test_spice_without_its_data_is_not_there_and_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("urllib.request.urlretrieve", lambda *_, **__: pytest.fail("a download"))
    monkeypatch.setattr(java, "folder", lambda: tmp_path)
    figure = programs.spice(ptb_words(), "en")
    assert figure.value is None and "stanford-corenlp-3.6.0.jar" in figure.how


def test_spice_gives_its_items_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    library = tmp_path / "spice" / "lib"
    library.mkdir(parents=True)
    for name in programs.SPICE_DATA:
        (library / name).touch()

    class Program:
        def compute_score(self, truth, said):
            return 0.5, [{"All": {"f": float(len(said[key][0]))}} for key in sorted(truth)]

    monkeypatch.setattr(java, "folder", lambda: tmp_path)
    monkeypatch.setattr("pycocoevalcap.spice.spice.Spice", Program)
    words = ptb_words()
    turned = Words(dict(reversed(words.said.items())), dict(reversed(words.truth.items())), words.how)
    assert programs.spice(turned, "en").items == {"c": 0, "b": 10, "a": 10}


@pytest.mark.parametrize(("how", "language", "reason"), [("spaces", "en", "Java"), ("ptb", "ko", "for English")])
def test_meteor_says_why_it_is_not_there(how: str, language: str, reason: str):
    words = Words({"a": ["x"]}, {"a": [["x"]]}, TOKENIZERS[how][0] if how == "ptb" else how)
    for figure in (programs.meteor(words, language), programs.spice(words, language)):
        assert figure.value is None and reason in figure.how


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *NOUNS]))
    torch.manual_seed(0)
    torch.set_num_threads(1)
    size = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    BertModel(BertConfig(vocab_size=5 + len(NOUNS), max_position_embeddings=40, **size)).save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(vocabulary)).save_pretrained(folder)
    return folder


def test_bertscore_is_the_librarys_with_the_best_reference(bert: Path, tmp_path: Path):
    pytest.importorskip("bert_score")
    import shutil

    from bert_score import score as library
    from transformers import AutoTokenizer

    said = {"a": "a dog runs", "b": "the cat sits", "c": ""}
    truth = {"a": ["a red dog", "a dog runs"], "b": ["a big woman jumps", "the man"], "c": ["a dog"]}
    found = meaning.bertscore(said, truth, str(bert), "cpu")
    assert found.items["a"] == pytest.approx(1, abs=1e-5) and found.items["c"] == 0
    assert "layer 2" in found.how and str(bert) in found.how
    told = Path(shutil.copytree(bert, tmp_path / "told"))  # bert-score itself needs to be told the longest text
    AutoTokenizer.from_pretrained(bert, model_max_length=40).save_pretrained(told)
    _, _, f1 = library(
        [said["a"], said["b"]], [truth["a"], truth["b"]], model_type=str(told), num_layers=2, device="cpu"
    )
    assert [found.items["a"], found.items["b"]] == pytest.approx(f1.tolist(), abs=1e-6)


def test_bertscore_reads_texts_longer_than_its_model(bert: Path):
    pytest.importorskip("bert_score")
    assert meaning.bertscore({"a": "a dog " * 50}, {"a": ["a cat " * 60]}, str(bert), "cpu").value > 0


def test_bertscore_with_a_model_that_is_not_there_fails_at_once():
    pytest.importorskip("bert_score")
    with pytest.raises(ModelError, match="nobody/nothing"):
        meaning.bertscore({"a": "x"}, {"a": ["y"]}, "nobody/nothing", "cpu")


def test_the_sentence_cosine_takes_the_nearest_reference(monkeypatch: pytest.MonkeyPatch):
    likeness = {("x", "y"): 0.2, ("x", "z"): 0.7}
    named = SimpleNamespace(prepared=[])

    def prepare(texts):
        named.prepared = list(texts)
        return lambda one, other: likeness[one, other]

    monkeypatch.setattr(meaning, "similarity", lambda name: ("some-model", prepare))
    figure = meaning.sentences({"a": "x", "b": ""}, {"a": ["y", "z"], "b": ["y"]}, "auto", "en")
    assert figure.items == {"a": 0.7, "b": 0} and figure.value == pytest.approx(0.35)
    assert "some-model" in figure.how and {"x", "y", "z"} <= set(named.prepared)


def test_no_sentence_model_is_a_reason_not_a_word_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(meaning, "similarity", lambda name: ("tokens", None))
    assert "vdesc[embed]" in meaning.sentences({"a": "x"}, {"a": ["y"]}, "auto", "en").how
    assert "ranking.similarity" in meaning.sentences({"a": "x"}, {"a": ["y"]}, "auto", "ko").how


def test_meteor_of_equal_words_is_that_of_the_nearest_reference():
    said = {"a": ["a", "dog", "runs"], "b": ["runs", "dog"], "c": ["a", "cat"], "d": []}
    truth = {"a": [["the", "dog", "runs"], ["snow"]], "b": [["dog", "runs"]], "c": [["snow"]], "d": [["x"]]}
    figure = meteor.exact(Words(said, truth, "spaces"))
    third = 2 / 3  # precision and recall; two words in one run, then in two
    assert figure.items == pytest.approx({"a": third * (1 - 0.5 / 8), "b": 0.5, "c": 0, "d": 0})
    assert figure.value == pytest.approx(sum(figure.items.values()) / 4) and figure.how == "spaces"


@pytest.mark.parametrize(
    ("said", "truth", "value"),
    [
        ("a dog runs fast", "a dog runs fast", 1 - 0.5 / 64),
        # two of three words said, two of four wanted, in one run
        ("a dog sits", "a dog runs fast", 10 * (2 / 3) * 0.5 / (0.5 + 9 * 2 / 3) * (1 - 0.5 / 8)),
    ],
)
def test_meteor_weighs_recall_nine_times(said: str, truth: str, value: float):
    words = Words({"a": said.split()}, {"a": [truth.split()]}, "spaces")
    assert meteor.exact(words).value == pytest.approx(value)
