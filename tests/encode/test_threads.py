"""Large tables are read and encoded by several threads: the same rows, the same errors."""

import threading

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from dcnfast.encode.encoder import TableEncoder
from dcnfast.parallel import FEW_ROWS, each
from dcnfast.table.schema import read_table, read_training_table

N = 2 * FEW_ROWS + 7


def draw(rng):
    numbers = rng.standard_normal((N, 3))
    numbers[rng.random((N, 3)) < 0.1] = np.nan
    words = [[None, "a", "b", "c", "ß"][i] for i in rng.integers(0, 5, N)]
    objects = [[None, "a", 2.5, 3, True][i] for i in rng.integers(0, 5, N)]
    return pd.DataFrame(
        {"word": words, "x": numbers[:, 0], "object": pd.Series(objects, dtype=object)}
        | {"id": rng.integers(0, 9000, N), "y": numbers[:, 1], "z": numbers[:, 2]}
    )


@pytest.mark.usefixtures("arrow")
@pytest.mark.parametrize("hash_buckets", [None, 100])
def test_threads_change_nothing(reader, rng, hash_buckets):
    X = draw(rng)
    model = reader()
    results = []
    for n_jobs in (1, 3):
        model.n_jobs = n_jobs
        table, _ = read_training_table(
            model, X, np.zeros(N), categorical_features=["word", "object", "id"], y_numeric=True
        )
        encoder = TableEncoder(hash_buckets=hash_buckets).fit(table, None, n_jobs)
        encoded = encoder.transform(read_table(model, X[::-1]), "float32", n_jobs)
        results.append((encoder, encoded))
    (one, by_one), (three, by_three) = results
    np.testing.assert_array_equal(by_one.ids, by_three.ids)
    np.testing.assert_array_equal(by_one.dense, by_three.dense)
    assert len(np.unique(by_one.ids[:, 2])) > 90
    for a, b in zip(one.fields, three.fields, strict=True):
        assert (a.name, a.size) == (b.name, b.size)
        np.testing.assert_array_equal(a.counts, b.counts)


def test_sparse_rows(reader, rng):
    X = np.where(rng.random((N, 3)) < 0.2, rng.standard_normal((N, 3)), 0)
    model = reader().fit(csr_array(X))
    sparse = model.encoder.transform(read_table(model, csr_array(X)), "float64", 3)
    np.testing.assert_array_equal(sparse.dense, model.encode(X).dense)


def test_the_first_column_that_fails_is_named(reader, rng):
    X = draw(rng)
    for name in ("object", "word"):
        X[name] = pd.Series([1j, *X[name][1:]], dtype=object)
    with pytest.raises(TypeError, match="'word' has values of type complex"):
        reader().fit(X, ["word", "object"])


def test_each_waits_and_keeps_the_order():
    meet = threading.Barrier(2, timeout=30)

    def work(i):
        meet.wait()  # breaks unless another thread comes
        return 10 * i

    assert each(work, range(4), N, 2) == [0, 10, 20, 30]
    here = threading.get_ident()
    for n_rows, n_jobs in ((FEW_ROWS, 2), (N, 1)):
        assert set(each(lambda _: threading.get_ident(), range(4), n_rows, n_jobs)) == {here}


def test_each_raises_what_the_first_item_raised():
    def fail(i):
        raise ValueError(f"item {i}")

    with pytest.raises(ValueError, match="item 0"):
        each(fail, range(5), N, 3)
