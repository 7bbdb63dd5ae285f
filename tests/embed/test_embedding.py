"""Stage 2: embeddings, looked up and added up, against the reference."""

import re

import numpy as np
import pytest

from dcnfast import ops, reference

pytestmark = pytest.mark.usefixtures("isa")

WIDTHS = [0, 1, 7, 8, 9, 15, 16, 17, 33]


def draw(rng, B, widths, dtype, vocabulary=11):
    """Return dx0, ids, tables; the ids repeat, and the last row of each table never occurs."""
    sizes = [vocabulary + f for f in range(len(widths))]
    tables = [rng.normal(size=(V, K)).astype(dtype) for V, K in zip(sizes, widths, strict=True)]
    ids = np.array([rng.integers(V - 1, size=B) for V in sizes]).reshape(len(sizes), B).T
    return rng.normal(size=(B, sum(widths))).astype(dtype), ids, tables


def check(dx0, ids, tables, check_rounding):
    x0 = ops.embedding(ids, tables)
    want = reference.embedding(ids, tables)
    np.testing.assert_array_equal(x0, want.astype(dx0.dtype), strict=True)
    dE = ops.embedding_backward(dx0, ids, tables)
    double = dx0.astype(np.float64)
    assert [g.dtype for g in dE] == [dx0.dtype] * len(tables)
    doubles = [E.astype(np.float64) for E in tables]
    check_rounding(
        dE,
        reference.embedding_backward(double, ids, doubles),
        reference.embedding_backward(np.abs(double), ids, doubles),
        len(ids) + 1,
    )
    assert not any(g[-1].any() for g in dE)


def test_sizes(size, dtype, rng, check_rounding):
    rows, width = size
    check(*draw(rng, rows, (3, width, 1), dtype), check_rounding)


@pytest.mark.parametrize("first", WIDTHS)
@pytest.mark.parametrize("second", [1, 8, 17])
def test_every_column_of_x0(first, second, dtype, rng, check_rounding):
    """The second field begins in the middle of a vector; both are written to the last number."""
    check(*draw(rng, 13, (first, second), dtype), check_rounding)


@pytest.mark.parametrize("vocabulary", [2, 2049, 70_001])
def test_vocabularies(vocabulary, dtype, rng, check_rounding):
    """One row that all share; more rows than one digit of the sort, or than 16 bits, can name."""
    check(*draw(rng, 3000, (4, 1), dtype, vocabulary), check_rounding)


@pytest.mark.parametrize("B", [0, 4])
def test_no_fields(B):
    ids = np.zeros((B, 0), int)
    assert ops.embedding(ids, []).shape == (B, 0)
    assert ops.embedding_backward(np.zeros((B, 0)), ids, []) == []


def test_backward_adds_in_the_order_of_the_batch():
    """1 + 1e-16 is 1, 1e-16 + 1e-16 is not lost: other orders give other numbers."""
    dx0 = np.array([1.0, 1e-16, 1e-16])[:, None]
    ids, tables = np.zeros((3, 1), int), [np.zeros((1, 1))]
    assert ops.embedding_backward(dx0, ids, tables)[0] == 1.0
    assert ops.embedding_backward(dx0[::-1], ids, tables)[0] > 1.0


# What is looked up may be anything, and touches nobody else.
def test_infinity_and_nan_stay_in_their_row(dtype, rng):
    dx0, ids, tables = draw(rng, 50, (5, 3), dtype)
    ids[:, 0] = np.arange(50) % 10
    tables[0][3, 2], tables[0][7, 4] = np.nan, np.inf
    x0 = ops.embedding(ids, tables)
    np.testing.assert_array_equal(np.isnan(x0).nonzero(), (np.arange(3, 50, 10), [2] * 5))
    np.testing.assert_array_equal(np.isinf(x0).nonzero(), (np.arange(7, 50, 10), [4] * 5))
    dx0[3, 0] = np.nan
    dE = ops.embedding_backward(dx0, ids, tables)
    np.testing.assert_array_equal(np.isnan(dE[0]).nonzero(), ([3], [0]))
    assert np.isfinite(dE[1]).all()


