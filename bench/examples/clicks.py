"""What ids need in a table of clicks: an L2 penalty for tastes, statistics of pairs for habits.

Two made logs: 96,000 times one of 1,000 users opens one of 4,000 items, in a context of eight
columns; each is told beside two items drawn at random, which were not opened. By taste: who opens
what is softmax of popularity, of taste and of context. By habit: nine times of ten it is one of the
user's own items. So the best possible AUC of single rows is known. 288,000 rows of 5,340 ids: 70 %
to learn from, 10 % to watch, 20 % to predict.

One network as papers have it: embeddings of width 10, four matrix cross layers beside three dense
layers of 400, batches of 4096 rows, Adam at 0.001, dropout 0.2. Then dcnfast untouched.
"""

from __future__ import annotations

from collections.abc import Callable
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


BY_TASTE: dict[str, dict[str, Any]] = {
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
BY_HABIT: dict[str, dict[str, Any]] = {
    "untouched": {},
    "untouched, without statistics": {"target_statistics": None},
}

Floats = npt.NDArray[np.float64]
Log = tuple[pd.DataFrame, npt.NDArray[np.intp], Floats]


def make_tastes(seed: int) -> Log:
    """Return a table of ids, 1 where an item was opened, and the true log odds but a constant."""
    random = np.random.default_rng(seed)
    taste = random.normal(size=(N_USERS, WIDTH))
    kind = random.normal(size=(N_ITEMS, WIDTH))
    popular = 1.5 * random.normal(size=N_ITEMS)
    pull = {name: 0.3 * random.normal(size=(n, WIDTH)) for name, n in CONTEXTS.items()}
    columns = _who_and_where(random)
    mood = taste[columns["user"]] + sum(pull[name][columns[name]] for name in CONTEXTS)
    return _log(random, columns, lambda rows: mood[rows] @ kind.T + popular)


def make_habits(seed: int) -> Log:
    """Return the same of users who have up to sixty items of their own."""
    random = np.random.default_rng(seed)
    popular = np.exp(1.5 * random.normal(size=N_ITEMS))
    chances = np.full((N_USERS, N_ITEMS), 0.1 / N_ITEMS)
    for own in chances:
        n = random.integers(5, 61)
        own[random.choice(N_ITEMS, n, replace=False, p=popular / popular.sum())] += 0.9 / n
    columns = _who_and_where(random)
    return _log(random, columns, lambda rows: np.log(chances[columns["user"][rows]]))


def _who_and_where(random: np.random.Generator) -> dict[str, npt.NDArray[np.intp]]:
    sizes = {"user": N_USERS} | CONTEXTS
    return {name: random.choice(n, N_OPENED, p=_weights(n)) for name, n in sizes.items()}


def _log(
    random: np.random.Generator,
    columns: dict[str, npt.NDArray[np.intp]],
    scores_of: Callable[[npt.NDArray[np.intp]], Floats],
) -> Log:
    """Draw what is opened, by softmax of scores (rows, items), and two items more for each."""
    item = np.empty((N_OPENED, 3), np.intp)
    logits = np.empty((N_OPENED, 3))
    for rows in np.array_split(np.arange(N_OPENED), N_OPENED // 1000):
        scores = scores_of(rows)
        item[rows, 0] = np.argmax(scores + random.gumbel(size=scores.shape), axis=1)
        item[rows, 1:] = random.integers(0, N_ITEMS, (len(rows), 2))
        scores -= np.logaddexp.reduce(scores, axis=1)[:, None]
        logits[rows] = np.take_along_axis(scores, item[rows], axis=1)
    X = pd.DataFrame({name: np.repeat(ids, 3) for name, ids in columns.items()})
    opened = np.tile([1, 0, 0], N_OPENED)
    return X.assign(item=item.ravel()).astype(str), opened, logits.ravel()


LOGS: dict[str, tuple[Callable[[int], Log], dict[str, dict[str, Any]]]] = {
    "taste": (make_tastes, BY_TASTE),
    "habit": (make_habits, BY_HABIT),
}


def _weights(n: int) -> npt.NDArray[np.float64]:
    """Return how often each of n ids occurs: few often, most rarely."""
    weights = 1 / np.arange(10, n + 10)
    return weights / weights.sum()


def run(_folder: str | None) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for seed in SEEDS:
        for log, (make, all_settings) in LOGS.items():
            X, y, logits = make(seed)
            train, watched, test = split(len(y), (0.7, 0.1, 0.2), seed)
            best = metrics.auc(y[test], logits[test])
            rows.append({"log": log, "model": "the best possible", "seed": seed, "auc": best})
            for name, settings in all_settings.items():
                model = DCNClassifier(random_state=seed, **settings)
                model.fit(X.iloc[train], y[train], X_val=X.iloc[watched], y_val=y[watched])
                p = model.predict_proba(X.iloc[test])[:, 1]
                figures = {"auc": metrics.auc(y[test], p), "epochs": model.n_iter_}
                rows.append({"log": log, "model": name, "seed": seed} | figures)
                print(rows[-1], flush=True)
    by_log = {log: means([r for r in rows if r["log"] == log], ("auc",)) for log in LOGS}
    title = "What ids need in a table of clicks"
    return {"title": title, "rows": rows, "mean": by_log}


if __name__ == "__main__":
    report.main("clicks", __doc__, run)
