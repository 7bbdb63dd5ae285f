"""The whole model as specified: gradients are slopes for every option, and each has its effect."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.structure import begin_structured
from dcnfast.reference.network import ReferenceNetwork, State
from dcnfast.testing import central_difference, draw_dense

FIELDS = (("city", 6, 3), ("day", 4, 1), ("user", 30, 3))


class Case:
    """A network with random parameters and rows."""

    def __init__(self, rng, rows=13, weighted=False, **config):
        self.config = c = NetworkConfig(**config)
        self.network = ReferenceNetwork(c)
        shapes = self.network.shapes()
        self.p = {name: rng.normal(0, 0.4, shape) for name, shape in shapes.items()}
        ids = [rng.integers(V, size=rows) for _, V, _ in c.fields]
        self.ids = np.array(ids, np.int32).reshape(len(c.fields), rows).T
        self.dense = draw_dense(c, rows, rng)
        self.target = rng.integers(2, size=(rows, 1 if c.loss == "softmax" else c.n_outputs)) * 1.0
        self.weight = rng.uniform(0.5, 2, rows) if weighted else None

    def loss_and_gradients(self, p=None, **dropout):
        batch = (self.ids, self.dense, self.target, self.weight)
        return self.network.loss_and_gradients(self.p if p is None else p, *batch, **dropout)

    def train(self, state, rows=slice(None)):
        batch = (self.ids[rows], self.dense[rows], self.target[rows])
        return self.network.train_step(state, *batch, learning_rate=0.01)


def test_gradients_are_slopes(full_network, rng):
    """Each parameter by its name, along three directions."""
    case = Case(rng, **full_network)
    _, gradients = case.loss_and_gradients(seed=2, step=4)
    assert list(gradients) == list(case.p)
    for name, gradient in gradients.items():
        assert gradient.shape == case.p[name].shape

        def loss(value, name=name):
            return case.loss_and_gradients(case.p | {name: value}, seed=2, step=4)[0]

        for _ in range(3):
            direction = rng.choice([-1.0, 1.0], size=gradient.shape)
            if name == "cross_W" and case.network.config.cross == "matrix":
                begin_structured(case.network.config, direction)  # the others are no directions
            slope = np.sum(gradient * direction)
            bound = 1e-6 * np.linalg.norm(gradient) * np.linalg.norm(direction) + 1e-9
            steps = (1e-5, 1e-6)  # the shorter for a kink of a ReLU within the longer
            assert any(
                abs(slope - central_difference(loss, case.p[name], direction, step)) <= bound
                for step in steps
            ), name


def test_parameters_exist_only_where_they_have_an_effect(full_network, rng):
    """Each one's gradient is not 0 everywhere, and none is missing or too much."""
    case = Case(rng, 200, **full_network)
    _, gradients = case.loss_and_gradients()
    assert list(gradients) == list(case.p)
    assert all(gradient.any() for gradient in gradients.values())
    c = case.config
    assert ("wide" in case.p) == (c.wide and bool(c.fields))
    assert ("cross_b" in case.p) == (c.cross_bias and c.cross_layers > 0)
    assert ("deep_scale_0" in case.p) == c.layer_norm


def test_x0_is_the_fields_in_order_and_the_dense_columns(rng):
    case = Case(rng, fields=FIELDS, n_dense=2)
    x0 = case.network.forward(case.p, case.ids, case.dense)["x0"]
    narrow, wide = case.p["embedding_1"], case.p["embedding_3"]
    assert (narrow.shape, wide.shape) == ((4, 1), (36, 3))
    city, day, user = case.ids.T
    want = np.concatenate([wide[city], narrow[day], wide[6 + user], case.dense], axis=1)
    np.testing.assert_array_equal(x0, want)


