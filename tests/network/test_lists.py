"""Columns of lists: pooled while they are gathered, and what they learn."""

import numpy as np
import pytest

from dcnfast import _core
from dcnfast.reference.network import State
from dcnfast.testing import assert_close_in_norm
from dcnfast.training.optimizers import OPTIMIZERS, OptimizerStep

pytestmark = pytest.mark.usefixtures("isa")

# two of one width with a field of one value a row between them in the table, and wide ones
FIELDS = (("city", 11, 3), ("user", 60, 17), ("genres", 9, 3), ("clicks", 60, 17), ("tags", 40, 33))
LISTS = {"fields": FIELDS, "poolings": ("sum", "max", "sum")}
NETWORKS = [
    LISTS | {"cross_layers": 2, "hidden": (9,), "wide": True},
    LISTS | {"wide": True, "n_outputs": 3, "n_members": 3, "cross_layers": 1},
    LISTS | {"fields": FIELDS[2:], "hidden": (8,), "n_dense": 0, "learned_scale": True},
    LISTS | {"poolings": ("max",) * 5, "wide": True, "ema_decay": 0.9, "sparse_adam": "exact"},
    LISTS
    | {"embedding_penalty": "table", "alpha_embedding": 0.1, "numeric_bins": (3, 7)}
    | {"numeric_scales": (0.5, 0.2), "numeric_width": 4, "cross_layers": 1},
]
# a column and two of lists that share rows, a column alone, and two of one value that share
SHARED = (("item", 60, 17), ("city", 11, 17), ("from", 9, 3), ("to", 9, 3), ("clicks", 60, 17),
          ("carts", 60, 17), ("tags", 9, 3))  # fmt: skip
TABLE_OF = (0, 1, 2, 2, 0, 0, 6)
NETWORKS += [
    {"fields": SHARED, "table_of": TABLE_OF, "poolings": poolings, "wide": True} | more
    for poolings, more in (
        (("sum", "max", "sum"), {"cross_layers": 2, "hidden": (9,), "alpha_embedding": 0.2}),
        (("max", "sum", "max"), {"n_members": 2, "sparse_adam": "exact", "ema_decay": 0.9}),
    )
]
SHARING = NETWORKS[-2]
# embeddings that stay: of a group, of a field in the middle of a table, of a whole table
NETWORKS += [
    {"fields": SHARED, "table_of": TABLE_OF, "poolings": ("sum", "max", "sum"), "wide": True}
    | {"frozen": frozen, "alpha_embedding": 0.2}
    | more
    for frozen, more in (
        ((0,), {"sparse_adam": "exact", "ema_decay": 0.9}),
        ((1, 2, 6), {"embedding_penalty": "table", "cross_layers": 1}),
    )
]
ROWS = 401


@pytest.fixture(params=range(len(NETWORKS)))
def case_of(request, make_case, dtype):
    return lambda rows, **more: make_case(rows, dtype=dtype, **NETWORKS[request.param] | more)


def assert_close(got, want, rtol):
    assert list(got) == list(want)
    for name in want:
        atol = rtol * np.abs(want[name]).max(initial=0)
        np.testing.assert_allclose(got[name], want[name], rtol=0, atol=atol, err_msg=name)


def test_one_pass(case_of, dtype):
    rtol = 1e-12 if dtype == "float64" else 4e-4
    case = case_of(ROWS, weighted=True)
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=rtol)
    assert_close(gradients, want, rtol)
    logits = case.reference_predict()
    np.testing.assert_allclose(case.predict(), logits, rtol=0, atol=rtol * np.abs(logits).max())
    assert case.evaluate() == pytest.approx(case.reference_evaluate(), rel=rtol)


