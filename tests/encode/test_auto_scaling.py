"""numeric_scaling="auto": ranks where a column reaches far out, else mean and deviation."""

import numpy as np
import pytest
from scipy import sparse

from dcnfast.encode.scaling import NumericScaler


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.column_stack([rng.normal(size=500), np.exp(3 * rng.normal(size=500))])


def test_only_columns_that_reach_far_go_by_ranks(X):
    automatic = NumericScaler("auto").fit(X).transform(X, "float64")
    standard = NumericScaler("standard").fit(X).transform(X, "float64")
    quantile = NumericScaler("quantile").fit(X).transform(X, "float64")
    assert standard[:, 1].max() > 6
    np.testing.assert_array_equal(automatic[:, 0], standard[:, 0])
    np.testing.assert_array_equal(automatic[:, 1], quantile[:, 1])
    assert (automatic[:, 0] != quantile[:, 0]).any()


def test_sparse_as_dense(X):
    X = np.where(X > 0.5, X, 0.0)
    dense = NumericScaler("auto").fit(X)
    np.testing.assert_array_equal(
        NumericScaler("auto").fit(sparse.csr_array(X)).transform(sparse.csr_array(X), "float64"),
        dense.transform(X, "float64"),
    )


def test_far_away_at_predict_is_the_last_value_of_training(X):
    scaler = NumericScaler("auto").fit(X)
    far = np.array([[0.0, X[:, 1].max()], [0.0, 1e300]])
    Z = scaler.transform(far, "float64")
    assert Z[0, 1] == Z[1, 1]
