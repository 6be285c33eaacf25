"""The pipeline with fakes: a whole run, what is kept for the next one, and what happens when something fails."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vdesc import (
    Cache,
    Candidate,
    Captioner,
    Evidence,
    Keyframer,
    MissingExtra,
    ModelError,
    Observer,
    PluginError,
    Ranker,
    Settings,
    SettingsError,
    cache,
    pipeline,
)
from vdesc.document import dump
from vdesc.fakes import Fake
from vdesc.pipeline import Engine
from vdesc.registry import Registry
from vdesc.testing import (
    FakeCaptioner,
    FakeKeyframer,
    FakeObserver,
    FakeRanker,
    FakeWriter,
    description,
    module,
    small_video,
)

CHOICE = {
    "keyframes": "fake-keyframer:5",
    "plugins": ("fake-observer", "fake-captioner", "fake-ranker"),
    "formats": ("fake-writer",),
    "ranking": {"similarity": "tokens", "weights": {"fake-ranker": 1}, "merge": None},
    "slots": {"shortest": 0},
}
EVERYONE = ["fake-keyframer", "fake-observer", "fake-captioner", "fake-ranker"]


class Other(FakeCaptioner):
    """Another captioner."""

    name = "other"


class Reader(FakeCaptioner):
    """Repeats the evidence."""

    name = "reader"
    reads_context = True

    def propose(self, slots, n=1):
        self.called()
        for slot in slots:
            yield Candidate(slot.index, f"It says {[e.value for e in slot.context.evidence]}.", self.name)


@pytest.fixture
def registry() -> Registry:
    """A registry of the fakes alone."""
    made = Registry()
    made.entries = []
    made.register(module(FakeKeyframer, FakeObserver, FakeCaptioner, FakeRanker, FakeWriter, Other, Reader))
    return made


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return small_video(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The names of the fakes in the order in which they are called."""
    names: list[str] = []
    called = Fake.called

    def counted(fake: Fake) -> None:
        names.append(fake.name)
        called(fake)

    monkeypatch.setattr(Fake, "called", counted)
    return names


@pytest.fixture
def run(registry, clip, own_cache):
    """Describes the clip with the fakes, and what changes; each time with an engine of its own."""

    def describe(folder: Path | None = None, enabled: bool = True, **changes):
        with Engine(Settings(**(CHOICE | changes)), registry, Cache(folder or own_cache, enabled)) as engine:
            return engine.describe(clip)

    return describe


def test_a_whole_run_gives_every_noun_in_order(run, calls, own_cache):
    found = run()
    assert calls == EVERYONE
    assert [frame.shot for frame in found.keyframes] == list(found.shots) and len(found.shots) == 5
    assert [e.value for e in found.evidence] == [f"word {i}" for i in range(5)]
    assert [slot.span for slot in found.slots] == [shot.span for shot in found.shots]
    assert [slot.context.evidence[0].value for slot in found.slots] == [f"word {i}" for i in range(5)]
    assert len(found.candidates) == 5 * 3 and len(found.cues) == 5
    for cue in found.cues:
        assert set(cue.chosen.scores) == {"confidence", "fake-ranker", "novelty", "total"}
        ranked = [candidate.scores["total"] for candidate in (cue.chosen, *cue.runners_up)]
        assert len(ranked) == 3 and ranked == sorted(ranked, reverse=True)
    assert all(frame.image.path.is_relative_to(own_cache) for frame in found.keyframes)
    assert found.keyframes[0].pixels().shape == (48, 64, 3)
    assert found.made_by.keys() >= {*EVERYONE, "fake-writer", "similarity"} and found.made_by["similarity"] == "tokens"
    assert found.settings["options"]["fake-keyframer"] == {"fail": False, "count": 5}
    assert set(found.timings) == {"look", "observe", "propose", "choose"}


def test_writers_get_the_folder(registry, clip, tmp_path):
    with Engine(Settings(**CHOICE), registry) as engine:
        (path,) = engine.write(engine.describe(clip), tmp_path / "out")
    assert path == tmp_path / "out" / "clip.fake" and len(path.read_text().splitlines()) == 5


def test_a_second_run_calls_no_plugin_and_gives_the_same_bytes(run, calls):
    first = dump(run())
    calls.clear()
    assert dump(run()) == first
    assert calls == []


