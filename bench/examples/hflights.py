"""hflights: is a flight over 15 minutes late? Ten months to learn from, two to predict.

October, the last of the ten, decides for every model alike: C of the logistic regression, when
boosting and dcnfast stop, and which of the settings below dcnfast has. The logistic regression then
learns from all ten months; the other two stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from bench.examples import report
from bench.examples.data import FLIGHT_CATEGORIES, read_hflights
from bench.recipe import ONE_NETWORK
from dcnfast import DCNClassifier

try:
    import lightgbm
except ImportError:
    lightgbm = None

SEEDS = range(3)
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 1.0)
SETTINGS: dict[str, dict[str, Any]] = {
    "untouched": {},
    "tuned": ONE_NETWORK | {"alpha": 0.003, "min_frequency": 50, "ema_decay": 0.0},
}


class Months:
    """The table in parts: up to September, October, and November with December."""

    def __init__(self, X: pd.DataFrame, y: np.ndarray) -> None:
        month = X["Month"].astype(int).to_numpy()
        self.train, self.october, self.last = month < 10, month == 10, month > 10
        self.X, self.y = X, y

    def fit(self, fit: Callable[..., Any], rows: np.ndarray) -> Any:
        return fit(self.X[rows], self.y[rows])

    def judge(self, model: Any, rows: np.ndarray) -> dict[str, float]:
        p = model.predict_proba(self.X[rows])[:, 1]
        y = self.y[rows]
        return {"auc": float(roc_auc_score(y, p)), "log_loss": float(log_loss(y, p))}


def one_hot_regression(C: float) -> Any:
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), list(FLIGHT_CATEGORIES)),
        (StandardScaler(), ["Distance"]),
    )
    return make_pipeline(prepare, LogisticRegression(C=C, max_iter=1000))


def regression(months: Months) -> dict[str, Any]:
    of_C = {
        C: months.judge(months.fit(one_hot_regression(C).fit, months.train), months.october)
        for C in STRENGTHS
    }
    C = min(of_C, key=lambda c: of_C[c]["log_loss"])
    model = months.fit(one_hot_regression(C).fit, months.train | months.october)
    return {"model": f"one-hot logistic regression, C = {C:g}"} | months.judge(model, months.last)


def boosting(months: Months) -> dict[str, Any]:
    model = lightgbm.LGBMClassifier(n_estimators=1000, learning_rate=0.05, verbose=-1)
    model.fit(
        months.X[months.train], months.y[months.train],
        eval_set=[(months.X[months.october], months.y[months.october])],
        callbacks=[lightgbm.early_stopping(50, verbose=False)],
    )  # fmt: skip
    return {"model": "LightGBM"} | months.judge(model, months.last)


def dcn(months: Months, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the mean over the seeds, for October as well."""
    found = []
    for seed in SEEDS:
        model = DCNClassifier(random_state=seed, **parameters).fit(
            months.X[months.train], months.y[months.train],
            X_val=months.X[months.october], y_val=months.y[months.october],
        )  # fmt: skip
        october = months.judge(model, months.october)
        found.append(
            months.judge(model, months.last) | {f"{k}_october": v for k, v in october.items()}
        )
    return {key: float(np.mean([f[key] for f in found])) for key in found[0]}


def run(folder: str | None) -> dict[str, Any]:
    months = Months(*read_hflights(folder))
    rows = [regression(months)]
    skipped = []
    if lightgbm is None:
        skipped.append("LightGBM: lightgbm is not installed")
    else:
        rows.append(boosting(months))
    for name, parameters in SETTINGS.items():
        rows.append({"model": f"dcnfast, {name}"} | dcn(months, parameters))
    print(*rows, *skipped, sep="\n")
    return {
        "title": "hflights, late by more than 15 minutes, November and December",
        "settings": SETTINGS,
        "rows": rows,
        "skipped": skipped,
    }


if __name__ == "__main__":
    report.main("hflights", __doc__, run)
