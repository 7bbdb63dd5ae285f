"""Vocabularies, infrequent categories, hashing."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from dcnfast.encode.hashing import hash_values

WORDS = [
    13020603013274838756,
    3405396810240292928,
    3976460501203677525,
    13927583355105955917,
    7497787021708494914,
]
NUMBERS = [0, 6238072747940578789, 13029008266876403067, 8114628312023455402, 6514504133438201533]
HALF = 306524380890059637
FAR = [11545766061922783953, 15041653158032382148]  # of float64 bits


def frame(values):
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


def column(*groups):
    """column(("a", 3), ...): three times a, and so on."""
    return frame([value for value, count in groups for _ in range(count)])


COUNTED = column(("d", 1), ("a", 5), ("c", 2), ("b", 2), (None, 3), ("e", 7))


def test_rows_are_unknown_missing_then_the_categories_in_order(reader):
    model = reader().fit(frame(["b", 3, "a", None, 2.5, "B", -1, True]), ["a"])
    (field,) = model.encoder.fields
    assert model.encoder.categories("a") == [-1, True, 2.5, 3, "B", "a", "b"]
    assert (field.name, field.size, field.counts.tolist()) == ("a", 9, [0, 1] + [1] * 7)
    assert model.ids(frame(["b", 3, "a", None, 2.5, "B", -1, True])) == [8, 5, 7, 1, 4, 6, 2, 3]
    assert model.encoder.by_name() == {"a": field}


@pytest.mark.usefixtures("arrow")
def test_what_training_did_not_see_is_unknown(reader):
    model = reader().fit(frame(["x", "y", None]))
    assert model.ids(frame(["z", "y", "X", "", "x", None])) == [0, 3, 0, 0, 2, 1]
    assert model.ids(frame([1, 0.5, "y", None])) == [0, 0, 3, 1]
    assert model.ids(pl.DataFrame({"a": [None, None]})) == [1, 1]
    assert model.ids(pl.DataFrame({"a": ["y", "q"]})) == [3, 0]


@pytest.mark.usefixtures("arrow")
def test_a_number_is_itself_in_every_type_and_never_a_word(reader):
    model = reader().fit(pd.DataFrame({"a": [0, 1, 7, 2**53 + 1]}), ["a"])
    for values, expected in {
        (1.0, 7.0, 0.5): [3, 4, 0],
        (True, False): [3, 2],
        ("1", "7", 7): [0, 0, 4],
        (2**53 + 1, 2**53, -1): [5, 0, 0],
        (1, None, float("nan")): [3, 1, 1],
    }.items():
        assert model.ids(frame(list(values))) == expected
        assert model.ids(pd.DataFrame({"a": list(values)})) == expected


TYPES = {
    "strings": [["1", "2"], ["x", None, "y"]],
    "numbers": [[1, 2], [0.5, None, 2], [True, False], [True, None]],
}


@pytest.mark.usefixtures("arrow")
@pytest.mark.parametrize("seen", TYPES)
@pytest.mark.parametrize("buckets", [None, 5])
def test_a_column_of_another_type_than_in_fit_is_refused(seen, buckets, reader):
    """All of its values would be unknown, as when a zip code is read as an integer."""
    (got,) = TYPES.keys() - {seen}
    for values in TYPES[seen]:
        model = reader().fit(frame(values), ["a"], hash_buckets=buckets)
        for others in TYPES[got]:
            text = f"X: column 'a' has {got} such as "
            for X in (frame(others), pd.DataFrame({"a": others}), pl.DataFrame({"a": others})):
                with pytest.raises(TypeError, match=f"{text}.*, want {seen}: fit saw no {got}"):
                    model.encode(X)
            with pytest.raises(TypeError, match="X: column 'a' has"):
                model.encode(pd.DataFrame({"a": pd.Categorical(others)}))
        for alike in TYPES[seen]:
            assert len(model.ids(frame(alike))) == len(alike)
        assert model.ids(frame([None, None])) == [1, 1]
        assert len(model.ids(frame([TYPES[got][0][0], TYPES[seen][0][0]]))) == 2


def test_a_column_that_was_empty_or_mixed_takes_every_type(reader):
    for values in ([None, None], ["x", 1]):
        model = reader().fit(frame(values))
        for others in (["z"], [7], [None]):
            assert model.ids(frame(others)) == [1 if others == [None] else 0]


def test_rows_of_one_table_are_of_the_types_of_all_of_it(reader):
    """Rows that are held out may have only values of a type that those of training have not."""
    X = frame(["x", "y", 7])
    model = reader().fit(X)
    encoder = model.encoder.fit(model.table.take([0, 1]))
    assert encoder.transform(model.table.take([2]), "f8").ids.tolist() == [[0]]


def test_values_that_training_has_not_seen_are_counted(reader):
    X = pd.DataFrame({"a": list("xyx"), "b": [1, 2, None], "n": [1.0, 2.0, 3.0]})
    model = reader().fit(X, ["a", "b"], hash_buckets={"b": 10**6}, min_frequency=2)
    later = pd.DataFrame({"a": ["x", "q", None, "y"], "b": [1, 3, None, 2], "n": 9.0})
    assert model.encoder.count_unknown(model.encode(later)) == {"a": 1, "b": 1}
    assert model.encoder.count_unknown(model.encode(X)) == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("options", "kept", "counts"),
    [
        ({}, ["a", "b", "c", "d", "e"], [0, 3, 5, 2, 2, 1, 7]),
        ({"min_frequency": 2}, ["a", "b", "c", "e"], [0, 3, 5, 2, 2, 7, 1]),
        ({"min_frequency": 3}, ["a", "e"], [0, 3, 5, 7, 5]),
        ({"min_frequency": 0.25}, ["a", "e"], [0, 3, 5, 7, 5]),
        ({"min_frequency": 0.26}, ["e"], [0, 3, 7, 10]),
        ({"max_categories": 5}, ["a", "b", "c", "d", "e"], [0, 3, 5, 2, 2, 1, 7]),
        ({"max_categories": 4}, ["a", "b", "e"], [0, 3, 5, 2, 7, 3]),
        ({"max_categories": 3}, ["a", "e"], [0, 3, 5, 7, 5]),
        ({"max_categories": 1}, [], [0, 3, 17]),
        ({"min_frequency": 2, "max_categories": 4}, ["a", "b", "e"], [0, 3, 5, 2, 7, 3]),
        ({"min_frequency": 100}, [], [0, 3, 17]),
    ],
)
def test_infrequent_categories_share_the_last_row(options, kept, counts, reader):
    model = reader().fit(COUNTED, **options)
    (field,) = model.encoder.fields
    assert model.encoder.categories("a") == kept
    assert (field.size, field.counts.tolist()) == (len(counts), counts)
    rare = [value for value in "abcde" if value not in kept]
    assert model.ids(frame([*rare, None])) == [*[field.size - 1] * len(rare), 1]
    assert model.ids(frame(["z", None, *kept])) == [0, 1, *range(2, 2 + len(kept))]
    np.testing.assert_array_equal(np.bincount(model.ids(COUNTED), minlength=field.size), counts)


@pytest.mark.parametrize("buckets", [1, 7, 2**31 - 3])
@pytest.mark.usefixtures("arrow")
def test_hash_buckets(buckets, reader):
    X = frame(["x", "y", None, 3, -1, "x", 2.5])
    ids = reader().fit(X, hash_buckets=buckets).ids(X)
    hashes = hash_values(np.array(["x", "y", 3, -1, "x", 2.5], object))
    expected = (2 + hashes % np.uint64(buckets)).tolist()
    assert ids == [*expected[:2], 1, *expected[2:]]


def test_hash_buckets_by_field(reader):
    X = pd.DataFrame({"a": list("xyz"), "b": list("xyz")})
    model = reader().fit(X, hash_buckets={"b": 5}, max_categories=2)
    sizes = {name: field.size for name, field in model.encoder.by_name().items()}
    assert sizes == {"a": 4, "b": 7}
    assert model.encoder.by_name()["b"].counts.sum() == 3
    with pytest.raises(ValueError, match="field 'b' is hashed"):
        model.encoder.categories("b")


def test_unseen_values_have_buckets_too(reader):
    model = reader().fit(frame(["x", "y"]), hash_buckets=10**6)
    assert min(model.ids(frame(["p", "q", 5]))) > 1
    assert len(set(model.ids(frame([str(i) for i in range(100)])))) == 100


def test_hashes_are_these_for_ever():
    words = np.array(["", "a", "ü", "a\0", "\ud800"], object)
    assert hash_values(words).tolist() == WORDS
    numbers = [0, 1, -1, 2**53 + 1, 2**63 - 1]
    assert hash_values(np.array(numbers)).tolist() == NUMBERS
    for dtype in (object, "int64"):
        assert hash_values(np.array(numbers, dtype)).tolist() == NUMBERS
    assert hash_values(np.array([0, 1], "uint8")).tolist() == NUMBERS[:2]
    assert hash_values(np.array([False, True])).tolist() == NUMBERS[:2]
    assert hash_values(np.array([0.0, 1.0, -1.0, 0.5])).tolist() == [*NUMBERS[:3], HALF]
    mixed = np.array([True, "a", 0.5, 1.0, -1], object)
    assert hash_values(mixed).tolist() == [NUMBERS[1], WORDS[1], HALF, NUMBERS[1], NUMBERS[2]]
    assert hash_values(np.array([2.0**64, -1e300])).tolist() == FAR
    assert hash_values(np.empty(0, object)).tolist() == []


def test_numbers_beyond_64_bits_have_hashes_of_their_own():
    """Their last 64 bits are 0 from 2**117 on, and in all multiples of 2**64."""
    powers = 2.0 ** np.arange(64, 1023)
    multiples = 2.0**64 * np.arange(1, 1000)
    for numbers in (powers, multiples, -powers, np.float32(2.0) ** np.arange(64, 127)):
        assert len(set(hash_values(numbers).tolist())) == len(numbers)
        assert 0 not in hash_values(numbers)
    ends = np.array([2**63, 2**64 - 1, -(2**63)], object)
    at_the_ends = np.array([2.0**63, 2.0**64, -(2.0**63), -(2.0**64)])
    unsigned, signed = np.array([2**63, 2**64 - 1], np.uint64), np.array([-(2**63)])
    hashes = hash_values(ends).tolist()
    assert hashes == [*hash_values(unsigned).tolist(), *hash_values(signed).tolist()]
    floats = hash_values(at_the_ends).tolist()
    assert (floats[0], floats[2]) == (hashes[0], hashes[2])
    assert len(set(floats) | {hashes[1]}) == 4  # 2**63 and -2**63 have the same 64 bits


def test_hashes_of_another_process():
    code = (
        "import numpy as np; from dcnfast.encode.hashing import hash_values;"
        "print(hash_values(np.array(['', 'a'], object)).tolist())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str(WORDS[:2])


def test_hashes_spread():
    for values in (np.arange(100_000), np.array([f"u{i}" for i in range(100_000)], object)):
        counts = np.bincount((hash_values(values) % np.uint64(1000)).astype(int), minlength=1000)
        assert 800 < ((counts - 100) ** 2 / 100).sum() < 1200  # chi-squared, 999 degrees


@pytest.mark.usefixtures("arrow")
def test_equal_values_count_together(reader):
    X = pd.DataFrame({"a": [0.0, -0.0, 1.0]})
    (field,) = reader().fit(X, ["a"]).encoder.fields
    assert field.counts.tolist() == [0, 0, 2, 1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_frequency": 0}, "min_frequency is 0, want an integer of at least 1"),
        ({"min_frequency": 1.0}, "min_frequency is 1.0"),
        ({"min_frequency": True}, "min_frequency is True"),
        ({"min_frequency": "often"}, "min_frequency is 'often'"),
        ({"max_categories": 0}, "max_categories is 0"),
        ({"max_categories": 1.5}, "max_categories is 1.5"),
        ({"hash_buckets": 0}, "hash_buckets is 0, want integers between 1"),
        ({"hash_buckets": 2**31}, "hash_buckets is 2147483648"),
        ({"hash_buckets": {"a": 2.5}}, "hash_buckets is {'a': 2.5}"),
        ({"hash_buckets": {"n": 5}}, r"hash_buckets names \['n'\], want categorical fields"),
        ({"hash_buckets": 5, "min_frequency": 2}, "no categories to count"),
        ({"hash_buckets": 5, "max_categories": 2}, "no categories to count"),
        ({"numeric_scaling": "minmax"}, "numeric_scaling is 'minmax', want one of"),
    ],
)
def test_wrong_options_are_named(options, text, reader):
    with pytest.raises(ValueError, match=text):
        reader().fit(pd.DataFrame({"a": ["x", "y"], "n": [1.0, 2.0]}), **options)


@pytest.mark.usefixtures("arrow")
def test_columns_with_nothing_in_them(reader):
    for X in (
        frame([None, None]),
        pl.DataFrame({"a": [None, None]}),
        pl.DataFrame({"a": [None, None]}, schema={"a": pl.Categorical}),
        np.array([[None], [None]], object),
    ):
        model = reader().fit(X)
        (field,) = model.encoder.fields
        assert (field.size, field.counts.tolist(), model.ids(X)) == (2, [0, 2], [1, 1])


def test_pickled_and_copied_encoders_are_the_same(reader):
    X = COUNTED.assign(b=1.0, c=COUNTED["a"], d=[None, *range(19)])
    model = reader().fit(X, ["a", "c"], hash_buckets={"c": 9}, max_categories=3)
    whole = model.encode(X)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.encode(X).ids, whole.ids)
        np.testing.assert_array_equal(other.encode(X).dense, whole.dense)
    assert pickle.loads(pickle.dumps(model.encoder)).get_feature_names_out().tolist() == [
        "a", "c", "b", "d", "missing_d",
    ]  # fmt: skip


@pytest.mark.usefixtures("arrow")
def test_long_words_and_many(reader):
    X = frame([f"{i}" * 1000 for i in range(2000)])
    model = reader().fit(X)
    assert sorted(model.ids(X)) == list(range(2, 2002))
    assert model.encoder.categories("a") == sorted(X["a"])
