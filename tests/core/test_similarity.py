"""How alike two sentences are."""

import importlib.util
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import ModelError
from vdesc.similarity import similarity, tokens

words = st.text() | st.lists(st.sampled_from(["a", "dog", "the", "runs", "개", "Dog."])).map(" ".join)


@given(words, words)
def test_likeness_is_symmetric_and_a_share(one, other):
    assert tokens(one, other) == tokens(other, one)
    assert 0 <= tokens(one, other) <= 1


@given(words)
def test_a_sentence_is_like_itself(text):
    assert tokens(text, text) == 1


def test_words_count_not_articles_case_or_marks():
    assert tokens("A dog runs.", "the DOG runs") == 1
    assert tokens("a dog", "a cat") == 0
    assert tokens("a dog runs", "a dog sleeps") == 0.5
    assert tokens("a dog a dog", "a dog") < 1, "a word said twice is not said once"


def test_sentences_of_articles_alone_are_compared_all_the_same():
    assert tokens("the", "a") == 0 and tokens("", "...") == 0


def test_auto_is_tokens_where_sentence_transformers_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    name, prepare = similarity("auto")
    assert name == "tokens" and prepare(["a dog"]) is tokens


def test_a_model_that_is_named_but_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ModelError, match=r"pip install 'vdesc\[embed\]'"):
        similarity("no/such-model-1")[1](["a dog"])
