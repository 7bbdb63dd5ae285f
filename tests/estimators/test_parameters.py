"""Every parameter does something, and says so when it is given nonsense."""

import re

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from dcnfast import DCNClassifier, DCNRegressor

ALL = sorted(DCNClassifier().get_params())
NO_EFFECT_ON_BITS = {"n_jobs", "verbose", "warm_start", "class_weight"}  # tested elsewhere

# parameter -> another value, and what else must be set for it to matter
EFFECTS = {
    "cross": ("vector", {}),
    "cross_layers": (1, {}),
    "cross_rank": (2, {"cross": "lowrank"}),
    "diag_scale": (0.5, {}),
    "hidden_layer_sizes": ((4,), {}),
    "activation": ("tanh", {}),
    "structure": ("stacked", {}),
    "alpha": (0.1, {}),
    "learning_rate_init": (0.01, {}),
    "beta_1": (0.5, {}),
    "beta_2": (0.9, {}),
    "epsilon": (0.1, {}),
    "batch_size": (25, {}),
    "max_iter": (3, {}),
    "shuffle": (False, {}),
    "early_stopping": (True, {}),
    "validation_fraction": (0.5, {"early_stopping": True}),
    "n_iter_no_change": (1, {"tol": 10.0}),
    "tol": (10.0, {"n_iter_no_change": 1}),
    "dtype": ("float64", {}),
    "random_state": (1, {}),
}


def test_all_parameters_are_covered():
    assert set(ALL) == set(EFFECTS) | NO_EFFECT_ON_BITS


@pytest.mark.parametrize("name", EFFECTS)
def test_parameter_has_an_effect(name, table, estimator):
    value, rest = EFFECTS[name]
    first = estimator.make(**rest).fit(table.X, estimator.y)
    other = estimator.make(**rest | {name: value}).fit(table.X, estimator.y)
    assert not np.array_equal(estimator.answer(first, table.X), estimator.answer(other, table.X))


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "identity", "gelu"])
@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("cross", ["matrix", "vector", "lowrank"])
def test_every_combination_learns(cross, structure, activation, table, regressor):
    model = regressor(
        cross=cross, structure=structure, activation=activation, max_iter=40,
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
        ({"cross_layers": 1, "hidden_layer_sizes": (7,), "structure": "stacked"}, 30 + 42 + 8),
        ({"cross_layers": 0, "hidden_layer_sizes": ()}, 6),
    ],
)
def test_number_of_parameters_on_five_columns(parameters, count):
    rng = np.random.default_rng(0)
    model = DCNRegressor(max_iter=1, **parameters).fit(
        rng.normal(size=(40, 5)), rng.normal(size=40)
    )
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


def test_verbose_prints_a_line_an_epoch(table, regressor, capsys):
    regressor(max_iter=3, tol=None).fit(table.X, table.y)
    assert capsys.readouterr().out == ""
    regressor(max_iter=3, tol=None, verbose=1, early_stopping=True).fit(table.X, table.y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"Epoch +3 of 3: loss [\d.]+, held out [\d.]+", lines[2])


NONSENSE = {
    "cross": ["x", None, 3],
    "cross_layers": [-1, 1.5, "x", None, 10**30],
    "cross_rank": [0, -1, 1.5, "x", 10**30],
    "diag_scale": [-0.1, np.nan, np.inf, "x", None],
    "hidden_layer_sizes": [None, 8, "88", (0,), (-1,), (1.5,), ("a",), (True,), [[8]], (np.nan,)],
    "activation": ["swish", None],
    "structure": ["serial", None],
    "alpha": [-1e-9, np.nan, np.inf, "x", None],
    "learning_rate_init": [0, -1, np.nan, np.inf, "x", None],
    "beta_1": [-0.1, 1.0, np.nan, None],
    "beta_2": [-0.1, 1.0, np.nan, None],
    "epsilon": [0, -1, np.nan, np.inf, None],
    "batch_size": [0, -1, 1.5, "all", None],
    "max_iter": [0, -1, 1.5, None],
    "shuffle": ["x", None, 3],
    "early_stopping": ["x", None, 3],
    "validation_fraction": [0, 1, -0.1, np.nan, "x"],
    "n_iter_no_change": [0, -1, 1.5, None],
    "tol": [-1e-9, np.nan, np.inf, "x"],
    "warm_start": ["x", None, 3],
    "dtype": ["float16", None, np.float32, "int32"],
    "n_jobs": [0, 1.5, "x", True],
    "random_state": [-1, 1.5, "x"],
    "verbose": [-1, 1.5, "x", None],
    "class_weight": [
        "x",
        3,
        {"no": -1, "yes": 1},
        {"no": np.nan, "yes": 1},
        {"no": np.inf, "yes": 1},
    ],
}


def test_nonsense_is_tried_for_every_parameter():
    assert set(NONSENSE) == set(ALL)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values]
)
def test_nonsense_is_refused_by_name(name, value, table, classifier):
    rest = {"cross": "lowrank"} if name == "cross_rank" else {}
    with pytest.raises((ValueError, TypeError), match=name):
        classifier(**rest | {name: value}).fit(table.X, table.binary)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"cross_rank": 2}, "cross_rank is 2, want None with cross='matrix'"),
        ({"cross": "vector", "diag_scale": 0.5}, "diag_scale is 0.5, want 0 with cross='vector'"),
    ],
)
def test_parameter_that_could_have_no_effect_is_refused(parameters, text, table, regressor):
    with pytest.raises(ValueError, match=re.escape(text)):
        regressor(**parameters).fit(table.X, table.y)


def test_network_that_does_not_fit_into_memory_is_refused_before_it_is_built(table, regressor):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        regressor(hidden_layer_sizes=(2**17, 2**17, 2**17)).fit(table.X, table.y)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_jobs": 10**30},
        {"batch_size": 10**30},
        {"n_iter_no_change": 10**30},
        {"n_jobs": -(10**30)},
    ],
)
def test_huge_but_meaningful(parameters, table, regressor):
    assert np.isfinite(
        regressor(max_iter=1, **parameters).fit(table.X, table.y).predict(table.X)
    ).all()


def test_epsilon_too_small_for_float32_does_not_divide_by_zero(regressor):
    X = np.column_stack([np.ones(100), np.arange(100.0)])  # a gradient that is exactly 0
    model = regressor(epsilon=1e-60).fit(X, X[:, 1])
    assert np.isfinite(model.predict(X)).all()