def test_wide_part_is_a_linear_model_beside(rng):
    config = {"fields": FIELDS, "n_dense": 2, "hidden": (5,), "n_outputs": 3}
    case = Case(rng, wide=True, **config)
    without = ReferenceNetwork(NetworkConfig(**config))
    city, day, user = case.ids.T
    table = case.p["wide"]
    linear = table[city] + table[6 + day] + table[10 + user] + case.dense @ case.p["wide_W"].T
    got = case.network.forward(case.p, case.ids, case.dense)["logits"]
    deep = without.forward(case.p, case.ids, case.dense)["logits"]
    np.testing.assert_allclose(got, deep + linear, rtol=1e-12)


@pytest.mark.parametrize("reads", [False, True])
def test_wide_part_reads_numbers_that_are_embedded(reads, rng):
    config = {"n_dense": 2, "numeric_bins": (3, 7), "numeric_scales": (0.5, 0.2)}
    config |= {"numeric_width": 4, "hidden": (5,), "n_outputs": 3}
    case = Case(rng, wide=True, wide_numeric=reads, **config)
    without = ReferenceNetwork(NetworkConfig(**config))
    columns = [0, 1, 2, 4] if reads else [0, 1]  # a number and its place among the bins
    assert case.p["wide_W"].shape == (3, len(columns))
    linear = case.dense[:, columns] @ case.p["wide_W"].T
    got = case.network.forward(case.p, case.ids, case.dense)["logits"]
    deep = without.forward(case.p, case.ids, case.dense)["logits"]
    np.testing.assert_allclose(got, deep + linear, rtol=1e-12)


@pytest.mark.parametrize("structure", ["parallel", "stacked", "stacked_parallel"])
def test_what_reaches_the_head(structure, rng):
    network = {"n_dense": 4, "cross_layers": 2, "structure": structure, "activation": "identity"}
    case = Case(rng, hidden=(3,), **network)
    r = case.network.forward(case.p, np.zeros((13, 0), np.int32), case.dense)
    p, x0, xL = case.p, r["x0"], r["xL"]
    deep = (x0 if structure == "parallel" else xL) @ p["deep_W_0"].T + p["deep_b_0"]
    parts = {"parallel": [xL, deep], "stacked": [deep]}
    if structure == "stacked_parallel":
        parts[structure] = [deep, x0 @ p["deep_parallel_W_0"].T + p["deep_parallel_b_0"]]
    want = np.concatenate(parts[structure], axis=1) @ p["head_W"].T + p["head_b"]
    np.testing.assert_allclose(r["logits"], want, rtol=1e-12)
    cross_only = Case(rng, hidden=(), **network)
    assert cross_only.p["head_W"].shape == (1, 4)


def test_dropout_is_for_training_only(rng):
    case = Case(rng, n_dense=4, hidden=(30, 30), dropout=0.5, structure="stacked_parallel")
    ids = np.zeros((13, 0), np.int32)
    trained, predicted = (
        case.network.forward(case.p, ids, case.dense, seed=1, step=step) for step in (1, None)
    )
    for part in ("deep", "deep_parallel"):
        assert all((mask == 1).all() for mask in predicted["masks"][part])
    masks = [*trained["masks"]["deep"], *trained["masks"]["deep_parallel"]]
    for i, mask in enumerate(masks):
        assert set(np.unique(mask)) == {0.0, 2.0}
        assert not any(np.array_equal(mask, other) for other in masks[:i])
    for other in ({"seed": 1, "step": 2}, {"seed": 2, "step": 1}):
        again = case.network.forward(case.p, ids, case.dense, **other)
        assert not np.array_equal(again["logits"], trained["logits"])


# ---- training


