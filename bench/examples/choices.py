"""Two choices of the encoder, measured against what else could be done.

The networks are over scaled numbers: embedded ones have a learned vector for what is missing.

Missing numbers: the training mean and a column that tells where (what dcnfast does), the mean
alone, or a learned value. A learned value v for the missing numbers of a column, in place of the
mean and the indicator, is the product of the two: it adds the same v to whatever reads the column.
So it is measured as the indicator's own embedding beside the column. A fifth of the numbers of
California and of Adult are taken away at random, and for "large" those above the median twice as
often as those below.

Categories that training has not seen: the mean embedding of those that it has seen (what dcnfast
does), zero, or the row as it was drawn. A fifth of the categories of the field are kept for the
test rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from bench.examples import report
from bench.examples.data import read_adult, read_california, read_hflights
from bench.recipe import ONE_NETWORK
from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.model import Model

SEEDS = range(3)
UNSEEN = {"adult": ("occupation", "education"), "hflights": ("Dest", "FlightNum", "TailNum")}


# ---- missing numbers


def take_away(X: pd.DataFrame, kind: str, random: np.random.Generator) -> pd.DataFrame:
    """Take away numbers of every numeric column, at random or the large ones more often."""
    numbers = X.select_dtypes("number").astype(float)
    share = np.full(numbers.shape, 0.2)
    if kind == "large":
        share = np.where(numbers > numbers.median(), 4 / 15, 2 / 15)
    return X.assign(**numbers.mask(random.random(numbers.shape) < share))


def replace_missing(X: pd.DataFrame, means: pd.Series, how: str) -> pd.DataFrame:
    """Return the table as each way has it; dcnfast adds the indicator where NaN stays."""
    if how == "mean and indicator":
        return X
    filled = X.fillna(means)
    if how == "learned value":
        names = means.index
        there = {f"{name}_there": X[name].notna().map({True: "yes", False: "no"}) for name in names}
        return filled.assign(**there)
    return filled


def missing(name: str, X: pd.DataFrame, y: Any, kind: str) -> list[dict[str, Any]]:
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        gaps = take_away(X, kind, np.random.default_rng(seed))
        train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=seed)
        means = gaps.iloc[train].select_dtypes("number").mean()
        for how in ("mean and indicator", "mean alone", "learned value"):
            table = replace_missing(gaps, means, how)
            kind_of_model = DCNRegressor if name == "california" else DCNClassifier
            widths = _widths(table, how)
            model = kind_of_model(**ONE_NETWORK, random_state=seed, embedding_dim=widths)
            model.fit(table.iloc[train], y[train])
            found.setdefault(how, []).append(_loss(model, table.iloc[test], y[test]))
    return [
        {"table": name, "missing": kind, "way": way, "loss": float(np.mean(v))}
        for way, v in found.items()
    ]


def _widths(table: pd.DataFrame, how: str) -> str | dict[str, int]:
    if how != "learned value":
        return "auto"
    return {name: 1 for name in table if name.endswith("_there")}


def _loss(model: Any, X: pd.DataFrame, y: Any) -> float:
    if isinstance(model, DCNRegressor):
        return float(root_mean_squared_error(y, model.predict(X)))
    return float(log_loss(y, model.predict_proba(X)[:, 1]))


# ---- unseen categories


def settle_with(way: str, estimator: Any) -> None:
    """Give the rows of no training row what ``way`` says, in place of their mean."""
    model: Model = estimator._model
    fresh = Model(model.config).initialize(np.random.RandomState(0)).parameters
    flats = [np.array(model.network.flat_parameters), np.array(model.network.flat_averages)]
    at = dict.fromkeys(fresh, 0)
    for field, (_, rows, width) in zip(estimator.encoder_.fields, model.config.fields, strict=True):
        name = f"embedding_{width}"
        offset = next(o for n, _, o in model.network.tensors if n == name)
        unseen = at[name] + np.flatnonzero(field.counts == 0)
        at[name] += rows
        values = fresh[name][unseen] if way == "as drawn" else 0.0
        for flat in flats:
            flat[offset : offset + fresh[name].size].reshape(-1, width)[unseen] = values
    model.network.set_parameters(flats[0])
    model.network.set_averages(flats[1])


def unseen(name: str, X: pd.DataFrame, y: Any, field: str) -> list[dict[str, Any]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        kinds = np.sort(X[field].dropna().unique().astype(str))
        kept = random.choice(kinds, size=max(1, len(kinds) // 5), replace=False)
        test = X[field].astype(str).isin(kept).to_numpy()
        estimator = DCNClassifier(**ONE_NETWORK, random_state=seed).fit(X[~test], y[~test])
        for way in ("mean of the seen", "zero", "as drawn"):
            if way != "mean of the seen":
                settle_with(way, estimator)
            p = estimator.predict_proba(X[test])[:, 1]
            found.setdefault(way, []).append((log_loss(y[test], p), roc_auc_score(y[test], p)))
    means = {way: np.mean(values, axis=0) for way, values in found.items()}
    return [
        {"table": name, "field": field, "way": way, "log_loss": float(m[0]), "auc": float(m[1])}
        for way, m in means.items()
    ]


def run(folder: str | None) -> dict[str, Any]:
    tables = {
        "adult": read_adult(folder)[:2],
        "california": read_california(folder),
        "hflights": read_hflights(folder),
    }
    rows: dict[str, list[dict[str, Any]]] = {"missing": [], "unseen": []}
    for name in ("california", "adult"):
        for kind in ("at random", "large"):
            rows["missing"] += missing(name, *tables[name], kind)
            print(*rows["missing"][-3:], sep="\n", flush=True)
    for name, fields in UNSEEN.items():
        for field in fields:
            rows["unseen"] += unseen(name, *tables[name], field)
            print(*rows["unseen"][-3:], sep="\n", flush=True)
    return {
        "title": "What to do with missing numbers and unseen categories",
        "settings": {"seeds": len(SEEDS)},
        **rows,
    }


if __name__ == "__main__":
    report.main("choices", __doc__, run)
