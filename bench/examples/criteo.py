"""Criteo's display advertising challenge: the first six of seven days to learn from.

The protocol of the DCN V2 paper: the file is in the order of time, and its last day is split at
random in halves, one to watch and one to predict. Of a longer file only the first ROWS rows are
read, which take some GB of memory; published figures are of all 45,840,617 rows, so they compare
with those of the whole file alone. A folder has "criteo/train.txt", the challenge's file or a part
of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.examples import report
from bench.examples.data import locate
from dcnfast import DCNClassifier, datasets, metrics

SEEDS = range(1)
ROWS = 2_000_000
DAYS = 7
SETTINGS: dict[str, Any] = {"min_frequency": 10}  # rarer strings share one embedding
PUBLISHED = {"DCN-V2, all rows": {"auc": 0.8115, "log_loss": 0.4406}}


def run(folder: str | None) -> dict[str, Any]:
    data = datasets.load_criteo(locate("criteo/train.txt", folder), n_rows=ROWS)
    X, y = data.data, data.target
    first = len(y) * (DAYS - 1) // DAYS
    watched, test = np.array_split(first + np.random.default_rng(0).permutation(len(y) - first), 2)
    rows = []
    for seed in SEEDS:
        model = DCNClassifier(random_state=seed, **SETTINGS)
        model.fit(X[:first], y[:first], X_val=X.iloc[watched], y_val=y[watched])
        p = model.predict_proba(X.iloc[test])[:, 1]
        figures = {
            metric.__name__: metric(y[test], p)
            for metric in (
                metrics.auc, metrics.log_loss, metrics.normalized_entropy,
                metrics.calibration_ratio,
            )
        }  # fmt: skip
        rows.append({"seed": seed} | figures | {"epochs": model.n_iter_})
        print(rows[-1], flush=True)
    return {
        "title": "Criteo, six days to learn from, the seventh to predict",
        "settings": SETTINGS,
        "n_rows": len(y),
        "rows": rows,
        "published": PUBLISHED,
    }


if __name__ == "__main__":
    report.main("criteo", __doc__, run)
