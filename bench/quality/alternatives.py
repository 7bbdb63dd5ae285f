"""Set dcnfast's defaults beside their alternatives: chosen on half1 of the suite, judged on half2.

In three rounds, on seeds that no default was chosen on: every alternative on the tables of half1,
the large ones with the first seed; the best of them and the defaults with all seeds; then the best
one and the defaults on half2, which has no part in the choice. poker is left out, as it is where
the suite is reported: CatBoost has no record of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.quality.models import SUBJECT
from bench.quality.report import Report, ratios
from bench.quality.runner import Plan, Record, Store, run
from bench.quality.suite import GROUPS

CHOSEN, JUDGED = (
    tuple(name for name in GROUPS[half] if name != "poker") for half in ("half1", "half2")
)
SMALL = ("abalone", "breast_cancer", "diabetes", "wine_sklearn")  # seconds each, and noisy
SEEDS = (5, 6, 7)
FINALISTS = 3

ALTERNATIVES: dict[str, dict[str, Any]] = {
    "n_members 4": {"n_members": 4},
    "n_members 16": {"n_members": 16},
    "learning_rate_init 0.002": {"learning_rate_init": 0.002},
    "learning_rate_init 0.008": {"learning_rate_init": 0.008},
    "learning_rate cosine": {"learning_rate": "cosine"},
    "learning_rate plateau": {"learning_rate": "plateau"},
    "batch_size 128": {"batch_size": 128},
    "batch_size 512": {"batch_size": 512},
    "dropout 0": {"dropout": 0.0},
    "dropout 0.2": {"dropout": 0.2},
    "cross_dropout 0.2": {"cross_dropout": 0.2},
    "cross_dropout 0.7": {"cross_dropout": 0.7},
    "hidden 128, 128": {"hidden_layer_sizes": [128, 128]},
    "hidden 256, 256, 256": {"hidden_layer_sizes": [256, 256, 256]},
    "cross_layers 1": {"cross_layers": 1},
    "cross_layers 3": {"cross_layers": 3},
    "numbers, 16 wide": {"numeric_embedding": {"numeric_embeddings.Piecewise": {"width": 16}}},
    "numbers, periodic": {"numeric_embedding": "periodic"},
    "weight_decay 0": {"optimizer": {"optimizers.AdamW": {"weight_decay": 0.0}}},
    "early_stopping True": {"early_stopping": True},
}


def campaign(store: Store, threads: int, folder: str | None) -> list[str]:
    """Fit what the store does not have; return what could not be fitted, and why.

    A round begins when all of the one before could be fitted.
    """
    troubles: list[str] = []

    def fit(label: str, tables: Sequence[str], seeds: Sequence[int]) -> None:
        parameters = ALTERNATIVES.get(label, {})
        plan = Plan([SUBJECT], tables, seeds, parameters, label, threads, folder)
        troubles.extend(run(plan, store))

    for label in (SUBJECT, *ALTERNATIVES):
        fit(label, SMALL, SEEDS)
        fit(label, CHOSEN, SEEDS[:1])
    if not troubles:
        for label in (SUBJECT, *ranking(first(store.records))[:FINALISTS]):
            fit(label, CHOSEN, SEEDS)
    if not troubles:
        for label in (SUBJECT, ranking(second(store.records))[0]):
            fit(label, JUDGED, SEEDS)
    return troubles


def first(records: Sequence[Record]) -> Report:
    """Return every alternative on half1, the large tables with one seed."""
    found = [r for r in records if r["seed"] == SEEDS[0] or r["table"] in SMALL]
    return _report(found, CHOSEN)


def second(records: Sequence[Record]) -> Report:
    """Return those on half1 that have all seeds there."""
    return _report(records, CHOSEN)


def third(records: Sequence[Record]) -> Report:
    """Return those on half2."""
    return _report(records, JUDGED)


def _report(records: Sequence[Record], tables: Sequence[str]) -> Report:
    """Return those that have as many seeds of every table as the defaults."""
    found = [record for record in records if record["table"] in tables]
    fits = Counter(record["label"] for record in found)
    whole = [label for label, n in fits.items() if n == fits[SUBJECT]]
    return Report(found, whole, tables)


def ranking(report: Report) -> list[str]:
    """Return the labels but the defaults', the one of the lowest scores first."""
    return [row[0] for row in ratios(report, CHOSEN, SUBJECT)[1] if row[0] != SUBJECT]