@pytest.mark.parametrize("network", range(len(NETWORKS)))
def test_gradients_are_the_slope_of_the_loss(network, make_case, rng):
    case = make_case(23, dtype="float64", **NETWORKS[network])
    _, gradients = case.gradients()
    start = case.parameters()
    for name, gradient in gradients.items():
        if not name.startswith(("embedding", "wide")) or case.config.frozen:
            continue
        direction, step = rng.normal(size=gradient.shape), 1e-6
        ends = [
            case.reference_loss(start | {name: start[name] + sign * step * direction})
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_twelve_steps(case_of, dtype, rng):
    case = case_of(37)
    start = case.parameters()
    state = State.start(start)
    for _ in range(3):
        order = rng.permutation(37)
        want = case.reference_train(state, batch_size=10, order=order)
        loss, n_batches, finished = case.train(batch_size=10, order=order)
        assert (n_batches, finished) == (4, True)
        assert loss == pytest.approx(want, rel=1e-10 if dtype == "float64" else 1e-3)
    for name, before in start.items():
        gone, want = (p.parameters[name] - before for p in (case.model.network, state))
        assert_close_in_norm(gone, want, 3e-3 if dtype == "float32" else 1e-8)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_moves_the_rows_that_lists_name_alone(kind, make_case, rng):
    case = make_case(9, dtype="float64", **LISTS | {"fields": (*FIELDS[:-1], ("tags", 5000, 33))})
    case.adam = OptimizerStep(0.01, kind=kind, gradient_clip=0.5)
    before, state, order = case.parameters(), State.start(case.parameters()), rng.permutation(9)
    case.reference_train(state, batch_size=2, order=order)
    case.train(batch_size=2, order=order)
    for name, start in before.items():
        gone, want = (p.parameters[name] - start for p in (case.model.network, state))
        assert_close_in_norm(gone, want, 1e-8)
    others = np.setdiff1d(np.arange(5000), case.lists[2][1])
    tags = case.model.parameters["embedding_33"]
    np.testing.assert_array_equal(tags[others], before["embedding_33"][others])


def test_same_bits_for_any_number_of_threads(case_of):
    cases = [case_of(1500) for _ in range(2)]
    for case, n_threads in zip(cases, (1, 5), strict=True):
        for _ in range(2):
            case.train(batch_size=400, n_threads=n_threads)
    one, many = (case.model.snapshot() for case in cases)
    np.testing.assert_array_equal(one, many)
    np.testing.assert_array_equal(cases[0].predict(1), cases[1].predict(5))


def test_a_row_stands_alone(case_of):
    """Also a row of other lists around it, in another order."""
    case = case_of(ROWS)
    whole = case.predict()
    for rows in (slice(7, 8), slice(199, 330), np.array([200, 3, 399, 0])):
        np.testing.assert_array_equal(case.rows(rows).predict(), whole[rows])


def test_ten_thousand_items(make_case, dtype):
    case = make_case(3, dtype=dtype, **LISTS)
    rng = np.random.default_rng(0)
    lists = []
    for (_, V, _), (_, _, weights) in zip(FIELDS[2:], case.lists, strict=True):
        ids = rng.integers(0, V, 10_000).astype(np.int32)
        weights = None if weights is None else rng.uniform(0, 1e-3, 10_000).astype(dtype)
        lists.append((np.array([0, 0, 10_000, 10_000]), ids, weights))
    case.lists = tuple(lists)
    rtol = 1e-11 if dtype == "float64" else 2e-3
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=rtol)
    assert_close(gradients, want, rtol)


def test_bad_lists(make_case):
    case = make_case(4, dtype="float64", **LISTS | {"poolings": ("sum",)})
    ids, weights = np.zeros(3, np.int32), np.ones(3)
    good = np.array([0, 1, 1, 2, 3])
    bad = [
        ([], ValueError, "lists are 0 columns, want 1"),
        ([(good[1:], ids, None)], ValueError, "offsets has shape"),
        ([(good, ids, weights[1:])], ValueError, "weights has shape"),
        ([(good + 1, ids, None)], ValueError, "begin with 0"),
        ([(np.array([0, 2, 1, 2, 3]), ids, None)], ValueError, "ascend"),
        ([(np.array([0, 0, 1, 2, 4]), ids, None)], ValueError, "the number of items"),
        ([(good, ids + 40, None)], IndexError, "'tags' is 40, want less than 40"),
        ([(good, ids - 1, None)], IndexError, "'tags' is -1"),
    ]
    fields = case.config.fields
    assert fields[-1][:2] == ("tags", 40)
    case.ids = np.zeros((4, 4), np.int32)
    for lists, error, match in bad:
        case.lists = tuple(lists)
        for call in (case.predict, case.evaluate, lambda: case.table):
            with pytest.raises(error, match=match):
                call()
    with pytest.raises(ValueError, match="poolings"):
        make_case(4, **LISTS | {"poolings": ("mean",)})
    with pytest.raises(ValueError, match="poolings are 6, want at most 5"):
        make_case(4, **LISTS | {"poolings": ("sum",) * 6})