def test_a_run_without_the_cache_does_everything_again_and_gives_the_same_bytes(run, calls):
    first = dump(run())
    calls.clear()
    assert dump(run(enabled=False)) == first
    assert calls == EVERYONE


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"keyframes": "fake-keyframer:4"}, EVERYONE),
        ({"plugins": ("fake-captioner", "fake-ranker")}, ["fake-ranker"]),
        ({"plugins": ("fake-observer", "fake-captioner")}, []),
        ({"plugins": ("fake-observer", "fake-captioner", "fake-ranker", "other")}, ["other", "fake-ranker"]),
        ({"candidates": 2}, ["fake-captioner", "fake-ranker"]),
        ({"slots": {"shortest": 2000}}, ["fake-captioner", "fake-ranker"]),
        ({"language": "ko"}, ["fake-observer", "fake-captioner", "fake-ranker"]),
        ({"ranking": {"similarity": "tokens", "merge": 0.1}}, []),
        ({"timing": {"profile": "none"}}, []),
        ({"formats": ()}, []),
    ],
)
def test_a_change_recomputes_exactly_what_depends_on_it(run, calls, tmp_path, changes, again):
    run()
    calls.clear()
    warm = run(**changes)
    assert calls == again
    assert dump(warm) == dump(run(tmp_path / "another cache", **changes))


def test_an_option_recomputes_its_plugin_and_what_follows(run, calls, registry):
    class Tuned(FakeObserver):
        """With an option."""

        name = "tuned"

        class Options(FakeObserver.Options):
            """One."""

            level: int = 1

        def observe(self, video, keyframes):
            self.called()
            return [Evidence("text", keyframes[0].shot.span, f"level {self.options.level}", 0.9, self.name)]

    registry.register(module(Tuned, name="more"))
    plugins = ("tuned", "reader", "fake-captioner")
    run(plugins=plugins)
    calls.clear()
    found = run(plugins=plugins, options={"tuned": {"level": 2}})
    assert calls == ["tuned", "reader"], "the captioner that does not look at evidence is not asked again"
    assert any("level 2" in candidate.text for candidate in found.candidates)


def test_another_version_of_a_plugin_works_anew(run, calls, registry):
    run()
    calls.clear()
    registry._found = [replace(f, version="2") if f.plugin is FakeCaptioner else f for f in registry._found]
    run()
    assert calls == ["fake-captioner"], "the same words need no new judgement"


def test_another_video_shares_nothing(run, calls, registry, tmp_path):
    run()
    calls.clear()
    with Engine(Settings(**CHOICE), registry) as engine:
        engine.describe(small_video(tmp_path / "clip.mp4", seconds=2))
    assert calls == EVERYONE


def test_a_copy_under_another_name_shares_everything(run, calls, registry, clip, tmp_path):
    run()
    calls.clear()
    with Engine(Settings(**CHOICE), registry) as engine:
        found = engine.describe(Path(shutil.copy(clip, tmp_path / "another name.mp4")))
    assert calls == [] and found.video.path.name == "another name.mp4"


@pytest.mark.parametrize("part", ["frames", "look"])
def test_what_was_cleared_away_is_made_again(run, calls, own_cache, part):
    first = dump(run())
    calls.clear()
    Cache(own_cache).clear(part)
    assert dump(run()) == first
    assert calls == ["fake-keyframer"]


def test_one_lost_frame_is_made_again(run, own_cache):
    first = run()
    first.keyframes[2].image.path.unlink()
    assert dump(run()) == dump(first) and first.keyframes[2].image.path.is_file()


@pytest.mark.parametrize("name", EVERYONE)
def test_a_run_that_is_killed_in_a_plugin_goes_on_and_gives_the_same_bytes(run, calls, monkeypatch, tmp_path, name):
    expected = dump(run(tmp_path / "never killed"))
    with monkeypatch.context() as killing:

        def kill(fake: Fake) -> None:
            if fake.name == name:
                raise KeyboardInterrupt

        killing.setattr(Fake, "called", kill)
        with pytest.raises(KeyboardInterrupt):
            run()
    calls.clear()
    assert dump(run()) == expected
    assert calls == EVERYONE[EVERYONE.index(name) :], "what was done before is not done again"


