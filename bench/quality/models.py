"""dcnfast and its rivals at their defaults; each gets categories in the form that it knows.

A model that takes rows to stop on, without more being asked of it, gets the split's: dcnfast,
HistGradientBoosting where it stops early, and CatBoost, which keeps its best iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import dcnfast as package
from bench.quality.suite import Array
from dcnfast import DCNClassifier, DCNRegressor

MOST_LEVELS = 254  # that HistGradientBoosting takes, with one more for the rest
STOPS_ABOVE = 10_000  # rows: HistGradientBoosting's early_stopping="auto"
REST = "\0rest"  # of the levels
numbers = make_column_selector(dtype_include="number")
categories = make_column_selector(dtype_exclude="number")


@dataclass(frozen=True)
class Job:
    """What a model is fitted on, and with."""

    X: pd.DataFrame
    y: Array
    classification: bool
    seed: int
    threads: int
    parameters: dict[str, Any]
    watch: tuple[pd.DataFrame, Array] | None = None


class Fitted(Protocol):
    def predict(self, X: pd.DataFrame) -> Array: ...
    def predict_proba(self, X: pd.DataFrame) -> Array: ...


class Prepared:
    """A fitted model behind what makes its kind of table."""

    def __init__(self, model: Any, prepare: Callable[[pd.DataFrame], Any]) -> None:
        self.model, self.prepare = model, prepare

    def predict(self, X: pd.DataFrame) -> Array:
        return np.asarray(self.model.predict(self.prepare(X)))

    def predict_proba(self, X: pd.DataFrame) -> Array:
        return np.asarray(self.model.predict_proba(self.prepare(X)))


class Levels:
    """Strings become pandas' categories: the training rows' levels; all others are missing.

    Parameters
    ----------
    X : DataFrame
        The training rows.
    most : int or None
        The most frequent levels to keep apart; the others become one.
    """

    def __init__(self, X: pd.DataFrame, most: int | None = None) -> None:
        self.levels = {name: X[name].value_counts().index for name in categories(X)}
        self.most = most

    def __call__(self, X: pd.DataFrame) -> pd.DataFrame:
        return X.assign(**{name: self._column(X[name], name) for name in self.levels})

    def _column(self, column: pd.Series, name: str) -> pd.Series:
        levels = self.levels[name]
        if self.most is not None and len(levels) > self.most:
            column = column.where(~column.isin(levels[self.most :]), REST)
            levels = levels[: self.most].append(pd.Index([REST]))
        known = column.where(column.isin(levels))
        return known.astype(pd.CategoricalDtype(sorted(levels)))


def build(value: Any) -> Any:
    """Turn what JSON can say into a parameter: lists into tuples, named classes into objects.

    ``{"crosses.LowRank": {"rank": 8}}`` is ``dcnfast.crosses.LowRank(rank=8)``.

    Raises
    ------
    ValueError
        If dcnfast has no such class.
    """
    if isinstance(value, list):
        return tuple(build(part) for part in value)
    if not isinstance(value, dict):
        return value
    built = {name: build(part) for name, part in value.items()}
    name, settings = next(iter(built.items()), ("", None))
    if len(built) > 1 or "." not in name or not isinstance(settings, dict):
        return built
    try:
        kind = attrgetter(name)(package)
    except AttributeError:
        raise ValueError(f"params: dcnfast has no {name}") from None
    return kind(**settings)


class Mean:
    """The mean of what several models say, as of scikit-learn's VotingRegressor."""

    def __init__(self, models: Sequence[Fitted]) -> None:
        self.models = models

    def predict(self, X: pd.DataFrame) -> Array:
        return np.mean([model.predict(X) for model in self.models], axis=0)

    def predict_proba(self, X: pd.DataFrame) -> Array:
        return np.mean([model.predict_proba(X) for model in self.models], axis=0)


def dcnfast(job: Job) -> Fitted:
    """Fit one estimator, or so many as the setting "estimators" says, with seeds of their own."""
    kind = DCNClassifier if job.classification else DCNRegressor
    settings = {"n_jobs": job.threads} | build(job.parameters)
    n = settings.pop("estimators", 1)
    watch = {} if job.watch is None else dict(zip(("X_val", "y_val"), job.watch, strict=True))
    fits = [
        kind(random_state=n * job.seed + i, **settings).fit(job.X, job.y, **watch) for i in range(n)
    ]
    return fits[0] if n == 1 else Mean(fits)


