"""Tables nobody thought of: an error that says what is wrong, or answers that are numbers."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.crosses import CROSSES
from dcnfast.target_statistics import TargetStatistics

WORDS = st.text(st.characters(codec="utf-8"), max_size=3) | st.sampled_from(["", "1", "nan"])
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
NUMBERS = st.floats(allow_infinity=False) | st.floats(-10, 10) | st.sampled_from([1e308, 5e-324])
VALUES = {
    "integers": INTEGERS,
    "numbers": NUMBERS,
    "words": WORDS,
    "flags": st.booleans(),
    "mixed": WORDS | INTEGERS | NUMBERS | st.booleans(),
    "strange": WORDS
    | st.sampled_from([np.inf, b"a", (1,), 1j, 2**64, pd.Timestamp(0), pd.NaT, pd.NA]),
    "nothing": st.none(),
}
USUAL = ["integers", "numbers", "words", "flags"]


def as_objects(columns):
    X = np.empty((len(columns[0]), len(columns)), object)
    for j, column in enumerate(columns):
        for i, value in enumerate(column):
            X[i, j] = value
    return X


def named(columns):
    return {f"c{j}": column for j, column in enumerate(columns)}


def as_floats(columns):
    with np.errstate(all="ignore"):
        return np.array(columns, dtype=float).T


MAKERS = {
    "pandas": lambda columns: pd.DataFrame(named(columns)),
    "categories": lambda columns: pd.DataFrame(
        {k: pd.Series(v, dtype=object).astype("category") for k, v in named(columns).items()}
    ),
    "polars": lambda columns: pl.DataFrame(named(columns), strict=False),
    "pyarrow": lambda columns: pa.table(named(columns)),
    "objects": as_objects,
    "lists": lambda columns: as_objects(columns).tolist(),
    "floats": as_floats,
    "float32": lambda columns: as_floats(columns).astype(np.float32),
    "sparse": lambda columns: csr_array(as_floats(columns)),
}


@st.composite
def tables(draw, rows, kinds, form):
    """Draw a table; where the form has no place for the values, objects have."""
    columns = []
    for kind in kinds:
        values = VALUES[kind]
        values = st.none() | values if draw(st.booleans()) else values
        columns.append(draw(st.lists(values, min_size=rows, max_size=rows)))
    try:
        return MAKERS[form](columns)
    except Exception:  # of the libraries, about what they cannot hold
        return as_objects(columns)


PARAMETERS = {
    "cross": st.sampled_from(list(CROSSES)),
    "cross_layers": st.integers(0, 3),
    "cross_bias": st.booleans(),
    "hidden_layer_sizes": st.sampled_from([(), (3,), (5, 2)]),
    "structure": st.sampled_from(["parallel", "stacked", "stacked_parallel"]),
    "activation": st.sampled_from(["relu", "tanh", "sigmoid", "identity", "gelu"]),
    "preactivation": st.sampled_from(["identity", "tanh"]),
    "diag_scale": st.sampled_from([0, 0.5]),
    "wide": st.booleans(),
    "dropout": st.sampled_from([0, 0.5]),
    "cross_dropout": st.sampled_from([0, 0.5]),
    "layer_norm": st.booleans(),
    "parametric_activation": st.booleans(),
    "learned_scale": st.booleans(),
    "categorical_features": st.sampled_from(["from_dtype", None, [0], [True], ["c0"]]),
    "embedding_dim": st.sampled_from(["auto", 1, 3, {"c0": 2}]),
    "min_frequency": st.sampled_from([None, 2, 0.3]),
    "max_categories": st.sampled_from([None, 1, 2]),
    "recycle_categories": st.booleans(),
    "hash_buckets": st.sampled_from([None, 1, 3]),
    "collision_weights": st.booleans(),
    "target_statistics": st.sampled_from(
        [
            TargetStatistics(min_categories=2, smoothing=1e-9),
            TargetStatistics(min_categories=2, order=1, folds=3),
        ]
    ),
    "numeric_scaling": st.sampled_from(["standard", "quantile", "log", "robust_smooth", None]),
    "alpha": st.sampled_from([0, 0.1, {"embedding": 1}]),
    "embedding_penalty": st.sampled_from(["batch", "table"]),
    "embedding_initial_scale": st.sampled_from([0, 1e-4, 1e30]),
    "sparse_adam": st.sampled_from(["lazy", "exact"]),
    "ema_decay": st.sampled_from([0, 0.9]),
    "early_stopping": st.booleans(),
    "learning_rate_init": st.sampled_from([1e-3, 0.1, 1e3]),
    "dtype": st.sampled_from(["float32", "float64"]),
    "warm_start": st.booleans(),
}


@st.composite
def studies(draw):
    """Draw an estimator, what to fit it to, and tables to ask about."""
    rows, n = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    kinds = [draw(st.sampled_from([*USUAL, *USUAL, *USUAL, *VALUES])) for _ in range(n)]
    form = draw(st.sampled_from(list(MAKERS)))
    X = draw(tables(rows, kinds, form))
    others = [draw(tables(draw(st.integers(1, 5)), kinds, form))]
    if draw(st.booleans()):
        changed = [draw(st.sampled_from(list(VALUES))) for _ in range(draw(st.integers(1, 3)))]
        others.append(draw(tables(3, changed, draw(st.sampled_from(list(MAKERS))))))
    parameters = {
        name: draw(PARAMETERS[name])
        for name in draw(st.lists(st.sampled_from(list(PARAMETERS)), max_size=6, unique=True))
    }
    target = draw(st.sampled_from([DCNRegressor, DCNRegressor, DCNClassifier]))
    values = st.floats(-1e300, 1e300) if target is DCNRegressor else st.sampled_from([0, 1, 2])
    y, y_val = (
        np.array(draw(st.lists(values, min_size=n, max_size=n)))
        for n in (rows, others[0].shape[0] if hasattr(others[0], "shape") else len(others[0]))
    )
    arguments = {"X": X, "y": y}
    if draw(st.booleans()):
        weights = st.floats(0, 1e308) | st.sampled_from([0.0, 1.0, 5e-324])
        arguments["sample_weight"] = draw(st.lists(weights, min_size=rows, max_size=rows))
    if draw(st.booleans()):
        arguments |= {"X_val": others[0], "y_val": y_val}
    make = partial(target, **parameters, max_iter=2, batch_size=4, random_state=0, n_jobs=1)
    return make(), arguments, others


def answer(model, X):
    return model.predict_proba(X) if isinstance(model, DCNClassifier) else model.predict(X)


def assert_says_something(text):
    assert len(text) > 15, text


def check(study):
    model, arguments, others = study
    X = arguments["X"]
    unfitted = dict(vars(model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "X (has|does not have) (valid )?feature names")
        warnings.filterwarnings("ignore", "The number of unique classes")
        warnings.filterwarnings("ignore", "The least populated class")
        try:
            model.fit(**arguments)
        except (ValueError, TypeError) as error:
            assert_says_something(str(error))
            assert vars(model) == unfitted
            return
        first = answer(model, X)
        assert np.isfinite(first).all()
        state = dict(vars(model))
        for other in others:
            try:
                assert np.isfinite(answer(model, other)).all()
            except (ValueError, TypeError) as error:
                assert_says_something(str(error))
            try:
                model.fit(**arguments | {"X": other})
            except (ValueError, TypeError):
                assert vars(model) == state
                np.testing.assert_array_equal(answer(model, X), first)
            else:
                assert np.isfinite(answer(model, other)).all()
                break


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@given(studies())
@settings(max_examples=30, derandomize=True, **QUIET)
def test_some_tables(study):
    check(study)


@pytest.mark.campaign
@given(studies())
@settings(max_examples=10_000, **QUIET)
def test_many_tables(study):
    check(study)