def test_rows_out_of_the_batch_stay_or_coast():
    """Lazy: a row moves when touched. Exact: also after, by its momentum, never before."""
    ends = {}
    for sparse_adam in ("lazy", "exact"):
        case = Case(
            np.random.default_rng(1), fields=FIELDS, wide=True, hidden=(4,), sparse_adam=sparse_adam
        )
        case.ids[:] %= 2
        case.ids[0] = 3
        state = State.start(case.p)
        case.train(state)  # user 3 is in row 0 alone
        first = state.parameters["embedding_3"].copy()
        case.train(state, slice(1, None))
        ends[sparse_adam] = state
        second = state.parameters["embedding_3"]
        touched = np.flatnonzero((first != case.p["embedding_3"]).any(axis=1))
        np.testing.assert_array_equal(touched, [0, 1, 3, 6, 7, 9])
        moved = np.flatnonzero((second != first).any(axis=1))
        want = [0, 1, 6, 7] if sparse_adam == "lazy" else touched
        np.testing.assert_array_equal(moved, want)
    for name in ("wide", "embedding_1"):
        lazy, exact = (ends[kind].parameters[name] for kind in ends)
        assert not np.array_equal(lazy, exact)


def test_lazy_is_exact_when_every_row_is_in_every_batch():
    ends = []
    for sparse_adam in ("lazy", "exact"):
        config = {"fields": FIELDS[:2], "wide": True, "alpha_embedding": 0.1, "ema_decay": 0.9}
        case = Case(np.random.default_rng(1), 60, sparse_adam=sparse_adam, **config)
        case.ids[:] = np.arange(60)[:, None] % [6, 4]
        state = State.start(case.p)
        ends.append([[case.train(state) for _ in range(5)], state])
    assert ends[0][0] == ends[1][0]
    for name in ends[0][1].parameters:
        for kind in ("parameters", "averages", "first_moments", "second_moments"):
            lazy, exact = (getattr(state, kind)[name] for _, state in ends)
            np.testing.assert_array_equal(lazy, exact)


def test_penalty_of_tables_does_not_depend_on_the_size_of_the_batch(rng):
    """Twice the same rows: the same objective, the same step."""
    config = {"fields": FIELDS, "wide": True, "alpha_embedding": 0.7, "hidden": (4,)}
    case = Case(rng, **config)
    once, twice = State.start(case.p), State.start(case.p)
    rows = np.arange(13)
    objectives = case.train(once, rows), case.train(twice, np.concatenate([rows, rows]))
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-13)
    for name in case.p:
        np.testing.assert_allclose(once.parameters[name], twice.parameters[name], rtol=1e-9)


def test_objective_has_the_penalties(rng):
    alphas = {"alpha_embedding": 0.5, "alpha_cross": 0.3, "alpha_deep": 0.2}
    config = {"fields": FIELDS, "n_dense": 2, "wide": True, "cross_layers": 2, "hidden": (4,)}
    case = Case(rng, **config, **alphas, layer_norm=True, structure="stacked_parallel")
    p, (city, day, user) = case.p, case.ids.T
    loss, _ = case.loss_and_gradients()
    objective = case.train(State.start(p))
    deep = ["deep_W_0", "deep_parallel_W_0", "wide_W", "head_W"]
    rows = [p["embedding_3"][city], p["embedding_1"][day], p["embedding_3"][6 + user]]
    rows += [p["wide"][city], p["wide"][6 + day], p["wide"][10 + user]]
    want = 0.15 * np.sum(p["cross_W"] ** 2) + 0.1 * sum(np.sum(p[name] ** 2) for name in deep)
    want += 0.25 * sum(np.sum(row**2) for row in rows) / 13
    assert objective - loss == pytest.approx(want, rel=1e-12)


def test_averages_predict(rng):
    case = Case(rng, fields=FIELDS, n_dense=2, cross_layers=1, ema_decay=0.99)
    state = State.start(case.p)
    for _ in range(3):
        case.train(state)
    predictions = case.network.predict(state, case.ids, case.dense)
    averaged = case.network.forward(state.averages, case.ids, case.dense)["logits"]
    trained = case.network.forward(state.parameters, case.ids, case.dense)["logits"]
    np.testing.assert_array_equal(predictions, averaged)
    assert not np.allclose(predictions, trained)
