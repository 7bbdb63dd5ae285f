"""What holds the embeddings of ids in a table of clicks: the L2 penalty, the small start, the cuts.

A made log: 96,000 times one of 1,000 users opens one of 4,000 items, in a context of eight columns;
each is told beside two items drawn at random, which were not opened. Who opens what is softmax of
popularity, of taste and of context, so that the best possible AUC is known. 288,000 rows of 5,340
ids: 70 % to learn from, 10 % to watch, 20 % to predict.

One network as papers have it: embeddings of width 10, four matrix cross layers beside three dense
layers of 400, batches of 4096 rows, Adam at 0.001, dropout 0.2. Then dcnfast untouched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.examples import report
from bench.examples.movielens import means, split
from dcnfast import DCNClassifier, metrics, optimizers, schedules

SEEDS = range(1)
N_OPENED, N_USERS, N_ITEMS, WIDTH = 96_000, 1_000, 4_000, 8
CONTEXTS = {
    "daytime": 7, "weekday": 7, "weekend": 2, "homework": 3, "cost": 2, "weather": 9,
    "country": 80, "city": 230,
}  # fmt: skip
NETWORK: dict[str, Any] = {
    "embedding_dim": 10, "cross_layers": 4, "hidden_layer_sizes": (400, 400, 400), "dropout": 0.2,
    "cross_dropout": 0.0, "n_members": 1, "batch_size": 4096, "optimizer": optimizers.Adam(),
    "learning_rate_init": 1e-3, "target_statistics": None, "alpha": 0.0, "max_iter": 60,
}  # fmt: skip
CUTS: dict[str, Any] = {"learning_rate": schedules.Plateau(patience=1), "n_iter_no_change": 2}
SMALL: dict[str, Any] = {"embedding_initial_scale": 1e-4}


def held(alpha: float) -> dict[str, Any]:
    """Return what pulls all embeddings to 0 in every step."""
    return {"alpha": {"embedding": alpha}, "embedding_penalty": "table"}


SETTINGS: dict[str, dict[str, Any]] = {
    "one network": NETWORK,
    "one network, cuts of the rate": NETWORK | CUTS,
    "one network, a small start": NETWORK | SMALL,
    "one network, L2 of each batch's embeddings, 1": NETWORK | {"alpha": {"embedding": 1.0}},
    "one network, L2 of all embeddings, 0.001": NETWORK | held(0.001),
    "one network, L2 of all embeddings, 0.01": NETWORK | held(0.01),
    "one network, all three, L2 0.001": NETWORK | CUTS | SMALL | held(0.001),
    "untouched": {},
    "untouched, without L2 of all embeddings": {"embedding_penalty": "batch"},
}


def make_clicks(seed: int) -> tuple[pd.DataFrame, npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return a table of ids, 1 where an item was opened, and the true log odds but a constant."""
    random = np.random.default_rng(seed)
    taste = random.normal(size=(N_USERS, WIDTH))
    kind = random.normal(size=(N_ITEMS, WIDTH))
    popular = 1.5 * random.normal(size=N_ITEMS)
    pull = {name: 0.3 * random.normal(size=(n, WIDTH)) for name, n in CONTEXTS.items()}

    user = random.choice(N_USERS, N_OPENED, p=_weights(N_USERS))
    where = {name: random.choice(n, N_OPENED, p=_weights(n)) for name, n in CONTEXTS.items()}
    mood = taste[user] + sum(pull[name][ids] for name, ids in where.items())
    item = np.empty((N_OPENED, 3), np.intp)
    logits = np.empty((N_OPENED, 3))
    for rows in np.array_split(np.arange(N_OPENED), N_OPENED // 1000):
        scores = mood[rows] @ kind.T + popular
        item[rows, 0] = np.argmax(scores + random.gumbel(size=scores.shape), axis=1)
        item[rows, 1:] = random.integers(0, N_ITEMS, (len(rows), 2))
        scores -= np.logaddexp.reduce(scores, axis=1)[:, None]
        logits[rows] = np.take_along_axis(scores, item[rows], axis=1)

    columns = {"user": user, **where}
    X = pd.DataFrame({name: np.repeat(ids, 3) for name, ids in columns.items()})
    opened = np.tile([1, 0, 0], N_OPENED)
    return X.assign(item=item.ravel()).astype(str), opened, logits.ravel()


def _weights(n: int) -> npt.NDArray[np.float64]:
    """Return how often each of n ids occurs: few often, most rarely."""
    weights = 1 / np.arange(10, n + 10)
    return weights / weights.sum()


def run(_folder: str | None) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for seed in SEEDS:
        X, y, logits = make_clicks(seed)
        train, watched, test = split(len(y), (0.7, 0.1, 0.2), seed)
        best = metrics.auc(y[test], logits[test])
        rows.append({"model": "the best possible", "seed": seed, "auc": best})
        for name, settings in SETTINGS.items():
            model = DCNClassifier(random_state=seed, **settings)
            model.fit(X.iloc[train], y[train], X_val=X.iloc[watched], y_val=y[watched])
            p = model.predict_proba(X.iloc[test])[:, 1]
            figures = {"auc": metrics.auc(y[test], p), "epochs": model.n_iter_}
            rows.append({"model": name, "seed": seed} | figures)
            print(rows[-1], flush=True)
    title = "What holds the embeddings of ids in a table of clicks"
    return {"title": title, "rows": rows, "mean": means(rows, ("auc",))}


if __name__ == "__main__":
    report.main("clicks", __doc__, run)
