"""Rows that are recycled: of a bounded vocabulary the least used values give theirs to new ones."""

import pickle
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcnfast.encode import vocabulary as module
from dcnfast.encode.growth import grown_encoder, recycled
from dcnfast.encode.recycling import least_used, used_again
from dcnfast.encode.saved import encoder_state, read_encoder
from dcnfast.encode.vocabulary import FIRST
from dcnfast.plain import State, join, separate
from tests.encode.test_growth import grown as grown_in_pieces
from tests.encode.test_growth import ids, saved, table_of

VALUES = st.sampled_from(
    ["a", "b", "c", "(0, 30]", "(0.0, 30.0]", "é", 0, 1, 2**63 - 1, 2**53, 2**53 + 1, 0.5, None]
)
PIECES = st.lists(st.lists(VALUES, min_size=1, max_size=8), min_size=2, max_size=8)


def grown(pieces, room, **options):
    return grown_in_pieces(pieces, max_categories=room, recycle_categories=True, **options)


def plain(rows, room, pieces):
    """The same by a dict of values for each row, and a list of rows by use, kept by hand."""
    values = {row: value for value, row in rows.items()}
    uses = dict.fromkeys(values, np.float32(0))
    for k, piece in enumerate(pieces):
        found = {v: piece.count(v) for v in dict.fromkeys(piece)}
        if k > 0:
            here = {value: row for row, value in values.items()}
            new = sorted((v for v in found if v not in here), key=lambda v: (-found[v], v))
            for value in sorted(new[: room - len(values)]):
                values[FIRST + len(values)] = value
            left = [v for v in new if v not in values.values()]
            may_go = [row for row, value in values.items() if value not in found]
            least = sorted(may_go, key=lambda row: (uses.get(row, 0), row))[: len(left)]
            for row, value in zip(sorted(least), sorted(left[: len(least)]), strict=True):
                values[row], uses[row] = value, np.float32(0)
            factor = np.float32(0.5 ** min(32, len(piece) / room))
            uses = {row: uses.get(row, np.float32(0)) * factor for row in values}
        for row, value in values.items():
            uses[row] += np.float32(found.get(value, 0))
    return [values[row] for row in sorted(values)]


@given(
    st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=9), min_size=2, max_size=9),
    st.integers(9, 11),
    st.sampled_from([0, 2, 1000]),
)
@settings(deadline=None, max_examples=40)
def test_the_least_used_go(pieces, room, few):
    before, module.FEW = module.FEW, few
    try:
        encoder = grown(pieces, room)
    finally:
        module.FEW = before
    first = grown(pieces[:1], room)
    rows = {value: row for row, value in enumerate(first.categories("x0"), FIRST)}
    assert encoder.categories("x0") == plain(rows, room, pieces)


@given(PIECES, st.integers(2, 6), st.sampled_from([0, 2, 1000]))
@settings(deadline=None, max_examples=25)
def test_one_row_a_value_and_none_moves_but_those_that_go(pieces, room, few):
    pieces = [[*piece, "a", 0] for piece in pieces]
    everything = list(dict.fromkeys(chain(*pieces)))
    before, module.FEW = module.FEW, few
    try:
        encoder = grown(pieces[:1], room)
        for piece in pieces[1:]:
            was = dict(zip(everything, ids(encoder, everything), strict=True))
            larger = grown_encoder(encoder, table_of(piece))
            assert ids(encoder, everything) == list(was.values())  # which is as it was
            now = dict(zip(everything, ids(larger, everything), strict=True))
            gone = set(recycled(encoder, larger)[0].tolist())
            column = larger.columns[0]
            shared = {0, 1, column.row_of_infrequent}
            for value in everything:
                if was[value] != now[value]:
                    assert was[value] in shared | gone, value
            own = {v: row for v, row in now.items() if v in larger.categories("x0")}
            assert len(own) == len(set(own.values()))
            assert not shared & set(own.values())
            assert column.size <= room + FIRST
            new = {value for value in own if own[value] in gone}
            assert new <= set(piece)
            encoder = larger
    finally:
        module.FEW = before
    further = table_of(pieces[0])
    for other in (pickle.loads(pickle.dumps(encoder)), saved(encoder)):
        assert ids(other, everything) == list(now.values())
        assert other.categories("x0") == encoder.categories("x0")
        np.testing.assert_array_equal(other.columns[0].uses, column.uses)
        again = [ids(grown_encoder(one, further), everything) for one in (other, encoder)]
        assert again[0] == again[1]
        state = pickle.dumps(other.columns[0])
        assert pickle.dumps(pickle.loads(state)) == state


