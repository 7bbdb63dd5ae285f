"""Rows for new categories, copies of some rows: nothing else is touched, arguments are checked."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.state import Training

FIELDS = (("a", 6, 3), ("b", 4, 3), ("c", 5, 2))
I32, I64 = np.int32, np.int64


def training(rows=(6, 4, 5), seed=0, **options):
    fields = tuple((name, n, K) for (name, _, K), n in zip(FIELDS, rows, strict=True))
    config = NetworkConfig(n_dense=2, fields=fields, cross_layers=1, **options)
    return Training(Model(config).initialize(np.random.RandomState(seed)))


def tables(of):
    return {name: np.array(p) for name, p in of.model.parameters.items() if "embedding" in name}


@pytest.mark.parametrize("options", [{}, {"wide": True}, {"ema_decay": 0.9}], ids=str)
def test_rows_named_are_copied_and_no_others(options):
    one, other = training(**options), training(seed=1, **options)
    mine, theirs = tables(one), tables(other)
    one.take_over(other, [np.array(rows, I32) for rows in ([0, 5], [], [4, 4])])
    got = tables(one)
    for name, rows in (("embedding_3", [0, 5]), ("embedding_2", [4])):
        others = np.delete(np.arange(len(got[name])), rows)
        np.testing.assert_array_equal(got[name][rows], theirs[name][rows])
        np.testing.assert_array_equal(got[name][others], mine[name][others])
    np.testing.assert_array_equal(one.model.parameters["head_W"], other.model.parameters["head_W"])
    ids, dense = np.array([[0, 1, 4]], I32), np.ones((1, 2), "f4")
    assert np.isfinite(one.model.logits(ids, dense, 1)).all()


def test_what_is_copied_predicts():
    one, other = training(), training(seed=1)
    ids, dense = np.array([[0, 1, 4], [5, 3, 0]], I32), np.ones((2, 2), "f4")
    one.take_over(other)
    np.testing.assert_array_equal(
        one.model.logits(ids, dense, 1), other.model.logits(ids, dense, 1)
    )


@pytest.mark.parametrize("options", [{"wide": True}, {"ema_decay": 0.9}], ids=str)
def test_rows_begin_as_row_0_is(options):
    of = training(**options)
    before = tables(of)
    of.state.begin_rows(1, np.array([2, 3], I32))
    after = tables(of)
    np.testing.assert_array_equal(after["embedding_3"][8:10], before["embedding_3"][[6, 6]])
    np.testing.assert_array_equal(after["embedding_3"][:8], before["embedding_3"][:8])
    np.testing.assert_array_equal(after["embedding_2"], before["embedding_2"])


def test_rows_never_seen_get_the_mean_of_the_others():
    of = training(wide=True)
    before = tables(of)["embedding_3"]
    counts = np.array([0, 2, 1, 0], I64)
    of.state.settle(1, counts)
    after = tables(of)["embedding_3"]
    mean = counts @ before[6:].astype(np.float64) / 3
    np.testing.assert_allclose(after[[6, 9]], [mean, mean], rtol=1e-6)
    np.testing.assert_array_equal(after[[7, 8]], before[[7, 8]])
    of.state.settle(0, np.zeros(3, I64))  # of nothing
    np.testing.assert_array_equal(tables(of)["embedding_3"][:6], before[:6])
    of.state.settle(1, np.array([7, 2, 0, 0], I64))  # as unknown ones, where some were seen
    now = tables(of)["embedding_3"]
    np.testing.assert_array_equal(now[[8, 9]], after[[6, 6]])
    np.testing.assert_array_equal(now[[6, 7]], after[[6, 7]])


def wrong_calls():
    of, rows = training().state, [np.zeros(1, I32)] * 3
    order, some = np.zeros(1, I64), np.ones(1, I32)
    flat = np.zeros(of.flat_gradients.shape, "f4")
    table = training().model.table(
        np.zeros((1, 3), I32), np.zeros((1, 2), "f4"), np.zeros((1, 1), "f4"), None
    )
    return {
        "itself": (lambda: of.take_over(of), ValueError, "same network"),
        "type": (lambda: of.take_over(training(dtype="float64").state), TypeError, "same type"),
        "tensors": (lambda: of.take_over(training(hidden=(3,)).state), ValueError, "other tensors"),
        "averages": (
            lambda: of.take_over(training(ema_decay=0.5).state), ValueError, "other tensors",
        ),
        "fields": (lambda: of.take_over(training().state, rows[:2]), ValueError, "rows are of 2"),
        "row": (
            lambda: of.take_over(training().state, [*rows[:2], np.full(1, 5, I32)]),
            IndexError, "less than 5",
        ),
        "row there": (
            lambda: of.take_over(training((6, 4, 4)).state, [*rows[:2], np.full(1, 4, I32)]),
            IndexError, "less than 4",
        ),
        "begin field": (lambda: of.begin_rows(3, some), IndexError, "field is 3, want less than 3"),
        "begin 0": (lambda: of.begin_rows(0, some * 0), IndexError, r"rows\[0\] is 0, want 1 to 5"),
        "begin many": (lambda: of.begin_rows(0, some * 6), IndexError, "is 6, want 1 to 5"),
        "begin shape": (lambda: of.begin_rows(0, some[None]), ValueError, "rows has shape"),
        "begin type": (lambda: of.begin_rows(0, some.astype(I64)), TypeError, "incompatible"),
        "settle field": (lambda: of.settle(9, order), IndexError, "field is 9"),
        "settle many": (lambda: of.settle(1, np.zeros(5, I64)), ValueError, "counts are 5"),
        "settle less": (lambda: of.settle(1, -np.ones(2, I64)), ValueError, "negative"),
        "prior": (lambda: of.set_prior(flat[1:], flat), ValueError, "anchor has shape"),
        "prior, too": (lambda: of.set_prior(flat, flat[1:]), ValueError, "fisher has shape"),
        "no rows": (lambda: of.fisher(table, order[:0], 1, 1), ValueError, "at least 1 row"),
        "no batch": (lambda: of.fisher(table, order, 0, 1), ValueError, "batch_size is 0"),
        "no thread": (lambda: of.fisher(table, order, 1, 0), ValueError, "n_threads is 0"),
        "order": (lambda: of.fisher(table, order + 1, 1, 1), IndexError, "want 0 to N - 1"),
    }  # fmt: skip


@pytest.mark.parametrize("name", wrong_calls())
def test_arguments_are_checked(name):
    call, error, text = wrong_calls()[name]
    with pytest.raises(error, match=text):
        call()
