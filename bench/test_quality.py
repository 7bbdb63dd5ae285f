"""Every model of the quality suite on a few rows: the form of its answer, never its score."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.quality.models import MODELS, SUBJECT
from bench.quality.runner import fit_and_score, missing
from bench.quality.suite import Split, make_table

ROWS = 240
PARAMETERS = {SUBJECT: {"max_iter": 2}}


def make_split(classes: bool) -> Split:
    """Numbers and strings with missing ones, and levels that no training row has."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "number": np.where(rng.random(ROWS) < 0.1, np.nan, rng.normal(size=ROWS)),
            "code": rng.integers(0, 4, ROWS),
            "word": [None if i % 17 == 0 else "abc"[i % 3] for i in range(ROWS)],
            "many": [f"level {i}" for i in range(ROWS)],
        }
    )
    y = rng.integers(0, 3, ROWS) if classes else rng.normal(size=ROWS)
    rows = np.arange(ROWS)
    table = make_table(X, y, classes, codes=("code",))
    return Split(table, rows[:160], rows[200:], rows[160:200])


# what a rival complains about is no defect of dcnfast


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("classes", [True, False], ids=["classes", "numbers"])
@pytest.mark.parametrize("model", MODELS)
def test_model(model, classes):
    if reason := missing(model):
        pytest.skip(reason)
    found = fit_and_score(model, make_split(classes), 0, 2, PARAMETERS.get(model, {}))
    assert np.isfinite(found["score"])
    assert (found["rows"], found["columns"]) == (ROWS, 4)
    assert found["figures"].keys() == ({"log_loss", "accuracy"} if classes else {"rmse"})