def test_a_long_stream_knows_its_last_values_in_bounded_memory():
    """3,000 values one after the other, in a vocabulary of 100; texts and integers of 64 bits."""
    for value in (str, lambda i: 2**62 + i):
        encoder = grown([[value(i) for i in range(90)]], 100)
        for first in range(90, 3000, 60):
            encoder = grown_encoder(encoder, table_of([value(i) for i in range(first, first + 60)]))
        column, last = encoder.columns[0], [value(i) for i in range(2940, 3000)]
        assert encoder.fields[0].size == 102
        assert min(ids(encoder, last)) >= FIRST
        assert ids(encoder, [value(0), value(2000)]) == [0, 0]
        held = [column.rows_by_value, column.recent, column.replaced, column.values, column.later]
        assert sum(map(len, held)) < 100 + 2 * (module.FEW + 100)
        assert len(column._later) == 1


def test_frequent_ones_stay_until_they_are_no_more():
    encoder = grown([["a"] * 64 + list("bcd")], 4)
    for k in range(12):
        encoder = grown_encoder(encoder, table_of([f"new {k}"]))
        assert ids(encoder, ["a", f"new {k}"])[0] == 2
        assert ids(encoder, [f"new {k}"])[0] > 2
    for k in range(40):  # 13 half-lives after the last "a"
        encoder = grown_encoder(encoder, table_of([f"new {k}", f"other {k}"]))
    assert ids(encoder, ["a"]) == [0]


def test_infrequent_ones_find_rows_and_are_infrequent_again():
    encoder = grown([["a", "a", "b", "b", "c", "d"]], 3)
    assert ids(encoder, list("abcd")) == [2, 3, 4, 4]
    later = grown_encoder(encoder, table_of(["c", "c", "a"]))
    assert ids(later, list("abcd")) == [2, 0, 3, 4]
    assert later.categories("x0") == ["a", "c"]
    for one in (later, saved(later), pickle.loads(pickle.dumps(later))):
        assert ids(one, list("abcd")) == [2, 0, 3, 4]
        last = grown_encoder(one, table_of(["e", "a"]))
        assert ids(last, list("abcde")) == [2, 0, 4, 4, 3]
        assert last.fields[0].counts.tolist() == [0, 0, 4, 1, 2]


def test_rare_ones_of_a_call_take_no_rows():
    encoder = grown([["a", "a", "b", "b"]], 2, min_frequency=2)
    encoder = grown_encoder(encoder, table_of(["c", "d", "d"]))
    assert ids(encoder, list("abcd")) == [0, 3, 0, 2]


def test_without_a_bound_nothing_is_recycled():
    encoder = grown([["a"], ["b", "c"]], None)
    assert ids(encoder, list("abc")) == [2, 3, 4]
    assert encoder.columns[0].uses is None


def test_uses_and_the_least_used():
    uses = used_again(np.array([4, 1, 0], "f4"), np.array([2, 2, 1]), np.array([3, 4, 1]), 8)
    assert uses.tolist() == [2, 1.5, 7]
    assert used_again(np.array([2**31], "f4"), np.array([0]), np.array([10**9]), 1).tolist() == [
        np.float32(10**9) + np.float32(0.5)
    ]
    uses = np.array([3, 1, 2, 1, 1, 0], "f4")
    may_go = np.array([True] * 5 + [False])
    chosen = [least_used(uses, may_go, n).tolist() for n in (0, 1, 2, 4, 9)]
    assert chosen == [[], [1], [1, 3], [1, 2, 3, 4], [0, 1, 2, 3, 4]]


def test_states_that_cannot_be_are_refused():
    encoder = grown([["a", "b"], ["c", "c", "b"]], 2)

    def tree():
        return join(*separate({"e": encoder_state(encoder)}))["e"]

    for change, text in (
        (lambda column: column.pop("uses"), "uses"),
        (lambda column: column.update(uses=column["uses"][1:]), "uses"),
        (lambda column: column.update(uses=-column["uses"]), "not negative"),
        (lambda column: column.update(uses=column["uses"] * np.nan), "uses"),
    ):
        state = tree()
        change(state["columns"][0])
        with pytest.raises(ValueError, match=text):
            read_encoder(State(state))
    assert ids(read_encoder(State(tree())), list("abc")) == [0, 3, 2]
