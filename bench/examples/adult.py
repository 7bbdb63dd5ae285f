"""Adult, the official test file: the classifier untouched, mean of five seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from bench.examples import report
from bench.examples.data import read_adult
from dcnfast import DCNClassifier

SEEDS = range(5)
PUBLISHED = {  # mean of 15 tuned runs on this split, Gorishniy et al. (2021): accuracy, AUC
    "DCN-V2": (0.8529, 0.9057),
    "MLP": (0.8522, 0.9047),
    "AutoInt": (0.8589, 0.9125),
    "FT-Transformer": (0.8587, 0.9135),
    "CatBoost": (0.8727, 0.9263),
}


def run(folder: str | None) -> dict[str, Any]:
    X, y, X_test, y_test = read_adult(folder)
    rows = []
    for seed in SEEDS:
        model = DCNClassifier(random_state=seed).fit(X, y)
        p = model.predict_proba(X_test)[:, 1]
        rows.append(
            {
                "seed": seed,
                "accuracy": accuracy_score(y_test, p > 0.5),
                "auc": float(roc_auc_score(y_test, p)),
                "log_loss": log_loss(y_test, p),
                "epochs": model.n_iter_,
            }
        )
        print(rows[-1], flush=True)
    figures = ("accuracy", "auc", "log_loss")
    return {
        "title": "Adult, official test file, DCNClassifier()",
        "settings": {},
        "mean": {f: float(np.mean([r[f] for r in rows])) for f in figures},
        "rows": rows,
        "published": {k: {"accuracy": a, "auc": b} for k, (a, b) in PUBLISHED.items()},
    }


if __name__ == "__main__":
    report.main("adult", __doc__, run)
