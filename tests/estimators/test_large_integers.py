"""Integers that no float holds, and dates that a time zone moves out of the calendar: errors."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRanker, DCNRegressor, metrics
from dcnfast.lists import Lists

FEW = {"hidden_layer_sizes": (4,), "n_members": 1, "max_iter": 1, "random_state": 0}
X = pd.DataFrame({"a": np.arange(40.0)})
Y = np.arange(40.0)
HUGE = np.array([10**400, *range(39)], object)


@pytest.mark.parametrize("estimator", [DCNRegressor, DCNRanker])
def test_targets(estimator):
    more = {"group": np.arange(40) // 10} if estimator is DCNRanker else {}
    with pytest.raises(ValueError, match=r"y: .*too large"):
        estimator(**FEW).fit(X, HUGE, **more)


def test_several_labels():
    with pytest.raises(ValueError, match="want 0 or 1"):
        DCNClassifier(**FEW).fit(X, np.column_stack([HUGE, HUGE]))


def test_weights():
    for weight in (HUGE, HUGE.tolist()):
        with pytest.raises(ValueError, match=r"sample_weight: .*too large"):
            DCNRegressor(**FEW).fit(X, Y, sample_weight=weight)


def test_weights_of_lists():
    lists = pd.DataFrame({"tags": [["a"], ["b"]] * 20, "w": [[10**400], [1]] * 20})
    how = {"tags": Lists(weights="w")}
    with pytest.raises(ValueError, match="weights of 'tags', has an integer that no float64"):
        DCNRegressor(**FEW, list_features=how).fit(lists, Y)


def test_metrics():
    with pytest.raises(ValueError, match=r"y_pred: .*too large"):
        metrics.auc(np.arange(40) % 2, HUGE)


def test_dates_at_the_end_of_the_calendar():
    when = pd.to_datetime(np.arange(40), unit="D", utc=True).tz_convert("America/New_York")
    frame = pd.DataFrame({"when": when})
    model = DCNRegressor(**FEW, datetime_features=True).fit(frame, Y)
    row = datetime(1, 1, 1, tzinfo=UTC)
    for ask in (
        lambda: model.row_predictor()([row]),
        lambda: model.predict(pd.DataFrame({"when": [row]}, dtype=object)),
    ):
        with pytest.raises(ValueError, match="want a year from 1 to 9999 in America/New_York"):
            ask()
