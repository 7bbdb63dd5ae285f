"""MovieLens 100K and 1M, each as a published protocol has it, on the files of a folder.

100K: ratings as numbers, from user, movie, gender, age group, occupation and zip code; 80,000
ratings at random to learn from, 20,000 to predict; mean RMSE of five splits. The protocol of
TensorFlow Recommenders' tutorial on DCN, also with the settings of its network.

1M: whether a rating is 4 or 5 rather than 1 or 2, from six columns of categories, without ratings
of 3; 80 % at random to learn from, 10 % to watch, 10 % to predict; AUC and log-loss. The protocol
of the DCN V2 paper.

A folder has "ml-100k" or "ml-1m" or both. The rows of a split are not those of the publications,
which do not name them, and splits differ by more than models do: so each seed has one of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.examples import report
from bench.examples.data import locate
from dcnfast import DCNClassifier, DCNRegressor, crosses, datasets, metrics, optimizers

SEEDS = range(5)
AGES = (18, 25, 35, 45, 50, 56)  # where the age groups of the tutorial begin, after the first
TUTORIAL: dict[str, Any] = {  # what its notebook has
    "cross": crosses.Matrix(initializer="glorot_uniform", initial_scale=1.0), "cross_layers": 1,
    "structure": "stacked", "hidden_layer_sizes": (192, 192), "embedding_dim": 32, "dropout": 0.0,
    "cross_dropout": 0.0, "n_members": 1, "alpha": 0.0, "optimizer": optimizers.Adam(),
    "learning_rate_init": 0.01, "gradient_clip": None, "ema_decay": 0.0, "batch_size": 8192,
    "max_iter": 8, "early_stopping": False, "tol": None,
}  # fmt: skip
UNTOUCHED: dict[str, Any] = {}
PUBLISHED_100K = {"DCN": 0.9326, "DCN, low rank": 0.9329, "DNN": 0.9350}  # RMSE
PUBLISHED_1M = {"DCN-V2": {"auc": 0.8950, "log_loss": 0.3170}}

Rows = npt.NDArray[np.intp]


def split(n: int, shares: tuple[float, ...], seed: int) -> list[Rows]:
    """Return the rows of each part, at random."""
    ends = np.round(np.cumsum(shares[:-1]) * n).astype(int)
    return np.split(np.random.default_rng(seed).permutation(n), ends)


def columns_100k(data: pd.DataFrame) -> pd.DataFrame:
    """Return what the tutorial's network reads, all of it categories."""
    names = ["user_id", "movie_id", "gender", "occupation", "zip_code"]
    return data[names].assign(age_group=np.digitize(data["age"], AGES))


def run_100k(folder: str | None) -> dict[str, Any]:
    data = datasets.load_movielens_100k(locate("ml-100k/u.data", folder).parent)
    X, y = columns_100k(data.data), data.target
    rows = []
    for name, settings in {"the tutorial's network": TUTORIAL, "untouched": UNTOUCHED}.items():
        for seed in SEEDS:
            train, test = split(len(y), (0.8, 0.2), seed)
            model = DCNRegressor(categorical_features=list(X), random_state=seed, **settings)
            error = model.fit(X.iloc[train], y[train]).predict(X.iloc[test]) - y[test]
            rmse = float(np.sqrt(np.mean(error**2)))
            rows.append({"model": name, "seed": seed, "rmse": rmse, "epochs": model.n_iter_})
            print("100K", rows[-1], flush=True)
    return {"rows": rows, "mean": means(rows, ("rmse",)), "published": PUBLISHED_100K}


def run_1m(folder: str | None) -> dict[str, Any]:
    data = datasets.load_movielens_1m(locate("ml-1m/ratings.dat", folder).parent)
    told = data.target != 3
    X, y = data.data.loc[told, data.categorical_features], data.target[told] > 3
    rows = []
    for seed in SEEDS:
        train, watched, test = split(len(y), (0.8, 0.1, 0.1), seed)
        model = DCNClassifier(categorical_features=list(X), random_state=seed, **UNTOUCHED)
        model.fit(X.iloc[train], y[train], X_val=X.iloc[watched], y_val=y[watched])
        p = model.predict_proba(X.iloc[test])[:, 1]
        figures = {"auc": metrics.auc(y[test], p), "log_loss": metrics.log_loss(y[test], p)}
        rows.append({"model": "untouched", "seed": seed} | figures | {"epochs": model.n_iter_})
        print("1M", rows[-1], flush=True)
    return {"rows": rows, "mean": means(rows, ("auc", "log_loss")), "published": PUBLISHED_1M}


def means(rows: list[dict[str, Any]], figures: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the mean over the seeds, by model."""
    names = dict.fromkeys(row["model"] for row in rows)
    of = {name: [row for row in rows if row["model"] == name] for name in names}
    return {
        name: {f: float(np.mean([row[f] for row in found])) for f in figures}
        for name, found in of.items()
    }


def run(folder: str | None) -> dict[str, Any]:
    results, absent = {}, []
    for name, part in (("ml-100k", run_100k), ("ml-1m", run_1m)):
        try:
            results[name] = part(folder)
        except FileNotFoundError as missing:
            absent.append(str(missing))
    if not results:
        raise FileNotFoundError("; ".join(absent))
    return {"title": "MovieLens, the protocols of TFRS' tutorial and of the DCN V2 paper"} | results


if __name__ == "__main__":
    report.main("movielens", __doc__, run)
