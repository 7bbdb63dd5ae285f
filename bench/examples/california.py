"""California housing: 64 % to train on, 16 % to watch, 20 % to test; RMSE in $100,000, five splits.

Papers use one split of these proportions and many seeds; here each seed has a split of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import KBinsDiscretizer

from bench.examples import report
from bench.examples.data import read_california
from bench.recipe import ONE_NETWORK
from dcnfast import DCNRegressor

SEEDS = range(5)
PLACE = ["Latitude", "Longitude"]
BINS = [f"{name}Bin" for name in PLACE]
SETTINGS: dict[str, dict[str, Any]] = {
    "untouched": {},
    "wider": ONE_NETWORK | {
        "numeric_scaling": "quantile", "hidden_layer_sizes": (256, 256, 256)
    },
    "fiftieths of latitude and longitude as categories, too": ONE_NETWORK | {
        "numeric_scaling": "quantile", "categorical_features": BINS, "dropout": 0.1,
        "max_iter": 150,
    },
}  # fmt: skip
PUBLISHED = {  # tuned, Gorishniy et al. (2021)
    "DCN-V2": 0.4837,
    "MLP": 0.4985,
    "FT-Transformer": 0.4591,
    "XGBoost": 0.4334,
    "CatBoost": 0.4308,
}


def add_bins(train: pd.DataFrame, *others: pd.DataFrame) -> list[pd.DataFrame]:
    """Add the fiftieth of the training rows in which latitude and longitude lie."""
    bins = KBinsDiscretizer(50, encode="ordinal", quantile_method="averaged_inverted_cdf")
    bins.fit(train[PLACE])
    return [
        X.assign(**dict(zip(BINS, bins.transform(X[PLACE]).astype(int).T, strict=True)))
        for X in (train, *others)
    ]


def rmse(X: pd.DataFrame, y: Any, seed: int, parameters: dict[str, Any]) -> dict[str, Any]:
    rest, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=seed)
    train, val = train_test_split(rest, test_size=0.2, random_state=seed)
    tables = [X.iloc[rows] for rows in (train, val, test)]
    if "categorical_features" in parameters:
        tables = add_bins(*tables)
    model = DCNRegressor(random_state=seed, **parameters)
    model.fit(tables[0], y[train], X_val=tables[1], y_val=y[val])
    error = root_mean_squared_error(y[test], model.predict(tables[2]))
    return {"seed": seed, "rmse": float(error), "epochs": model.n_iter_}


def run(folder: str | None) -> dict[str, Any]:
    X, y = read_california(folder)
    rows, means = [], {}
    for name, parameters in SETTINGS.items():
        found = [{"setting": name} | rmse(X, y, seed, parameters) for seed in SEEDS]
        rows += found
        means[name] = float(np.mean([row["rmse"] for row in found]))
        print(f"{name}: RMSE {means[name]:.4f}", flush=True)
    return {
        "title": "California housing, random 64/16/20, RMSE in $100,000",
        "settings": SETTINGS,
        "mean": means,
        "rows": rows,
        "published": PUBLISHED,
    }


if __name__ == "__main__":
    report.main("california", __doc__, run)
