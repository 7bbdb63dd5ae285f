import numpy as np
import pytest
from sklearn.base import BaseEstimator

from dcnfast.encode.encoder import TableEncoder
from dcnfast.table import factor, frames
from dcnfast.table.schema import read_table, read_training_table


class Reader(BaseEstimator):
    """Reads and encodes as the estimators do."""

    n_jobs = 2

    def fit(self, X, categorical_features="from_dtype", weight=None, **options):
        self.table, _ = read_training_table(
            self,
            X,
            np.arange(
                X.shape[0] if hasattr(X, "shape") else len(X) if hasattr(X, "__len__") else 1
            ),
            categorical_features=categorical_features,
            y_numeric=True,
        )
        self.encoder = TableEncoder(**options).fit(self.table, weight)
        return self

    def encode(self, X, dtype="float64"):
        return self.encoder.transform(read_table(self, X), dtype)

    def ids(self, X, column=0):
        return self.encode(X).ids[:, column].tolist()


@pytest.fixture
def reader():
    """A fresh reader: reader().fit(X, categorical_features, **options).encode(X)."""
    return Reader


@pytest.fixture(params=["few rows", "pyarrow", "no pyarrow"])
def arrow(request, monkeypatch):
    """Find the values of columns as in few rows, and as in many with and without pyarrow."""
    if request.param != "few rows":
        monkeypatch.setattr(frames, "FEW_ROWS", 0)
    if request.param == "no pyarrow":
        monkeypatch.setattr(factor, "find_pyarrow", lambda: None)
    return request.param