@pytest.mark.parametrize("nth", range(12))
def test_a_run_that_is_killed_at_any_write_goes_on_and_gives_the_same_bytes(run, monkeypatch, tmp_path, nth):
    monkeypatch.setattr(pipeline, "CHUNK", 2)
    expected = dump(run(tmp_path / "never killed"))
    left = [nth]

    def mortal(work):
        def write(*args, **named):
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt
            return work(*args, **named)

        return write

    with monkeypatch.context() as killing:
        killing.setattr(pipeline, "save_picture", mortal(pipeline.save_picture))
        killing.setattr(cache, "write_atomic", mortal(cache.write_atomic))
        writes = 5 + 3 + 3  # frames; keyframes, evidence and scores; candidates in chunks of two
        if nth < writes:
            with pytest.raises(KeyboardInterrupt):
                run()
        else:
            run()
    assert dump(run()) == expected


def test_a_captioner_gets_slots_in_chunks_and_those_done_are_kept(run, calls, monkeypatch):
    monkeypatch.setattr(pipeline, "CHUNK", 2)
    with monkeypatch.context() as killing:
        killing.setattr(
            Fake, "called", lambda fake: (_ for _ in ()).throw(KeyboardInterrupt) if fake.calls else _call(fake)
        )
        with pytest.raises(KeyboardInterrupt):
            run()
    calls.clear()
    run()
    assert calls == ["fake-captioner", "fake-captioner", "fake-ranker"], "the first chunk of three was kept"


def _call(fake: Fake) -> None:
    fake.calls += 1


@pytest.mark.parametrize("name", ["fake-observer", "fake-ranker"])
def test_an_observer_or_ranker_that_fails_is_named_and_the_run_goes_on(run, name):
    found = run(options={name: {"fail": True}})
    errors = [finding for finding in found.findings if finding.level == "error"]
    assert [(e.source, e.message) for e in errors] == [(name, f"{name} failed: RuntimeError: it was asked to fail")]
    assert len(found.cues) == 5


def test_what_was_looked_for_is_told_even_where_nothing_was_found(run, monkeypatch):
    """An observer that failed did not look."""
    monkeypatch.setattr(FakeObserver, "finds", ("text", "object"))
    monkeypatch.setattr(FakeObserver, "observe", lambda self, video, keyframes: [1 / 0] if self.options.fail else [])
    found = run()
    assert (found.evidence, found.sought) == ((), ("object", "text"))
    assert {slot.context.sought for slot in found.slots} == {("object", "text")}
    assert run(options={"fake-observer": {"fail": True}}).sought == ()


def test_a_failure_is_not_remembered(run, calls):
    run(options={"fake-observer": {"fail": True}})
    calls.clear()
    run(options={"fake-observer": {"fail": True}})
    assert calls == ["fake-observer"]


def test_the_only_captioner_that_fails_ends_the_run(run):
    with pytest.raises(PluginError, match="fake-captioner failed: RuntimeError: it was asked to fail"):
        run(options={"fake-captioner": {"fail": True}})


def test_one_captioner_of_two_that_fails_is_named_and_the_other_speaks(run):
    found = run(plugins=("other", "fake-captioner"), options={"fake-captioner": {"fail": True}})
    assert {candidate.source for candidate in found.candidates} == {"other"} and len(found.cues) == 5
    assert [finding.source for finding in found.findings if finding.level == "error"] == ["fake-captioner"]


def test_a_keyframer_that_fails_ends_the_run(run):
    with pytest.raises(PluginError, match="fake-keyframer failed"):
        run(options={"fake-keyframer": {"fail": True}})


def test_a_keyframer_that_finds_nothing_ends_the_run(run, registry, clip):
    registry.register(
        module(type("Blind", (Keyframer,), {"name": "blind", "select": lambda self, video: []}), name="b")
    )
    with pytest.raises(PluginError, match=r"blind found no keyframe in .*clip\.mp4"):
        run(keyframes="blind")


def _captioner(**attributes):
    return type("Made", (Captioner,), {"name": "made", "__doc__": "Made."} | attributes)


def _all(**fields):
    return lambda self, slots, n: [
        Candidate(**({"slot": s.index, "text": "A.", "source": "made"} | fields)) for s in slots
    ]


