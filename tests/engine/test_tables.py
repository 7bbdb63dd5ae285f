"""A table is checked once: what it reads afterwards cannot be made wrong, nor go away."""

import gc
import weakref

import numpy as np
import pytest

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

CONFIG = {"fields": (("city", 3, 2), ("day", 5, 2)), "n_dense": 4, "cross_layers": 1}
ORDER = np.arange(20)


def arrays(dtype, n=20, classes=0):
    rng = np.random.default_rng(0)
    ids = np.column_stack([rng.integers(3, size=n), rng.integers(5, size=n)]).astype(np.int32)
    target = rng.integers(classes, size=(n, 1)) if classes else rng.normal(size=(n, 1))
    return ids, rng.normal(size=(n, 4)).astype(dtype), target.astype(dtype), np.ones(n, dtype)


def training(dtype, classes=0):
    loss = {"loss": "softmax", "n_outputs": classes} if classes else {}
    model = Model(NetworkConfig(dtype=dtype, **CONFIG, **loss))
    return Training(model.initialize(np.random.RandomState(0)))


def trained(one, table):
    result = one.state.train_epoch(table, ORDER, 7, OptimizerStep(0.01).compile(), 0, 2)
    return result, one.model.snapshot().tobytes()


@pytest.mark.parametrize("classes", [0, 3])
def test_what_says_where_to_read_is_its_own(classes, dtype):
    """Ids and class numbers are changed after they were checked, as another thread could."""
    one, other = training(dtype, classes), training(dtype, classes)
    given = arrays(dtype, classes=classes)
    want = trained(one, one.model.table(*arrays(dtype, classes=classes)))
    table = other.model.table(*given)
    given[0][:] = 2**31 - 1
    if classes:
        given[2][:] = 2**20
    assert trained(other, table) == want
    evaluated = [t.model.evaluate(table, 1) for t in (one, other)]
    assert evaluated[0] == evaluated[1]


def test_what_it_shows_is_read_only(dtype):
    given = arrays(dtype, classes=3)
    table = training(dtype, 3).model.table(*given)
    for view, of in ((table.ids, given[0]), (table.target, given[2])):
        np.testing.assert_array_equal(view, of)
        assert view.dtype == of.dtype
        assert not np.shares_memory(view, of)
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            view.setflags(write=True)
    assert len(table) == 20


def test_other_arrays_are_not_copied_and_stay(dtype):
    one, given = training(dtype), arrays(dtype)
    table = one.model.table(*given)
    assert np.shares_memory(table.target, given[2])
    gone = [weakref.ref(array) for array in given]
    want, view = given[1].copy(), table.ids
    ids = view.copy()
    del given
    gc.collect()
    assert [ref() is None for ref in gone] == [True, False, False, False]
    assert trained(one, table)[0][1:] == (3, True)
    np.testing.assert_array_equal(gone[1](), want)
    del table
    gc.collect()
    np.testing.assert_array_equal(view, ids)  # keeps the table


def test_networks_of_the_same_shape_read_it(dtype):
    """Copies, and networks that differ in what no row tells, as those of folds do."""
    one = training(dtype)
    table = one.model.table(*arrays(dtype))
    assert one.copy().model.evaluate(table, 1) == one.model.evaluate(table, 1)
    deep = Model(NetworkConfig(dtype=dtype, hidden=(5,), **CONFIG))
    assert np.isfinite(deep.evaluate(table, 1))
    other = Model(
        NetworkConfig(dtype=dtype, **CONFIG | {"fields": (("city", 3, 2), ("day", 4, 2))})
    )
    with pytest.raises(ValueError, match="evaluate_table: table was made for a network with other"):
        other.evaluate(table, 1)


def test_a_table_without_rows_or_columns(dtype):
    model = Model(NetworkConfig(n_dense=0, fields=(("city", 3, 2),), dtype=dtype))
    none = np.zeros((0, 0), dtype)
    table = model.table(np.zeros((0, 1), np.int32), none, np.zeros((0, 1), dtype), None)
    assert (len(table), table.ids.shape, table.target.shape) == (0, (0, 1), (0, 1))


@pytest.mark.parametrize("cls", [DCNRegressor, DCNClassifier])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_fit_checks_its_rows_once(cls, early_stopping, monkeypatch):
    made = []
    init = Rows.__init__
    monkeypatch.setattr(Rows, "__init__", lambda *a: (made.append(a), init(*a))[1])
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = X[:, 0] > 0 if cls is DCNClassifier else X[:, 0]
    cls(max_iter=5, tol=None, early_stopping=early_stopping, n_jobs=1).fit(X, y)
    assert len(made) <= 3  # rows to train on, to hold out, and some that are looked at at the end