IDS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, ">i8"]


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("arrange", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2]])
def test_any_integers_in_any_layout(kind, arrange, rng):
    dx0, ids, tables = draw(rng, 20, (4, 3), "float64")
    want = ops.embedding(ids, tables), *ops.embedding_backward(dx0, ids, tables)
    other = arrange(ids.astype(kind))
    other.setflags(write=False)
    strided = [np.repeat(E, 2, axis=1)[:, ::2] for E in tables]
    got = ops.embedding(other, strided), *ops.embedding_backward(dx0, other, strided)
    for one, more in zip(want, got, strict=True):
        np.testing.assert_array_equal(one, more)
    as_lists = ops.embedding(ids.tolist(), [E.tolist() for E in tables])
    np.testing.assert_array_equal(as_lists, want[0])


def test_types_mix_to_float64(rng):
    dx0, ids, (first, second) = draw(rng, 6, (4, 3), "float32")
    mixed = [first, second.astype(np.float64)]
    assert ops.embedding(ids, mixed).dtype == np.float64
    assert ops.embedding(ids, [first, second]).dtype == np.float32
    dE = ops.embedding_backward(dx0.astype(np.float64), ids, [first, second])
    assert {g.dtype for g in dE} == {np.dtype(np.float64)}


# ---- errors


def call(name, ids, tables, dx0):
    if name == "embedding":
        return ops.embedding(ids, tables)
    return ops.embedding_backward(dx0, ids, tables)


@pytest.fixture(params=["embedding", "embedding_backward"])
def name(request):
    return request.param


@pytest.mark.parametrize(
    "bad", [-1, 12, 2**31 - 1, 2**31, 2**32, 2**32 + 3, -(2**32) + 3, -(2**63), 2**63 + 1]
)
def test_id_outside_of_its_vocabulary(bad, name, rng):
    """2^32 + 3 must not become 3."""
    dx0, ids, tables = draw(rng, 6, (4, 3), "float64")
    ids = ids.astype(np.uint64 if bad >= 2**63 else np.int64)
    ids[4, 1] = bad
    text = f"{name}: ids has {bad} in row 4 of field 'tables[1]', want less than 12, the rows of"
    with pytest.raises(IndexError, match=re.escape(text)):
        call(name, ids, tables, dx0)


def test_empty_vocabulary(name):
    assert ops.embedding(np.zeros((0, 1), int), [np.zeros((0, 3))]).shape == (0, 3)
    with pytest.raises(IndexError, match=f"{name}: ids has 0 in row 0 of field .*less than 0"):
        call(name, [[0]], [np.zeros((0, 3))], np.zeros((1, 3)))


@pytest.mark.parametrize("kind", [float, bool, complex, str, object, "datetime64[s]"])
def test_ids_that_are_not_integers(kind, name):
    ids = np.zeros((2, 1), int).astype(kind)
    with pytest.raises(TypeError, match=f"{name}: ids has dtype .*, want integers"):
        call(name, ids, [np.zeros((4, 3))], np.zeros((2, 3)))


@pytest.mark.parametrize("kind", [complex, str, object, np.float16])
def test_tables_that_are_not_numbers(kind, name):
    tables = [np.zeros((4, 3)), np.zeros((4, 3)).astype(kind)]
    text = rf"{name}: tables\[1\] has dtype .*, want float32, float64 or integers"
    with pytest.raises(TypeError, match=text):
        call(name, np.zeros((2, 2), int), tables, np.zeros((2, 6)))


WRONG = {
    "ids has shape (2,), want (B, F) with F = 2": {"ids": [0, 2**40]},
    "ids has shape (2, 3), want (B, F) with F = 2": {"ids": [[2**40] * 3] * 2},
    "tables[1] has shape (3,), want (V, K)": {"tables": [np.zeros((4, 3)), np.zeros(3)]},
    "tables[0] has shape (), want (V, K)": {"tables": [2.0, np.zeros((4, 3))]},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_shapes(message, name):
    good = {"ids": [[0, 2**40]] * 2, "tables": [np.zeros((4, 3))] * 2, "dx0": np.zeros((2, 6))}
    with pytest.raises(ValueError, match=re.escape(f"{name}: {message}")):
        call(name, **good | WRONG[message])


def test_wrong_shape_of_the_gradient():
    text = "embedding_backward: dx0 has shape (2, 5), want (B, D) with B = 2, D = 6"
    with pytest.raises(ValueError, match=re.escape(text)):
        ops.embedding_backward(np.zeros((2, 5)), np.zeros((2, 2), int), [np.zeros((4, 3))] * 2)