@pytest.mark.parametrize(
    ("propose", "cues", "said"),
    [
        (_all(slot=99), 0, "dropped a candidate for slot 99, which was not asked for"),
        (_all(text="  "), 0, "dropped an empty candidate for slot 0"),
        (_all(confidence=7.0), 5, "ignored a confidence of 7.0, which is not in 0..1"),
        (_all(confidence=float("nan")), 5, "ignored a confidence of nan"),
        (lambda self, slots, n: [], 0, ""),
    ],
)
def test_what_a_captioner_gets_wrong_is_dropped_and_noted(run, registry, propose, cues, said):
    registry.register(module(_captioner(propose=propose), name="made"))
    found = run(plugins=("made",))
    assert len(found.cues) == cues
    assert any(said in finding.message for finding in found.findings) or not said
    dump(found)


def test_no_more_candidates_are_taken_than_were_asked_for(run, registry):
    many = _captioner(
        propose=lambda self, slots, n: [Candidate(s.index, f"{i}", "made") for s in slots for i in range(9)]
    )
    registry.register(module(many, name="made"))
    assert [c.text for c in run(plugins=("made",), candidates=2).candidates] == ["0", "1"] * 5


def test_numbers_that_are_whole_or_of_another_library_are_the_same_when_read_again(run, registry):
    registry.register(module(_captioner(propose=_all(confidence=1)), name="made"))
    assert dump(run(plugins=("made",))) == dump(run(plugins=("made",)))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (lambda n: [0.5], "gave 1 scores for 15 candidates"),
        (lambda n: [None] * n, "judge failed: TypeError"),
        (lambda n: ["x"] * n, "judge failed: ValueError"),
    ],
)
def test_wrong_scores_are_a_finding(run, registry, numbers, said):
    judge = type("J", (Ranker,), {"name": "judge", "score": lambda self, slots, candidates: numbers(len(candidates))})
    registry.register(module(judge, name="judge"))
    found = run(plugins=("fake-captioner", "judge"))
    assert said in next(finding.message for finding in found.findings if finding.source == "judge")
    assert len(found.cues) == 5


def test_scores_outside_their_range_are_brought_into_it(run, registry):
    def score(self, slots, candidates):
        return [(-1, 2, float("inf"))[i % 3] for i in range(len(candidates))]

    registry.register(module(type("J", (Ranker,), {"name": "judge", "score": score}), name="judge"))
    assert {c.scores["judge"] for c in run(plugins=("fake-captioner", "judge")).candidates} == {0.0, 1.0}


def test_evidence_that_cannot_be_kept_is_the_observers_fault(run, registry):
    def observe(self, video, keyframes):
        return [Evidence("text", keyframes[0].shot.span, "x", 0.5, "eye", details={"raw": object()})]

    registry.register(module(type("Eye", (Observer,), {"name": "eye", "observe": observe}), name="eye"))
    found = run(plugins=("eye", "fake-captioner"))
    assert any("eye failed" in finding.message for finding in found.findings) and len(found.cues) == 5


def test_findings_are_kept_with_the_result(run, registry):
    def propose(self, slots, n):
        self.note("it was dark")
        return [Candidate(slot.index, "Dark.", "made") for slot in slots]

    registry.register(module(_captioner(propose=propose), name="made"))
    for _ in range(2):
        assert [f.message for f in run(plugins=("made",)).findings if f.source == "made"] == ["it was dark"]


def test_a_result_that_lacks_something_for_a_passing_reason_is_not_kept(run, registry, monkeypatch):
    monkeypatch.setattr(pipeline, "CHUNK", 2)
    asked, away = [], [1, 4]

    def propose(self, slots, n):
        asked.append([slot.index for slot in slots])
        for slot in slots:
            if slot.index in away:
                self.note(f"slot {slot.index}: the server was busy", "warning", passing=True)
            else:
                yield Candidate(slot.index, "Here.", "made")

    def observe(self, video, keyframes):
        asked.append("looked")
        self.note("it was away", passing=bool(away))
        return []

    eye = type("Eye", (Observer,), {"name": "eye", "observe": observe})
    registry.register(module(_captioner(propose=propose), eye, name="made"))

    def again():
        asked.clear()
        found = run(plugins=("made", "eye"))
        return asked[:], [candidate.slot for candidate in found.candidates]

    assert again() == (["looked", [0, 1], [2, 3], [4]], [0, 2, 3])
    away.remove(4)
    assert again() == (["looked", [0, 1], [4]], [0, 2, 3, 4]), "what lacked nothing was kept"
    away.clear()
    assert again() == (["looked", [0, 1]], [0, 1, 2, 3, 4])
    assert again() == ([], [0, 1, 2, 3, 4])


