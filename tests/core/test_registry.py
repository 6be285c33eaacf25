"""Plugins are found by name; what is broken, doubled or wrong is said in a sentence."""

import importlib.metadata
import sys

import pytest
from pydantic import Field
from vdesc import Captioner, PluginError, Ranker, SettingsError, hookimpl
from vdesc.registry import Entry, Registry, create, split
from vdesc.testing import FakeCaptioner, FakeKeyframer, FakeRanker, module


@pytest.fixture
def registry() -> Registry:
    """A registry of nothing but what a test adds."""
    empty = Registry()
    empty.entries = []
    return empty


@pytest.fixture
def entry(registry, tmp_path, monkeypatch):
    """Adds an entry point whose module holds the given source."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(name: str, source: str, package: str = "stranger", home: str = "") -> str:
        home = home or f"made_{name.replace('-', '_')}_{len(registry.entries)}"
        (tmp_path / f"{home}.py").write_text(source)
        monkeypatch.delitem(sys.modules, home, raising=False)
        point = importlib.metadata.EntryPoint(name, home, "vdesc")
        registry.entries.append(Entry(name, home, package, "1.2", point))
        return home

    return add


GOOD = """
from vdesc import Captioner, hookimpl
class Good(Captioner):
    name = "good"
    def propose(self, slots, n=1):
        return []
@hookimpl
def captioners():
    return [Good]
"""


def test_a_plugin_is_found_with_its_package_and_version(registry, entry):
    entry("good", GOOD)
    found = registry.find("good", ("captioner",))
    assert (found.plugin.name, found.package, found.version) == ("good", "stranger", "1.2")


def test_only_the_module_that_is_asked_for_is_imported(registry, entry):
    entry("good", GOOD)
    other = entry("other", "raise SystemExit('imported')")
    registry.find("good", ("captioner",))
    assert other not in sys.modules and not registry.broken


def test_a_plugin_is_found_though_its_entry_has_another_name(registry, entry):
    entry("something", GOOD)
    assert registry.find("good", ("captioner",)).plugin.name == "good"


def test_an_unknown_name_is_answered_with_the_nearest_of_its_kind(registry):
    registry.register(module(FakeCaptioner, FakeKeyframer))
    with pytest.raises(
        PluginError, match=r"no captioner or ranker called 'fake-captoner'.*did you mean 'fake-captioner'"
    ):
        registry.find("fake-captoner", ("captioner", "ranker"))
    with pytest.raises(PluginError, match="no keyframer called 'fake-captioner'"):
        registry.find("fake-captioner", ("keyframer",))


@pytest.mark.parametrize("source", ["import no_such_thing", "raise SystemExit(3)", "def broken(:", "1 / 0"])
def test_a_module_that_cannot_be_imported_is_reported_and_the_rest_goes_on(registry, entry, source):
    entry("bad", source)
    entry("good", GOOD, "honest")
    assert [found.plugin.name for found in registry.all()] == ["good"]
    assert [(broken.entry, broken.package) for broken in registry.broken] == [("bad", "stranger")]
    with pytest.raises(PluginError, match="plugin 'bad' of stranger cannot be used"):
        registry.find("bad", ("captioner",))


def test_an_interrupt_during_an_import_stops_the_program(registry, entry):
    entry("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        registry.all()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (GOOD.replace("def captioners", "def captionres"), "unknown hook 'captionres'"),
        (GOOD.replace("[Good]", "[Good()]"), "is no Captioner class"),
        (GOOD.replace("[Good]", "[str]"), "is no Captioner class"),
        (GOOD.replace("[Good]", "Good"), "not iterable"),
        (GOOD.replace("    name", "    title"), "Good has no name"),
        (GOOD.replace("def propose", "def propos"), "Good has no propose"),
        (GOOD.replace("return [Good]", "return 1 / 0"), "ZeroDivisionError"),
        (GOOD.replace("captioners()", "captioners(app)"), "PluginValidationError"),
    ],
)
def test_a_wrong_hook_is_reported_under_the_entrys_name(registry, entry, source, reason):
    entry("good", source)
    assert registry.all() == []
    assert [broken.entry for broken in registry.broken] == ["good"]
    assert reason in registry.broken[0].reason
    with pytest.raises(PluginError, match="plugin 'good' of stranger cannot be used"):
        registry.find("good", ("captioner",))
    registry.register(module(FakeCaptioner))  # the hooks of others still work
    assert registry.find("fake-captioner", ("captioner",))


def test_every_name_of_a_broken_module_is_answered_with_the_reason(registry, entry):
    home = entry("one", "1 / 0")
    entry("two", "1 / 0", home=home)
    registry.all()
    assert len(registry.broken) == 1
    with pytest.raises(PluginError, match="plugin 'two' of stranger cannot be used: ZeroDivisionError"):
        registry.find("two", ("captioner",))


def test_a_name_that_two_packages_bring_is_an_error_that_names_both(registry, entry):
    entry("good", GOOD, "beta")
    entry("good", GOOD, "alpha")
    with pytest.raises(PluginError, match="two plugins are called 'good', from alpha and beta"):
        registry.find("good", ("captioner",))


def test_plugins_of_two_kinds_may_share_a_name(registry):
    class Same(Ranker):
        name = "fake-captioner"

        def score(self, slots, candidates):
            return []

    registry.register(module(FakeCaptioner, Same))
    assert registry.find("fake-captioner", ("ranker",)).plugin is Same
    assert registry.find("fake-captioner", ("captioner",)).plugin is FakeCaptioner


def test_all_plugins_are_sorted_by_kind_then_name(registry):
    registry.register(module(FakeRanker, FakeCaptioner, FakeKeyframer))
    assert [found.plugin for found in registry.all()] == [FakeKeyframer, FakeCaptioner, FakeRanker]


def test_an_object_with_hooks_can_be_registered(registry):
    class Mine:
        @hookimpl
        def captioners(self):
            return [FakeCaptioner]

    registry.register(Mine())
    assert registry.find("fake-captioner", ("captioner",)).package == "local"


class Tuned(Captioner):
    """Has options."""

    name = "tuned"
    shorthand = "beam"

    class Options(Captioner.Options):
        """Some."""

        beam: int = Field(1, ge=1, le=8, description="How many.")
        temperature: float = Field(0.0, description="How wild.")

    def propose(self, slots, n=1):
        return []


def test_options_are_checked_and_have_defaults():
    assert create(Tuned, beam=3).options == Tuned.Options(beam=3, temperature=0.0)


def test_the_value_after_the_colon_goes_to_the_option_that_the_plugin_names():
    assert create(Tuned, *split("tuned:4")[1:]).options.beam == 4
    assert split("uniform") == ("uniform", "")


@pytest.mark.parametrize(
    ("shorthand", "options", "sentence"),
    [
        ("", {"beem": 1}, "tuned has no option 'beem' (did you mean 'beam'?)"),
        ("", {"beam": 9}, "tuned: beam 9 is wrong: Input should be less than or equal to 8"),
        ("many", {}, "tuned: beam 'many' is wrong"),
        ("", {"temperature": "hot"}, "tuned: temperature 'hot' is wrong"),
    ],
)
def test_a_wrong_option_is_one_sentence(shorthand, options, sentence):
    with pytest.raises(SettingsError) as error:
        create(Tuned, shorthand, **options)
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value)


def test_a_plugin_without_a_shorthand_takes_no_value_after_a_colon():
    with pytest.raises(SettingsError, match="fake-captioner takes no value after a colon, but '3' was given"):
        create(FakeCaptioner, "3")
