"""Every parameter does something."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from dcnfast import DCNClassifier, DCNRegressor, optimizers
from dcnfast.cpu import available_isas
from dcnfast.network.crosses import CROSSES
from dcnfast.target_statistics import TargetStatistics
from dcnfast.testing import force_isa

ALL = sorted(DCNClassifier().get_params())
NO_EFFECT_ON_BITS = {
    "n_jobs", "verbose", "warm_start", "class_weight", "label_smoothing", "deterministic",
    "task_weights",
    "prior_strength", "checkpoints", "max_time", "recycle_categories",
}  # tested elsewhere  # fmt: skip

# parameter -> another value, and what else must be set for it to matter
EFFECTS = {
    "cross": ("vector", {}),
    "cross_layers": (1, {}),
    "cross_rank": (2, {"cross": "lowrank"}),
    "diag_scale": (0.5, {}),
    "cross_bias": (False, {}),
    "preactivation": ("tanh", {"learning_rate_init": 0.01}),
    "hidden_layer_sizes": ((4,), {}),
    "activation": ("tanh", {}),
    "parametric_activation": (True, {"optimizer": optimizers.Adam(rate_factors={"activation": 9})}),
    "structure": ("stacked", {}),
    "wide": (True, {}),
    "dropout": (0.3, {}),
    "cross_dropout": (0.3, {}),
    "dropout_schedule": ("cosine", {"dropout": 0.3}),
    "layer_norm": (True, {}),
    "cross_initializer": ("glorot_uniform", {}),
    "deep_initializer": ("he_normal", {}),
    "categorical_features": (["city", "user", "member", "a"], {}),
    "datetime_features": (True, {"datetime_features": ["month"]}),
    "list_features": ({"tags": "sum"}, {}),
    "embedding_dim": (5, {}),
    "shared_embeddings": ([("city", "user")], {}),
    "pretrained_embeddings": ({"city": (["Oslo", "Rome"], np.eye(2))}, {}),
    "frozen_embeddings": (["city", "user"], {"learning_rate_init": 0.01}),
    "embedding_initial_scale": (0.5, {}),
    "min_frequency": (10, {}),
    "max_categories": (3, {}),
    "hash_buckets": (3, {}),
    "collision_weights": (True, {"learning_rate_init": 0.01}),
    "branch_loss": (True, {}),
    "target_statistics": (TargetStatistics(order=1), {}),
    "numeric_scaling": ("quantile", {}),
    "numeric_embedding": ("piecewise", {}),
    "n_members": (2, {}),
    "learned_scale": (True, {"learning_rate_init": 0.01}),
    "numeric_clip": (False, {"early_stopping": True, "validation_fraction": 0.5}),
    "loss": (None, {}),  # another one for each estimator
    "alpha": (0.1, {}),
    "embedding_penalty": ("table", {"alpha": 0.1}),
    "optimizer": (optimizers.Adam(beta_1=0.5), {}),
    "learning_rate": ("cosine", {}),
    "learning_rate_init": (0.01, {}),
    "gradient_clip": (1e-4, {"epsilon": 1e-3}),
    "beta_1": (0.5, {}),
    "beta_2": (0.9, {}),
    "epsilon": (0.1, {}),
    "sparse_adam": ("exact", {}),
    "ema_decay": (0.9, {}),
    "batch_size": (25, {}),
    "max_iter": (3, {}),
    "shuffle": (False, {}),
    "early_stopping": (True, {}),
    "scoring": (lambda *_: 1.0, {"early_stopping": True}),  # the first epoch is the best
    "validation_fraction": (0.5, {"early_stopping": True}),
    "n_iter_no_change": (1, {"tol": 10.0}),
    "tol": (10.0, {"n_iter_no_change": 1}),
    "dtype": ("float64", {}),
    "random_state": (1, {}),
}


def test_all_parameters_are_covered():
    assert set(ALL) == set(EFFECTS) | NO_EFFECT_ON_BITS


@pytest.mark.parametrize("name", EFFECTS)
def test_parameter_has_an_effect(name, frame, estimator):
    value, rest = EFFECTS[name]
    X, y = frame.X, estimator.frame_y
    if name == "datetime_features":
        X = X.assign(when=pd.date_range("2024-01-01", periods=len(X), freq="7h"))
    if name == "list_features":
        X = X.assign(tags=[list("abc")[: i % 4] for i in range(len(X))])
    if name == "loss":
        value = {DCNRegressor: "log_loss", DCNClassifier: "softmax"}[estimator.make.func]
        y = y if value == "softmax" else (y > 0).astype(float)
    first = estimator.answer(estimator.make(**rest).fit(X, y), X)
    other = estimator.answer(estimator.make(**rest | {name: value}).fit(X, y), X)
    effect = np.sqrt(np.mean((first - other) ** 2)) / first.std(axis=0).mean()
    if name == "dtype":  # the same model but for rounding
        assert 0 < effect < 1e-4
    else:  # more than rounding, of which any bit would be enough
        assert effect > 2e-3


# parameter -> values that are as good as saying nothing
NOTHING = {
    "alpha": [{}, {"cross": 0}],
    "categorical_features": [["city", "user", "member"], [4, 5, 6], [False] * 4 + [True] * 3],
    "embedding_dim": [{}, {"city": 2}],
    "hash_buckets": [{}],
    "max_categories": [1000],
    "min_frequency": [1, 1e-9],
    "class_weight": [{"yes": 1, "no": 1.0}],
    "label_smoothing": [0],
    "hidden_layer_sizes": [[8, 4], np.array([8, 4])],
    "scoring": ["neg_log_loss"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in NOTHING.items() for v in vs])
def test_value_that_says_nothing_new(name, value, frame, classifier):
    one, other = (
        classifier(early_stopping=True, **changes).fit(frame.X, frame.binary).predict_proba(frame.X)
        for changes in ({}, {name: value})
    )
    np.testing.assert_array_equal(one, other)


def test_a_number_is_one_hidden_layer(table, regressor):
    one, other = (
        regressor(hidden_layer_sizes=sizes).fit(table.X, table.y).predict(table.X)
        for sizes in (7, (7,))
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("part", ["embedding", "cross", "deep"])
def test_alpha_of_a_part_shrinks_that_part(part, frame, regressor):
    def sizes(**changes):
        model = regressor(structure="stacked_parallel", max_iter=30, learning_rate_init=0.01)
        model.set_params(**changes).fit(frame.X, frame.y)
        squares = {"embedding": 0.0, "cross": 0.0, "deep": 0.0}
        for name, p in model.parameters_.items():
            if "_b" not in name:
                kind = name.split("_")[0]
                squares[{"head": "deep"}.get(kind, kind)] += float(np.sum(p**2))
        return squares

    free, held = sizes(), sizes(alpha={part: 0.3})
    assert held[part] < 0.5 * free[part]
    for other in {"embedding", "cross", "deep"} - {part}:
        assert held[other] > held[part] / free[part] * free[other]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "identity", "gelu"])
@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("cross", CROSSES)
def test_every_combination_learns(cross, structure, activation, table, regressor):
    model = regressor(
        cross=cross, structure=structure, activation=activation, max_iter=60,
        learning_rate_init=0.01, hidden_layer_sizes=(16,),
    )  # fmt: skip
    assert model.fit(table.X, table.y).score(table.X, table.y) > 0.6


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"cross_layers": 1, "hidden_layer_sizes": ()}, 36),
        ({"cross_layers": 0, "hidden_layer_sizes": (512, 256, 128)}, 167_425),
        ({"cross": "vector", "cross_layers": 2, "hidden_layer_sizes": ()}, 2 * 10 + 6),
        ({"cross": "lowrank", "cross_layers": 2, "cross_rank": 2, "hidden_layer_sizes": ()}, 56),
        ({"cross_layers": 1, "hidden_layer_sizes": (7,)}, 30 + 6 * 7 + 5 + 7 + 1),
        ({"cross_layers": 1, "hidden_layer_sizes": 7}, 30 + 6 * 7 + 5 + 7 + 1),
        ({"cross_layers": 1, "hidden_layer_sizes": (7,), "structure": "stacked"}, 30 + 42 + 8),
        ({"cross_layers": 0, "hidden_layer_sizes": ()}, 6),
    ],
)
def test_number_of_parameters_on_five_columns(parameters, count):
    rng = np.random.default_rng(0)
    parameters = {"numeric_embedding": None, "n_members": 1, "max_iter": 1} | parameters
    model = DCNRegressor(**parameters).fit(rng.normal(size=(40, 5)), rng.normal(size=40))
    assert model.n_parameters_ == count
    assert sum(p.size for p in model.parameters_.values()) == count


def test_parameters_are_read_only_views(table, regressor):
    model = regressor().fit(table.X, table.y)
    for name, parameter in model.parameters_.items():
        assert parameter.dtype == np.float32, name
        with pytest.raises(ValueError, match="read-only"):
            parameter[...] = 0


def test_alpha_shrinks_weights_and_leaves_biases(table, regressor):
    def size(model):
        return sum(np.sum(p**2) for n, p in model.parameters_.items() if "_b" not in n)

    sizes = [size(regressor(alpha=a, max_iter=60).fit(table.X, table.y)) for a in (0, 0.01, 0.1)]
    assert sizes[0] > sizes[1] > sizes[2]
    # weights that cost too much leave the biases, which say the mean
    deep = regressor(alpha=100.0, cross_layers=0, learning_rate_init=0.01, max_iter=60)
    with pytest.warns(ConvergenceWarning, match="or alpha"):
        predicted = deep.fit(table.X, table.y + 9).predict(table.X)
    np.testing.assert_allclose(predicted, np.mean(table.y + 9), atol=0.1)


@pytest.mark.parametrize("jobs", [2, 3, -1, None])
def test_bits_do_not_depend_on_n_jobs(jobs, table, estimator):
    one = estimator.make(batch_size=300).fit(table.X, estimator.y)
    many = estimator.make(batch_size=300, n_jobs=jobs).fit(table.X, estimator.y)
    for name, parameter in one.parameters_.items():
        np.testing.assert_array_equal(parameter, many.parameters_[name], strict=True)
    np.testing.assert_array_equal(
        estimator.answer(one, table.X), estimator.answer(many, table.X), strict=True
    )


def test_random_state(table, estimator):
    def answer(state):
        model = estimator.make(random_state=state, max_iter=2).fit(table.X, estimator.y)
        return estimator.answer(model, table.X)

    np.testing.assert_array_equal(answer(7), answer(np.random.RandomState(7)))
    assert not np.array_equal(answer(None), answer(None))


def test_deterministic_isa_is_the_same_on_the_portable_code(table, regressor):
    """With "threads" its multiply-adds round twice, and the bits are its own."""
    answers = {}
    for deterministic in ("isa", "threads"):
        model = regressor(deterministic=deterministic, max_iter=2)
        for isa in (available_isas()[0], "scalar"):
            with force_isa(isa):
                answers[deterministic, isa] = model.fit(table.X, table.y).predict(table.X)
    best = available_isas()[0]
    np.testing.assert_array_equal(answers["isa", "scalar"], answers["isa", best])
    if best != "scalar":
        assert (answers["threads", "scalar"] != answers["threads", best]).any()
