"""Vocabularies that grow in pieces: the values of all, each with one row, and nothing moves."""

import copy
import pickle
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from dcnfast import DCNRegressor
from dcnfast.encode import vocabulary as module
from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.growth import counted, grown_encoder
from dcnfast.encode.saved import encoder_state, read_encoder
from dcnfast.plain import State, join, separate
from dcnfast.table.schema import read_table, read_training_table
from dcnfast.target_statistics import TargetStatistics

VALUES = st.sampled_from(
    ["a", "b", "(0, 30]", "é", 0, 1, 2**63 - 1, 2**53, 2**53 + 1, 0.5, True, None]
) | st.integers(-(2**63), 2**63 - 1)  # fmt: skip
PIECES = st.lists(st.lists(VALUES, min_size=1, max_size=12), min_size=1, max_size=6)


class Reads(BaseEstimator):
    n_jobs = 1


def table_of(values):
    X = np.empty((len(values), 2), object)
    X[:, 0], X[:, 1] = values, 1.0
    table, _ = read_training_table(
        Reads(), X, np.zeros(len(values)), categorical_features=[0], y_numeric=True
    )
    return table


def grown(pieces, **options):
    encoder = TableEncoder(**options).fit(table_of(pieces[0]))
    for piece in pieces[1:]:
        encoder = grown_encoder(encoder, table_of(piece))
    return encoder


def ids(encoder, values):
    return encoder.transform(table_of(values), np.float32).ids[:, 0].tolist()


def mixed(pieces):
    """All pieces with strings and numbers, so that none is refused for its kind."""
    return [[*piece, "a", 0] for piece in pieces]


@given(PIECES, st.sampled_from([0, 2, 1000]))
@settings(deadline=None)
def test_pieces_give_the_vocabulary_of_all_at_once(pieces, few):
    pieces = mixed(pieces)
    everything = list(chain(*pieces))
    before, module.FEW = module.FEW, few  # when what is recent is put to the others
    try:
        one, whole = grown(pieces), TableEncoder().fit(table_of(everything))
    finally:
        module.FEW = before
    known = one.columns[0]
    assert set(one.categories("x0")) == set(whole.categories("x0"))
    assert len(set(one.categories("x0"))) == len(one.categories("x0")) == known.size - 2
    mine, theirs = ids(one, everything), ids(whole, everything)
    assert len(set(zip(mine, theirs, strict=True))) == len(set(mine)) == len(set(theirs))
    assert one.fields[0].size == whole.fields[0].size == known.size == len(known.counts)
    np.testing.assert_array_equal(one.fields[0].counts, np.bincount(mine, minlength=known.size))
    for other in (pickle.loads(pickle.dumps(one)), saved(one)):
        assert ids(other, everything) == mine
        assert other.categories("x0") == one.categories("x0")


def saved(encoder):
    return read_encoder(State(join(*separate({"e": encoder_state(encoder)}))["e"]))


@given(PIECES)
@settings(deadline=None)
def test_rows_never_move(pieces):
    pieces = mixed(pieces)
    encoder = grown(pieces[:1])
    for k, piece in enumerate(pieces[1:], 1):
        seen = list(chain(*pieces[:k]))
        before, size = ids(encoder, seen), encoder.fields[0].size
        larger = grown_encoder(encoder, table_of(piece))
        assert ids(larger, seen) == before
        assert ids(encoder, seen) == before  # which is as it was
        assert encoder.fields[0].size == size == encoder.columns[0].size
        new = set(ids(larger, piece)) - set(before)
        assert new <= set(range(size, larger.fields[0].size)) | {1}
        encoder = larger


def test_other_vocabularies_grow_from_the_same_one():
    base = grown([["a", "b"]])
    one, other = (grown_encoder(base, table_of([value])) for value in "cd")
    assert [one.categories("x0"), other.categories("x0")] == [["a", "b", "c"], ["a", "b", "d"]]
    assert ids(one, ["c", "d"]) == [4, 0]
    assert ids(other, ["c", "d"]) == [0, 4]
    assert ids(base, ["c", "d"]) == [0, 0]