def test_a_missing_package_is_named_with_its_extra(run, registry):
    def load(self, device):
        import no_such_library  # noqa: F401

    made = _captioner(load=load, extra="sky", propose=_all())
    registry.register(module(made, name="made"))
    with pytest.raises(MissingExtra, match=r"made needs the package no_such_library: pip install 'vdesc\[sky\]'"):
        run(plugins=("made",))


def test_plugins_are_loaded_once_when_first_needed_and_closed_at_the_end(registry, clip, tmp_path):
    said: list[str] = []
    made = _captioner(
        load=lambda self, device: said.append(f"load {device}"), close=lambda self: said.append("close"), propose=_all()
    )
    registry.register(module(made, name="made"))
    choice = Settings(**(CHOICE | {"plugins": ("made",), "device": "cpu"}))
    with Engine(choice, registry) as engine:
        assert said == []
        engine.describe(clip)
        engine.describe(small_video(tmp_path / "b.mp4", 2))
        assert said == ["load cpu"]
    assert said == ["load cpu", "close"]
    with Engine(choice, registry) as engine:
        engine.describe(clip)
    assert said == ["load cpu", "close"], "all is in the cache: nothing was loaded"


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"plugins": ("fake-captoner",)}, PluginError, "did you mean 'fake-captioner'"),
        ({"keyframes": "fake-captioner"}, PluginError, "no keyframer called 'fake-captioner'"),
        ({"plugins": ("fake-ranker",)}, SettingsError, "no captioner among the plugins"),
        ({"plugins": ("fake-captioner", "fake-captioner")}, SettingsError, "among the plugins more than once"),
        ({"options": {"fake-writr": {}}}, SettingsError, "'fake-writr', which takes no part"),
        ({"options": {"fake-captioner": {"fial": 1}}}, SettingsError, "no option 'fial'"),
        ({"keyframes": "fake-keyframer:0"}, SettingsError, "count '0' is wrong"),
        ({"timing": {"profile": "netflx"}}, SettingsError, "did you mean 'netflix'"),
        ({"formats": ("fake-wrter",)}, PluginError, "did you mean 'fake-writer'"),
    ],
)
def test_a_wrong_choice_is_one_sentence_before_any_work(run, calls, changes, error, sentence):
    with pytest.raises(error) as raised:
        run(**changes)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)
    assert calls == []


def test_a_plugin_that_cannot_be_made_is_named(run, registry):
    registry.register(module(_captioner(__init__=lambda self, options: 1 / 0, propose=_all()), name="made"))
    with pytest.raises(PluginError, match="made could not be made: ZeroDivisionError"):
        run(plugins=("made",))


def test_an_unknown_device_is_one_sentence(run, registry):
    registry.register(module(_captioner(load=lambda self, device: None, propose=_all()), name="made"))
    with pytest.raises(SettingsError, match="there is no device 'abacus'"):
        run(plugins=("made",), device="abacus")


def test_progress_is_told_stage_by_stage(registry, clip):
    told = []
    with Engine(Settings(**CHOICE), registry, report=told.append) as engine:
        engine.describe(clip)
    assert list(dict.fromkeys(p.stage.split()[0] for p in told)) == ["look", "observe", "propose"]
    assert (told[-1].done, told[-1].total, told[-1].unit) == (5, 5, "slots")


def test_a_writer_that_fails_is_named(registry, tmp_path):
    choice = Settings(**(CHOICE | {"options": {"fake-writer": {"fail": True}}}))
    with Engine(choice, registry) as engine, pytest.raises(PluginError, match="fake-writer failed"):
        engine.write(description(), tmp_path)


class Judge(Ranker):
    """Knows what supports each candidate, and how alike sentences are: by their last letters."""

    name = "judge"

    def score(self, slots, candidates):
        return [0.5] * len(candidates)

    def support(self, slots, candidates):
        shown = {slot.index: slot.context.evidence for slot in slots}
        return [shown[candidate.slot] if candidate.text.endswith("0.") else () for candidate in candidates]

    def sentences(self, texts):
        return np.array([[1.0, 0.0] if text.endswith("0.") else [0.0, 1.0] for text in texts], np.float32)


