"""Who is who: grouping made-up vectors, names from a cast, labels over shots by a tiny network in the real class."""

import json
import struct
from collections.abc import Iterable
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from test_faces import DARK, PALE, drawn, filmed, loaded, scene, seen
from vdesc import InputError, ModelError, SettingsError
from vdesc.registry import create
from vdesc.testing import assert_contract
from vdesc_faces import Faces
from vdesc_faces.cast import photos
from vdesc_faces.people import middles, named, partition, unit

RED, OLIVE = (230, 90, 80), (150, 160, 90)


# --- grouping ---


def cloud(people: int, each: int, spread: float = 0.1, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Vectors about one direction for each person, mixed, and whose they are."""
    draw = np.random.default_rng(seed)
    whose = draw.permutation(np.repeat(np.arange(people), each))
    return unit(
        unit(draw.normal(size=(people, 64)))[whose] + spread * draw.normal(size=(people * each, 64))
    ), whose.tolist()


def parts(groups: Iterable[int]) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for i, group in enumerate(groups):
        found.setdefault(group, set()).add(i)
    return {frozenset(members) for members in found.values()}


def test_made_up_people_are_told_apart():
    vectors, whose = cloud(people=12, each=9)
    assert parts(partition(vectors, 0.3)) == parts(whose)


def test_groups_are_numbered_by_first_appearance():
    vectors = np.eye(3, dtype=np.float32)[[2, 0, 2, 1]]
    assert partition(vectors, 0.5) == [0, 1, 0, 2]


def test_the_average_decides_and_no_chain_of_neighbours_joins_strangers():
    angles = np.radians([0, 35, 80, 115])  # each like the next (.82, .71, .82), the ends unlike (-.42)
    fan = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert len(parts(partition(fan, 0.7))) == 2
    assert len(parts(partition(fan, 0.83))) == 4


def test_of_two_equal_likenesses_the_same_wins_in_any_order():
    vectors = np.array([[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5], [0, 1, 0, 0]], np.float32)  # the middle one is as like both
    found = set()
    for order in permutations(range(3)):
        groups = parts(partition(vectors[list(order)], 0.4))
        found.add(frozenset(frozenset(order[i] for i in group) for group in groups))
    assert len(found) == 1


def test_those_seen_together_stay_apart_whoever_joins_them():
    same = unit(np.ones((3, 4)))
    assert len(parts(partition(same, 0.5, {(0, 2)}))) == 2
    assert len(parts(partition(same, 0.5, set(combinations(range(3), 2))))) == 3


def test_none_one_and_unknown_vectors():
    assert partition(np.zeros((0, 8), np.float32), 0.5) == []
    assert partition(np.ones((1, 1), np.float32), 0.5) == [0]
    assert partition(np.zeros((3, 8), np.float32), 0.1) == [0, 1, 2]
    assert middles(np.zeros((0, 8), np.float32), []).shape == (0, 8)


rows = arrays(
    np.float32, st.tuples(st.integers(0, 12), st.just(3)), elements=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0])
)


@given(rows, st.floats(0.05, 1), st.randoms())
@settings(max_examples=150)
def test_the_order_of_faces_does_not_matter(values: np.ndarray, threshold: float, shuffle):
    vectors = unit(values)
    order = list(range(len(vectors)))
    shuffle.shuffle(order)
    places = {old: new for new, old in enumerate(order)}
    moved = parts(partition(vectors[order], threshold))
    # equal vectors are interchangeable: what is compared is which vectors lie together
    told = [sorted(map(tuple, vectors[sorted(group)].tolist())) for group in parts(partition(vectors, threshold))]
    again = [sorted(map(tuple, vectors[[order[i] for i in group]].tolist())) for group in moved]
    assert sorted(told) == sorted(again) and len(places) == len(vectors)


@given(rows, st.floats(0.05, 1), st.data())
@settings(max_examples=100)
def test_groups_keep_their_promises(values: np.ndarray, threshold: float, data):
    vectors, n = unit(values), len(values)
    pairs = st.tuples(st.integers(0, max(n - 1, 0)), st.integers(0, max(n - 1, 0))).filter(
        lambda pair: pair[0] != pair[1]
    )
    apart = data.draw(st.sets(pairs, max_size=6)) if n > 1 else set()
    groups = partition(vectors, threshold, apart)
    assert len(groups) == n and all(groups[i] != groups[j] for i, j in apart)
    assert list(dict.fromkeys(groups)) == list(range(len(set(groups))))
    for group in parts(groups):
        for i in group:  # nobody is in company that is unlike them on average, for the pairs that were joined first
            assert len(group) == 1 or np.linalg.norm(vectors[i]) > 0


@given(st.integers(0, 10_000), st.floats(0.05, 0.9))
@settings(max_examples=60)
def test_groups_are_those_of_average_linkage_written_out(seed: int, threshold: float):
    vectors, _ = cloud(people=3, each=3, spread=0.5, seed=seed)
    likeness, groups = vectors @ vectors.T, [{i} for i in range(len(vectors))]
    while True:
        pairs = {
            (i, j): np.mean([likeness[a, b] for a in groups[i] for b in groups[j]])
            for i, j in combinations(range(len(groups)), 2)
        }
        if not pairs or max(pairs.values()) < threshold:
            break
        i, j = max(pairs, key=lambda pair: pairs[pair])
        groups[i] |= groups.pop(j)
    assert parts(partition(vectors, threshold)) == {frozenset(group) for group in groups}


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_a_higher_threshold_never_makes_fewer_people(seed: int):
    vectors, _ = cloud(people=4, each=4, spread=0.4, seed=seed)
    counts = [len(set(partition(vectors, threshold))) for threshold in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert counts == sorted(counts)


# --- names ---


def test_names_go_to_the_most_alike_and_only_above_the_threshold():
    people = unit(np.array([[1, 0, 0], [0.9, 0.4, 0], [0, 0, 1]]))
    cast = {"Ann": unit(np.array([[1.0, 0.1, 0]])), "Bob": unit(np.array([[0.0, 1, 0], [0.8, 0.6, 0]]))}
    assert named(people, cast, 0.8) == {0: "Ann", 1: "Bob"}
    assert named(people, cast, 0.999) == {}
    assert named(people, {}, 0.1) == {}


def test_of_two_in_one_picture_only_one_is_ann():
    people = unit(np.array([[1, 0.2, 0], [1, 0, 0], [0.9, 0.3, 0]]))
    cast = {"Ann": unit(np.array([[1.0, 0, 0]]))}
    assert named(people, cast, 0.5) == {0: "Ann", 1: "Ann", 2: "Ann"}
    assert named(people, cast, 0.5, {(0, 1)}) == {1: "Ann", 2: "Ann"}
    assert named(people, cast, 0.5, {(1, 0), (2, 1), (0, 2)}) == {1: "Ann"}


# --- labels with a backend: OpenCV's recogniser on a network that sees coarse colours ---


def field(number: int, value: int | bytes | str) -> bytes:
    """A protobuf field."""

    def varint(n: int) -> bytes:
        return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(kind: str, given: list[str], out: str, **window: int) -> bytes:
    ints = [field(5, field(1, k) + b"".join(field(8, n) for n in [v, v]) + field(20, 7)) for k, v in window.items()]
    return field(1, b"".join(field(1, name) for name in given) + field(2, out) + field(4, kind) + b"".join(ints))


def shaped(number: int, name: str, *sizes: int) -> bytes:
    dims = b"".join(field(1, field(1, size)) for size in sizes)
    return field(number, field(1, name) + field(2, field(1, field(1, 1) + field(2, dims))))


def recogniser(path: Path) -> Path:
    """An ONNX file that tells faces apart by colour: (1, 3, 112, 112) - 127.5, averaged over 8 x 8 patches, flat."""
    grey = field(5, field(1, 1) + field(2, 1) + field(8, "grey") + field(9, struct.pack("<f", 127.5)))
    nodes = [
        node("Sub", ["data", "grey"], "level"),
        node("AveragePool", ["level"], "patches", kernel_shape=14, strides=14),
        node("Flatten", ["patches"], "fc1"),
    ]
    graph = b"".join(nodes) + field(2, "g") + grey + shaped(11, "data", 1, 3, 112, 112) + shaped(12, "fc1", 1, 192)
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(recogniser(tmp_path_factory.mktemp("model") / "tiny.onnx"))


def knowing(model: str, **options: object) -> Faces:
    return loaded(identity="sface", identity_model=model, alike=0.9, **options)


def test_a_person_keeps_the_label_over_shots(model: str):
    red, olive = drawn(RED), drawn(OLIVE)
    frames = filmed([scene((60, 100, red), (450, 60, olive))], [scene((300, 150, olive))], [scene((200, 20, red))])
    assert [(label, frame) for label, *_, frame in seen(knowing(model), frames)] == [
        ("person 1", [0]), ("person 2", [0]), ("person 2", [1]), ("person 1", [2]),
    ]  # fmt: skip


def test_the_recogniser_sees_colours_as_they_are(model: str):
    pixels = scene((60, 100, drawn(RED)))
    plugin = knowing(model)
    (vector,) = plugin._identity.vectors(pixels, plugin._detector.faces(pixels))
    red, green, blue = vector.reshape(3, 64).mean(1)  # OpenCV hands its network RGB
    assert red > green and red > blue and np.linalg.norm(vector) == pytest.approx(1)


def test_two_alike_in_one_picture_are_two(model: str):
    frames = filmed([scene((60, 100, drawn(RED)), (450, 60, drawn(RED)))], [scene((300, 150, drawn(RED)))])
    labels = [label for label, *_ in seen(knowing(model), frames)]
    assert labels[:2] == ["person 1", "person 2"] and labels[2] in labels[:2]


def test_the_backends_own_threshold_is_used_where_none_is_given(model: str):
    frames = filmed([scene((60, 100, drawn(RED)))], [scene((60, 100, drawn(RED)))])
    plugin = loaded(identity="sface", identity_model=model)
    assert plugin._identity.threshold == 0.363
    assert [label for label, *_ in seen(plugin, frames)] == ["person 1", "person 1"]


def test_vectors_reach_nothing_that_is_written(model: str):
    from vdesc import Evidence
    from vdesc.document import decode, encode
    from vdesc.testing import video

    found = tuple(knowing(model).observe(video(1000), filmed([scene((60, 100, drawn(RED)))])))
    assert decode(tuple[Evidence, ...], encode(tuple[Evidence, ...], found)) == found
    assert set(found[0].details) == {"seen"}


def test_it_keeps_the_contract_with_identity_and_cast(model: str, album: Path):
    assert_contract(Faces, identity="sface", identity_model=model, cast=str(album / "cast.yaml"))


# --- the cast ---


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder with photos, and a cast of Ann, whose photos are in a folder of their own, and of Bob."""
    (tmp_path / "ann").mkdir()
    for name, skin in (("ann/1.png", RED), ("ann/2.png", RED), ("bob.png", OLIVE), ("pale.png", PALE)):
        Image.fromarray(scene((200, 100, drawn(skin)))).save(tmp_path / name)
    Image.fromarray(scene()).save(tmp_path / "empty.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    (tmp_path / "cast.yaml").write_text("Ann: [ann/1.png, ann/2.png]\nBob  Smith: bob.png\n")
    return tmp_path


FRAMES = filmed([scene((60, 100, drawn(OLIVE)), (450, 60, drawn(RED)))], [scene((250, 90, drawn(DARK, 240)))])


def test_a_cast_gives_names_and_strangers_keep_their_labels(model: str, album: Path):
    plugin = knowing(model, cast=str(album / "cast.yaml"))
    assert [label for label, *_ in seen(plugin, FRAMES)] == ["Bob Smith", "Ann", "person 3"]
    assert plugin.findings == []


def test_a_cast_may_be_json(model: str, album: Path):
    (album / "cast.json").write_text("\ufeff" + json.dumps({"Zoë 田中": ["bob.png"]}), "utf-8")
    assert seen(knowing(model, cast=str(album / "cast.json")), FRAMES)[0][0] == "Zoë 田中"


def test_photos_of_no_use_are_told_and_the_rest_goes_on(model: str, album: Path):
    (album / "cast.yaml").write_text("Ann: [empty.png, ann/1.png, broken.png, gone.png]\nBob: [empty.png]\n")
    plugin = knowing(model, cast=str(album / "cast.yaml"))
    for _ in range(2):  # told for every video
        plugin.findings.clear()
        assert [label for label, *_ in seen(plugin, FRAMES)] == ["person 1", "Ann", "person 3"]
        told = [finding.message for finding in plugin.findings]
        assert [message.split(str(album))[-1] for message in told] == [
            "/empty.png of Ann shows no face, and is left out",
            "/broken.png of Ann cannot be read, and is left out",
            "/gone.png of Ann does not exist, and is left out",
            "/empty.png of Bob shows no face, and is left out",
            "the cast has no usable photo of Bob, who will not be recognised",
        ]


def test_the_largest_face_of_a_photo_is_whose_it_is(model: str, album: Path):
    Image.fromarray(scene((20, 20, drawn(RED, 100)), (300, 60, drawn(OLIVE, 250)))).save(album / "bob.png")
    assert seen(knowing(model, cast=str(album / "cast.yaml")), FRAMES)[0][0] == "Bob Smith"


@pytest.mark.parametrize(
    ("text", "ending", "said"),
    [
        ("Ann: [", "yaml", "is neither YAML nor JSON"),
        ("{", "json", "is neither YAML nor JSON"),
        ("", "yaml", "names nobody"),
        ("- ann.png", "yaml", "names nobody"),
        ("Ann:", "yaml", "has no photos for Ann"),
        ("Ann: []", "yaml", "has no photos for Ann"),
        ("Ann: [3]", "yaml", "has no photos for Ann"),
        ("Ann: {a: b}", "yaml", "has no photos for Ann"),
        ("3: a.png", "yaml", "has the name 3, which is none"),
        ('"": a.png', "yaml", "has the name '', which is none"),
        ('"a\\u0007b": a.png', "yaml", "has the name 'a\\x07b', which is none"),
        ("!!python/object/apply:os.system [ls]", "yaml", "is neither YAML nor JSON"),
    ],
)
def test_a_broken_cast_file_gets_a_sentence(tmp_path: Path, text: str, ending: str, said: str):
    file = tmp_path / f"cast.{ending}"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        photos(file)
    assert said in str(caught.value) and str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_cast_file_that_is_not_there_or_is_no_text_gets_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot read the cast file .*gone\.yaml: No such file"):
        photos(tmp_path / "gone.yaml")
    (tmp_path / "cast.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InputError, match="is neither YAML nor JSON"):
        photos(tmp_path / "cast.yaml")


def test_options_that_do_not_go_together_get_a_sentence(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"faces: cast 'cast\.yaml' is wrong: a cast needs what recognises people"):
        create(Faces, cast="cast.yaml")
    with pytest.raises(SettingsError, match=r"faces: identity_model '' is wrong: identity=sface needs the path"):
        create(Faces, identity="sface")
    with pytest.raises(SettingsError, match="faces: identity 'arcface' is wrong"):
        create(Faces, identity="arcface")


def test_a_recogniser_that_is_missing_or_no_network_gets_a_sentence(tmp_path: Path):
    with pytest.raises(ModelError, match=r"faces: there is no file .*gone\.onnx: download face_recognition_sface"):
        create(Faces, identity="sface", identity_model=str(tmp_path / "gone.onnx")).load("cpu")
    (tmp_path / "junk.onnx").write_bytes(b"junk" * 100)
    with pytest.raises(ModelError, match=r"faces: .*junk\.onnx does not recognise faces"):
        create(Faces, identity="sface", identity_model=str(tmp_path / "junk.onnx")).load("cpu")


def test_what_results_depend_on_is_in_the_fingerprint(model: str, album: Path):
    plugin = create(Faces, identity="sface", identity_model=model, cast=str(album / "cast.yaml"))
    before = plugin.fingerprint()
    assert before and create(Faces).fingerprint() == ""
    (album / "bob.png").write_bytes((album / "pale.png").read_bytes())
    assert plugin.fingerprint() != before
    (album / "bob.png").unlink()
    assert plugin.fingerprint() not in (before, "")