@pytest.mark.parametrize("room", [1, 3, 5])
def test_the_most_frequent_find_room(room):
    encoder = grown([["a", "a", "b"], ["c", "d", "d", "e", "e", "e"], ["f"]], max_categories=room)
    field = encoder.fields[0]
    assert field.size <= room + 2
    if room == 5:
        assert encoder.categories("x0") == ["a", "b", "c", "d", "e"]
    if room == 3:
        assert encoder.categories("x0") == ["a", "b", "e"]
    assert field.counts[0] == 0
    assert ids(encoder, ["f"]) == [0]
    assert encoder.count_unknown(encoder.transform(table_of(["f", "a"]), "f4")) == {"x0": 1}


def test_rare_ones_keep_their_row():
    """That of the infrequent lies before those that came later."""
    encoder = grown([["a"] * 5 + ["b"] * 5 + ["c"], ["c"] * 9 + ["d"] * 5 + ["e"]], min_frequency=3)
    assert ids(encoder, list("abcde")) == [2, 3, 4, 5, 0]
    assert encoder.fields[0].counts.tolist() == [0, 0, 5, 5, 10, 5]
    assert ids(saved(encoder), list("abcde")) == [2, 3, 4, 5, 0]


def test_kinds_of_values_must_be_known():
    encoder = grown([["a"]])
    with pytest.raises(TypeError, match="X: column 'x0' has numbers such as 1, want strings"):
        grown_encoder(encoder, table_of([1, 2]))
    both = grown_encoder(encoder, table_of(["a", 1]))
    assert ids(grown_encoder(both, table_of([2])), [1, 2]) == [3, 4]


def test_buckets_are_counted_and_no_more():
    encoder = grown([["a", "b"], ["c", "d", "d"]], hash_buckets=4)
    field = encoder.fields[0]
    assert field.size == 6
    assert field.counts.sum() == 5


def test_a_state_with_a_value_twice_is_refused():
    tree = join(*separate({"e": encoder_state(grown([["a", "b"], ["c"]]))}))["e"]
    tree["columns"][0]["later"] = copy.deepcopy(tree["columns"][0]["values"])
    with pytest.raises(ValueError, match="values that differ"):
        read_encoder(State(tree))


def test_what_training_saw_is_counted():
    encoder = grown([["a", "b"], ["c"]])
    seen = counted([np.array([0, 1, 2, 3])], encoder.fields, np.array([[4], [4], [0]], np.int32))
    assert seen[0].tolist() == [1, 1, 2, 3, 2]


def test_statistics_stay_those_of_the_first_rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.integers(0, 6, 400).astype(str) for name in "ab"})
    y = X.a.astype(float) * X.b.astype(float)
    model = DCNRegressor(
        target_statistics=TargetStatistics(order=2), hidden_layer_sizes=(4,), n_members=1,
        random_state=0,
    ).partial_fit(X, y)  # fmt: skip
    assert model.encoder_.statistics is not None
    new = pd.DataFrame({"a": ["9", "8", "0"], "b": ["1", "9", "0"]})
    before = model.encoder_.transform(read_table(model, new), np.float64).dense
    model.partial_fit(pd.concat([X, new]), [*y, 1.0, 2.0, 3.0])
    assert model.encoder_.categories("a")[-2:] == ["8", "9"]
    for one in (model, pickle.loads(pickle.dumps(model))):
        after = one.encoder_.transform(read_table(one, new), np.float64)
        np.testing.assert_array_equal(after.dense, before)
        assert after.ids.min() > 1
        np.testing.assert_allclose(
            one.row_predictor()(dict(new.iloc[0])), one.predict(new)[0], rtol=1e-5
        )