def test_what_a_candidate_rests_on_reaches_it_and_the_second_run(run, registry):
    registry.register(module(Judge, name="judge"))
    plugins = ("fake-observer", "fake-captioner", "judge")
    for _ in range(2):
        found = run(plugins=plugins)
        for candidate in found.candidates:
            supported = [f"word {candidate.slot}"] if candidate.text.endswith("0.") else []
            assert [e.value for e in candidate.rests_on] == supported


def test_a_ranker_that_gives_no_support_for_each_candidate_is_a_finding(run, registry):
    registry.register(module(type("J", (Judge,), {"support": lambda self, slots, candidates: [()]}), name="judge"))
    found = run(plugins=("fake-captioner", "judge"))
    assert any("judge gave 1 supports for 15 candidates" in finding.message for finding in found.findings)


def test_a_ranker_can_find_duplicates(run, registry):
    registry.register(module(Judge, name="judge"))
    plugins = ("fake-captioner", "judge")
    apart = run(plugins=plugins, candidates=1, ranking={"similarity": "tokens", "merge": 0.99})
    joined = run(plugins=plugins, candidates=1, ranking={"similarity": "judge", "merge": 0.99})
    assert len(apart.cues) == 5 and len(joined.cues) == 1
    assert joined.made_by["similarity"] == "judge"


def test_a_ranker_that_cannot_compare_sentences_is_named(run):
    with pytest.raises(SettingsError, match=r"fake-ranker cannot compare sentences.*similarity=tokens"):
        run(ranking={"similarity": "fake-ranker"})


def test_looking_alone_stops_after_the_evidence_and_shares_the_cache(run, registry, clip, own_cache, calls):
    run()
    calls.clear()
    with Engine(Settings(**CHOICE | {"formats": ()}), registry, Cache(own_cache), words=False) as engine:
        found = engine.describe(clip)
    assert calls == [] and len(found.evidence) == 5
    assert found.candidates == () and found.cues == ()
    dump(found)


def test_looking_needs_no_captioner(registry, clip, own_cache):
    choice = {"keyframes": "fake-keyframer:2", "plugins": ("fake-observer",), "formats": ()}
    with Engine(Settings(**choice), registry, Cache(own_cache), words=False) as engine:
        assert [e.value for e in engine.describe(clip).evidence] == ["word 0", "word 1"]


def test_observers_side_by_side_give_the_same_and_one_that_fails_stops_none(run, registry, monkeypatch, tmp_path):
    others = [type(f"Eye{i}", (FakeObserver,), {"name": f"eye-{i}"}) for i in range(4)]
    registry.register(module(*others, name="eyes"))
    plugins = ("fake-captioner", "eye-0", "eye-1", "eye-2", "eye-3")
    found = []
    for cores in (2, 8):
        monkeypatch.setattr(pipeline.os, "cpu_count", lambda cores=cores: cores)
        found.append(run(tmp_path / str(cores), plugins=plugins, options={"eye-2": {"fail": True}}))
    alone, together = map(dump, found)
    assert alone == together
    assert {e.source for e in found[1].evidence} == {"eye-0", "eye-1", "eye-3"}
    assert [finding.source for finding in found[1].findings if finding.level == "error"] == ["eye-2"]


def test_a_transcript_that_is_given_brings_its_reader(registry):
    class Reads(FakeObserver):
        """A file."""

        name = "transcript"

        class Options(FakeObserver.Options):
            """Which."""

            file: str = ""

    registry.register(module(Reads, name="reads"))
    with Engine(Settings(**CHOICE | {"speech": "a.srt"}), registry) as engine:
        assert [o.options.file for o in engine.crew.observers if o.name == "transcript"] == ["a.srt"]
    with Engine(Settings(**CHOICE), registry) as engine:
        assert [o.name for o in engine.crew.observers] == ["fake-observer"]


def test_where_nothing_is_compared_no_model_is_read(run, registry):
    registry.register(module(_captioner(propose=lambda self, slots, n: []), name="made"))
    absent = {"similarity": "no/such-model"}
    assert run(plugins=("made",), ranking=absent).cues == ()
    with pytest.raises(ModelError):
        run(ranking=absent)
