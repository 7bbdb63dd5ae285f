"""Categories and counts as few bytes: what comes back is what went in, of the same types."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcnfast import DCNRegressor
from dcnfast.encode import saved_values
from dcnfast.encode.saved_values import counts_state, read_counts, read_values, values_state
from dcnfast.plain import State, join, separate

VALUES = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=5),
)  # fmt: skip


def through(tree):
    """Return the state as it comes out of a file."""
    return State(join(*separate(tree)))


@given(st.lists(VALUES))
def test_values_come_back(values):
    found = read_values(through(values_state(values)))
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@pytest.mark.parametrize("kind", [st.integers(-(2**63), 2**64 - 1), st.text(max_size=300)])
def test_values_of_one_type(kind):
    @given(st.lists(kind, min_size=1))
    def check(values):
        assert read_values(through(values_state(values))) == values

    check()


def test_few_bytes():
    def size(values):
        return sum(a.nbytes for a in separate(values_state(values))[1].values())

    assert size(list(range(200))) == 200
    assert size([2**40 + k for k in range(200)]) == 1600
    assert size(["ab"] * 200) == 600
    assert size([]) == 0


@given(st.lists(st.integers(0, 2**53 - 1) | st.integers(0, 300)))
def test_counts_come_back(counts):
    counts = np.array(counts, np.int64)
    found = read_counts(through(counts_state(counts)), len(counts))
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, counts)


@pytest.mark.parametrize(
    ("most", "dtype"), [(3, "u1"), (254, "u1"), (255, "u1"), (70_000, "u4"), (2**40, "i8")]
)
def test_many_counts_stay_narrow(most, dtype, monkeypatch):
    monkeypatch.setattr(saved_values, "WIDE", 10)
    counts = np.arange(20) * (most // 19 + 1)
    counts[-1] = most
    counts = np.minimum(counts, most)
    for _ in range(2):
        found = read_counts(through(counts_state(counts)), 20)
        np.testing.assert_array_equal(found, counts)
        assert found.dtype == dtype
        counts = found


@pytest.mark.parametrize("hashed", [True, False])
def test_training_goes_on_from_narrow_counts(hashed, monkeypatch):
    monkeypatch.setattr(saved_values, "WIDE", 1)
    options = {"hash_buckets": 50} if hashed else {}
    few = {"hidden_layer_sizes": (4,), "n_members": 1, "max_iter": 1, "random_state": 0}
    X = pd.DataFrame({"a": [f"c{i % 5}" for i in range(300)]})
    usual = DCNRegressor(**few, **options).partial_fit(X, np.arange(300.0))
    other = pickle.loads(pickle.dumps(usual))
    assert other.encoder_.by_name()["a"].counts.dtype == np.uint8
    for model in (usual, other):
        for _ in range(4):  # 300 rows of one category are more than a byte counts
            model.partial_fit(X.assign(a="c1"), np.arange(300.0))
        model.set_params(warm_start=True).fit(X, np.arange(300.0))
    counts = [model.encoder_.by_name()["a"].counts for model in (usual, other)]
    np.testing.assert_array_equal(*counts)
    assert counts[0].max() == 4 * 300 + 60 + 60
    np.testing.assert_array_equal(usual.predict(X), other.predict(X))


@pytest.mark.parametrize(
    "state",
    [
        {"size": 2, "kinds": 1, "int": np.zeros(3, "i8")},
        {"size": 2, "kinds": 9},
        {"size": 1, "kinds": 3, "str": {
            "text": np.array([255], "u1"), "lengths": np.ones(1, "u1")}},
        {"size": 1, "kinds": 3, "str": {"text": np.zeros(1, "u1"), "lengths": np.zeros(1, "u1")}},
        {"size": 2, "kinds": 3, "str": {
            "text": np.zeros(3, "u1"), "lengths": np.array([2**64 - 1, 4], "u8")}},
        {"size": 1, "kinds": 0, "bool": np.array([2], "u1")},
        {"size": 1, "kinds": 2, "float": np.array([np.nan])},
        {"size": 1, "kinds": 1, "int": [2**64]},
        {"size": 1, "kinds": 1, "int": [True]},
        {"size": 2, "kinds": np.array([1, 7], "u1"), "int": np.zeros(1, "i8")},
        {"size": 2, "kinds": np.array([1, 3], "u1"), "int": np.zeros(2, "i8")},
        {"size": 1, "kinds": np.array([1], "u1"), "int": np.zeros(2, "i8")},
        {"size": 1, "kinds": 1, "int": np.zeros(1, "i8"), "more": 1},
        {"size": -1, "kinds": 1, "int": np.zeros(1, "i8")},
    ],
)  # fmt: skip
def test_values_that_do_not_fit(state):
    with pytest.raises(ValueError, match="the state's"):
        read_values(State(state))


@pytest.mark.parametrize(
    "state",
    [
        {"small": np.array([1, 255], "u1"), "large": None},
        {"small": np.array([1, 255], "u1"), "large": np.array([254], "u2")},
        {"small": np.array([1, 255], "u1"), "large": np.array([300, 300], "u2")},
        {"small": np.array([1, 255], "u1"), "large": np.array([2**60], "u8")},
        {"small": np.array([1, 2, 3], "u1"), "large": None},
        {"small": np.array([1, 2], "i8"), "large": None},
    ],
)
def test_counts_that_do_not_fit(state):
    with pytest.raises(ValueError, match="the state's"):
        read_counts(State(state), 2)
