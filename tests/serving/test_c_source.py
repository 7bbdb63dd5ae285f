"""Models in C: they compile without a warning, and say what ``predict`` says."""

import numpy as np
import pytest

from tests.serving import compiled

pytestmark = pytest.mark.skipif(compiled.COMPILER is None, reason="there is no compiler of C")


def said(model, X):
    """Return what the estimator says of rows, (n, size)."""
    answers = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    return np.asarray(answers, np.float64).reshape(len(X), -1)


def same(got, wanted, tolerance):
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * scale)


def test_it_says_what_predict_says(model, rows, tmp_path):
    X = rows.iloc[:120]
    got, refused = compiled.run(tmp_path, model, X.to_dict("records"))
    assert not any(refused)
    same(got, said(model, X), 1e-12 if model.dtype == "float64" else 1e-6)