def hgb(job: Job) -> Fitted:
    prepare = Levels(job.X, MOST_LEVELS)
    kind = HistGradientBoostingClassifier if job.classification else HistGradientBoostingRegressor
    model = kind(random_state=job.seed, categorical_features="from_dtype")
    watch = {}
    if job.watch is not None and len(job.y) > STOPS_ABOVE:
        watch = {"X_val": prepare(job.watch[0]), "y_val": job.watch[1]}
    return Prepared(model.fit(prepare(job.X), job.y, **watch), prepare)


def lightgbm(job: Job) -> Fitted:
    from lightgbm import LGBMClassifier, LGBMRegressor

    prepare = Levels(job.X)
    kind = LGBMClassifier if job.classification else LGBMRegressor
    model = kind(random_state=job.seed, n_jobs=job.threads, verbose=-1)
    return Prepared(model.fit(prepare(job.X), job.y), prepare)


def xgboost(job: Job) -> Fitted:
    from xgboost import XGBClassifier, XGBRegressor

    prepare = Levels(job.X)
    kind = XGBClassifier if job.classification else XGBRegressor
    model = kind(
        random_state=job.seed, n_jobs=job.threads, tree_method="hist", enable_categorical=True
    )
    return Prepared(model.fit(prepare(job.X), job.y), prepare)


def catboost(job: Job) -> Fitted:
    from catboost import CatBoostClassifier, CatBoostRegressor

    columns = categories(job.X)

    def prepare(X: pd.DataFrame) -> pd.DataFrame:
        return X.assign(**{name: X[name].fillna("nan").astype(object) for name in columns})

    kind = CatBoostClassifier if job.classification else CatBoostRegressor
    model = kind(
        random_seed=job.seed, thread_count=job.threads, cat_features=columns, verbose=False,
        allow_writing_files=False,
    )  # fmt: skip
    watch = {} if job.watch is None else {"eval_set": (prepare(job.watch[0]), job.watch[1])}
    return Prepared(model.fit(prepare(job.X), job.y, **watch), prepare)


def mlp(job: Job, **settings: Any) -> Fitted:
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), categories),
    )
    kind = MLPClassifier if job.classification else MLPRegressor
    model: Fitted = make_pipeline(prepare, kind(random_state=job.seed, **settings)).fit(
        job.X, job.y
    )
    return model


def mlp_stopped(job: Job) -> Fitted:
    """Stop where HistGradientBoosting does by default: the untouched one overfits large tables."""
    return mlp(job, early_stopping=len(job.y) > STOPS_ABOVE)


def realmlp(job: Job) -> Fitted:
    return _pytabkit("RealMLP_TD", job, {"use_ls": False})


def tabm(job: Job) -> Fitted:
    return _pytabkit("TabM_D", job, {})


def _pytabkit(name: str, job: Job, of_classes: dict[str, Any]) -> Fitted:
    """Fit its model, which takes no missing numbers and holds out rows of its own.

    Of classes it watches accuracy by default, which costs log-loss: here it watches log-loss, and
    RealMLP goes without label smoothing (``of_classes``), as its authors advise for that.
    """
    from pytabkit.models.sklearn import sklearn_interfaces

    fill = SimpleImputer(add_indicator=True).set_output(transform="pandas")
    columns = numbers(job.X)
    fill.fit(job.X[columns])

    def prepare(X: pd.DataFrame) -> pd.DataFrame:
        words = X[categories(job.X)].fillna("nan").astype("category")
        return pd.concat([fill.transform(X[columns]), words], axis=1) if columns else words

    settings = {"val_metric_name": "cross_entropy"} | of_classes if job.classification else {}
    kind = getattr(
        sklearn_interfaces, f"{name}_{'Classifier' if job.classification else 'Regressor'}"
    )
    model = kind(device="cpu", random_state=job.seed, n_threads=job.threads, **settings)
    watch = {}
    if job.watch is not None:
        watch = {"X_val": prepare(job.watch[0]), "y_val": job.watch[1]}
    return Prepared(model.fit(prepare(job.X), job.y, **watch), prepare)


SUBJECT = "dcnfast"
MODELS: dict[str, Callable[[Job], Fitted]] = {
    SUBJECT: dcnfast,
    "catboost": catboost,
    "lightgbm": lightgbm,
    "hgb": hgb,
    "xgboost": xgboost,
    "mlp": mlp,
    "mlp_stopped": mlp_stopped,
    "realmlp": realmlp,
    "tabm": tabm,
}
UNTOUCHED = tuple(MODELS)[:6]  # the others are run where they are named
PACKAGES = {  # that a model comes in
    SUBJECT: "dcnfast", "catboost": "catboost", "lightgbm": "lightgbm", "hgb": "scikit-learn",
    "xgboost": "xgboost", "mlp": "scikit-learn", "mlp_stopped": "scikit-learn",
    "realmlp": "pytabkit", "tabm": "pytabkit",
}  # fmt: skip
