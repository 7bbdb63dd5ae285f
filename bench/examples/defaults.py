"""The estimators untouched on eight tables, beside MLP* and HistGradientBoosting* untouched.

Every model gets what it cannot do without and no more, learned inside the fold: MLP one-hot
categories, mean 0 and standard deviation 1, and an indicator of what is missing;
HistGradientBoosting numbered categories, at most 254 of them; dcnfast the table as it is. All see
the same folds. Adult and hflights are 20,000 rows of their tables, drawn at random.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from bench.examples import report
from bench.examples.data import read_adult, read_california, read_hflights
from dcnfast import DCNClassifier, DCNRegressor

Array = npt.NDArray[Any]

SAMPLE = 20_000
TITLE = "Untouched estimators on eight tables, the same folds"


@dataclass(frozen=True)
class Table:
    """A table, what is to be predicted, and over how many fits the figures are means."""

    X: pd.DataFrame
    y: Array
    classes: bool
    folds: int
    repeats: int

    def splits(self) -> Iterator[tuple[Array, Array]]:
        kind = RepeatedStratifiedKFold if self.classes else RepeatedKFold
        folds = kind(n_splits=self.folds, n_repeats=self.repeats, random_state=0)
        return iter(folds.split(self.X, self.y))


def _sample(X: pd.DataFrame, y: Array) -> Table:
    rows = np.random.default_rng(0).permutation(len(y))[:SAMPLE]
    X = X.iloc[rows].reset_index(drop=True)
    return Table(X, y[rows], classes=True, folds=3, repeats=1)


def _adult(folder: str | Path | None) -> Table:
    X, y, X_test, y_test = read_adult(folder)
    return _sample(pd.concat([X, X_test]), np.concatenate([y, y_test]))


def _california(folder: str | Path | None) -> Table:
    return Table(*read_california(folder), classes=False, folds=3, repeats=1)


def _hflights(folder: str | Path | None) -> Table:
    return _sample(*read_hflights(folder))


def _of_scikit_learn(name: str, _folder: str | Path | None) -> Table:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True, as_frame=True)
    return Table(X, y.to_numpy(), classes=name != "diabetes", folds=5, repeats=3)


TABLES: dict[str, Callable[[str | Path | None], Table]] = {
    "adult": _adult,
    "hflights": _hflights,
    "california": _california,
    **{
        name: partial(_of_scikit_learn, name)
        for name in ("breast_cancer", "digits", "wine", "iris", "diabetes")
    },
}

numbers = make_column_selector(dtype_include="number")
categories = make_column_selector(dtype_exclude="number")


def dcn(table: Table, seed: int) -> Any:
    return (DCNClassifier if table.classes else DCNRegressor)(random_state=seed)


def mlp(table: Table, seed: int) -> Any:
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), categories),
    )
    return make_pipeline(
        prepare, (MLPClassifier if table.classes else MLPRegressor)(random_state=seed)
    )


def boosting(table: Table, seed: int) -> Any:
    number = OrdinalEncoder(
        max_categories=254, handle_unknown="use_encoded_value", unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )  # fmt: skip
    prepare = make_column_transformer((number, categories), ("passthrough", numbers))
    model = HistGradientBoostingClassifier if table.classes else HistGradientBoostingRegressor
    categorical = list(range(len(categories(table.X))))
    return make_pipeline(prepare, model(random_state=seed, categorical_features=categorical))


MODELS = {"dcnfast": dcn, "MLP": mlp, "HistGradientBoosting": boosting}


def score(table: Table, make: Callable[[Table, int], Any]) -> dict[str, dict[str, float]]:
    """Return the mean of each figure over the folds, and its standard error."""
    found: dict[str, list[float]] = {}
    for seed, (train, test) in enumerate(table.splits()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # untouched: 200 epochs for MLP
            model = make(table, seed).fit(table.X.iloc[train], table.y[train])
        X, y = table.X.iloc[test], table.y[test]
        if table.classes:
            p = model.predict_proba(X)
            # rounding in float32 leaves some rows a ten-millionth away from a sum of 1
            p = p / p.sum(axis=1, keepdims=True)
            figures = {
                "accuracy": accuracy_score(y, model.predict(X)),
                "log_loss": log_loss(y, p),
            }
        else:
            figures = {"rmse": root_mean_squared_error(y, model.predict(X))}
        for name, value in figures.items():
            found.setdefault(name, []).append(float(value))
    return {
        name: {
            "mean": float(np.mean(values)),
            "standard_error": float(np.std(values, ddof=1) / np.sqrt(len(values))),
        }
        for name, values in found.items()
    }


def run(folder: str | Path | None) -> dict[str, Any]:
    rows = []
    for name, read in TABLES.items():
        table = read(folder)
        for model, make in MODELS.items():
            figures = score(table, make)
            rows.append({"table": name, "model": model, "rows": len(table.y)} | figures)
            shown = "  ".join(f"{k} {v['mean']:.4f}" for k, v in figures.items())
            print(f"{name:<14} {model:<21} {shown}", flush=True)
    return {"title": TITLE, "settings": {"sample": SAMPLE}, "rows": rows}


if __name__ == "__main__":
    report.main("defaults", __doc__, run)