def test_a_table_keeps_its_own_lists(make_case):
    """Who changes the arrays afterwards does not make the engine read elsewhere."""
    case = make_case(20, dtype="float64", **LISTS)
    table, order = case.table, np.arange(20)
    want = case.state.compute_gradients(table, order, 0, 1)
    for offsets, ids, _ in case.lists:
        ids[:] = 10**6
        offsets[1:] = 10**9
    assert case.state.compute_gradients(table, order, 0, 1) == want
    assert isinstance(table, _core.TableF64)


def test_bad_tables_of_fields(make_case):
    for table_of, match in (
        ((0, 1), "table_of has 2 numbers, want 7"),
        ((0, 1, 2, 2, 0, 0, 7), "table_of is 7 for field 'tags'"),
        ((0, 0, 2, 2, 0, 0, 6), "table_of is 0 for field 'city'"),
        ((0, 1, 3, 3, 0, 0, 6), "table_of is 3 for field 'from'"),
        ((0, 1, 2, 2, 0, 4, 6), "table_of is 4 for field 'carts'"),
    ):
        with pytest.raises(ValueError, match=match):
            make_case(4, fields=SHARED, table_of=table_of, poolings=("sum",) * 3)


def test_fields_that_share_rows_learn_as_one(make_case):
    """The rows that any of them names move once a step, by all their gradients together."""
    case = make_case(12, dtype="float64", **SHARING)
    before = case.parameters()
    case.train(batch_size=3)
    named = np.unique(np.concatenate([case.ids[:, 0], case.lists[0][1], case.lists[1][1]]))
    still = np.setdiff1d(np.arange(60), named)
    assert case.model.parameters["embedding_17"].shape == (60 + 11, 17)
    for name in ("embedding_17", "wide"):
        rows = case.model.parameters[name]
        np.testing.assert_array_equal(rows[still], before[name][still])
        assert (rows[named] != before[name][named]).all()


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("penalty", ["batch", "table"])
@pytest.mark.parametrize("sparse_adam", ["lazy", "exact"])
def test_frozen_embeddings_keep_every_bit(kind, penalty, sparse_adam, make_case, rng):
    """Whatever moves rows: gradients, penalties, decay, momentum; the others go on as ever."""
    options = {"sparse_adam": sparse_adam, "embedding_penalty": penalty, "ema_decay": 0.9}
    case = make_case(30, dtype="float64", **SHARING | options | {"frozen": (0, 2)})
    decay = 2.0 * OPTIMIZERS[kind].decays
    case.adam = OptimizerStep(0.01, kind=kind, weight_decay=decay, gradient_clip=0.5)
    before, state = case.parameters(), State.start(case.parameters())
    for _ in range(2):
        order = rng.permutation(30)
        want = case.reference_train(state, batch_size=7, order=order)
        assert case.train(batch_size=7, order=order)[0] == pytest.approx(want, rel=1e-9)
    still = {"embedding_17": slice(0, 60), "embedding_3": slice(0, 9)}
    for values in (case.model.parameters, case.model.averages):
        for name, rows in still.items():
            np.testing.assert_array_equal(values[name][rows], before[name][rows])
            assert (values[name][rows.stop :] != before[name][rows.stop :]).any()
    for name, start in before.items():
        gone, want = (p.parameters[name] - start for p in (case.model.network, state))
        assert_close_in_norm(gone, want, 1e-8)


def test_bad_frozen_fields(make_case):
    for frozen in ((7,), (3,), (4,)):
        with pytest.raises(ValueError, match=f"frozen has {frozen[0]}, want numbers of fields"):
            make_case(4, fields=SHARED, table_of=TABLE_OF, poolings=("sum",) * 3, frozen=frozen)
