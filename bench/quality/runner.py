"""Fit models on tables and keep a record of each fit."""

from __future__ import annotations

import json
import platform
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, root_mean_squared_error
from threadpoolctl import threadpool_limits

from bench import machine
from bench.quality import suite
from bench.quality.models import MODELS, PACKAGES, SUBJECT, Job
from bench.quality.suite import Array, Split

Record = dict[str, Any]
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Plan:
    """What to fit: every model on every table with every seed; ``parameters`` are dcnfast's."""

    models: Sequence[str]
    tables: Sequence[str]
    seeds: Sequence[int]
    parameters: dict[str, Any] = field(default_factory=dict)
    label: str = SUBJECT  # dcnfast's, in records and reports
    threads: int = 2
    folder: str | None = None

    def __post_init__(self) -> None:
        for what, names, known in (
            ("model", self.models, tuple(MODELS)),
            ("table", self.tables, tuple(suite.TABLES)),
        ):
            if unknown := sorted(set(names) - set(known)):
                raise ValueError(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
        if self.label in MODELS and self.label != SUBJECT:
            raise ValueError(f"label is {self.label!r}, want no rival's name")
        if self.parameters and SUBJECT not in self.models:
            raise ValueError(f"params are {SUBJECT}'s, which models does not name")
        if self.parameters and self.label == SUBJECT:
            raise ValueError("params want a label that tells them from the defaults")

    def label_of(self, model: str) -> str:
        return self.label if model == SUBJECT else model

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        for seed in self.seeds:
            for table in self.tables:
                for model in self.models:
                    yield model, table, seed


class Store:
    """A file of records; what is in it stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = load(path) if path.exists() else []
        self._by_key = {key_of(record): record for record in self.records}

    def find(self, key: Key, parameters: dict[str, Any]) -> Record | None:
        """Return the record of this label, table and seed.

        Raises
        ------
        ValueError
            If it was made with other parameters.
        """
        record = self._by_key.get(key)
        if record is not None and record["parameters"] != parameters:
            raise ValueError(
                f"{self.path} has {key[0]} on {key[1]} with {record['parameters']}, want a label "
                f"of its own for {parameters}"
            )
        return record

    def add(self, record: Record) -> None:
        """Add a record and write the file; one that is stopped meanwhile leaves the old file."""
        self.records.append(record)
        self._by_key[key_of(record)] = record
        text = json.dumps({"machine": machine.describe(), "records": self.records}, indent=1)
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text(text + "\n")
        new.replace(self.path)


def key_of(record: Record) -> Key:
    return record["label"], record["table"], record["seed"]


def load(path: Path) -> list[Record]:
    records: list[Record] = json.loads(path.read_text())["records"]
    return records


def missing(model: str) -> str | None:
    """Return why a model cannot be had here."""
    try:
        version(PACKAGES[model])
    except PackageNotFoundError:
        if model != SUBJECT:  # which may lie on the path without being installed
            return f"{model}: {PACKAGES[model]} is not installed"
    return None


def run(plan: Plan, store: Store) -> list[str]:
    """Fit what the store does not have; return what could not be fitted, and why."""
    troubles = [reason for model in plan.models if (reason := missing(model))]
    able = [model for model in plan.models if not missing(model)]
    for model, table, seed in plan:
        parameters = plan.parameters if model == SUBJECT else {}
        label = plan.label_of(model)
        if model not in able or store.find((label, table, seed), parameters):
            continue
        rows = suite.split(table, suite.read(table, plan.folder), seed)
        try:
            figures = fit_and_score(model, rows, seed, plan.threads, parameters)
        except Exception as error:  # a rival's, of any kind; the others go on
            troubles.append(f"{label}, {table}, seed {seed}: {type(error).__name__}: {error}")
            print(troubles[-1], flush=True)
            continue
        about = {"label": label, "model": model, "table": table, "seed": seed}
        store.add(about | {"parameters": parameters} | figures)
        print(
            f"{table:<15} {seed} {label:<20} {figures['score']:10.4f} "
            f"{figures['fit_seconds']:8.1f} s",
            flush=True,
        )
    return troubles


def fit_and_score(
    model: str, rows: Split, seed: int, threads: int, parameters: dict[str, Any]
) -> Record:
    """Fit a model on a split's training rows and judge it on the test rows."""
    table = rows.table
    X, y = rows.part(rows.train)
    X_test, y_test = rows.part(rows.test)
    seen, numbers = np.unique(y, return_inverse=True) if table.classes else (None, y)
    watch = None if rows.watch is None else rows.part(rows.watch)
    job = Job(X, numbers, bool(table.classes), seed, threads, parameters, watch)
    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore", ConvergenceWarning)  # untouched: 200 epochs for MLP
        start = time.perf_counter()
        fitted = MODELS[model](job)
        middle = time.perf_counter()
        answer = fitted.predict_proba(X_test) if table.classes else fitted.predict(X_test)
        end = time.perf_counter()
    if seen is not None:
        answer = spread(answer, seen, table.classes)
    figures = judge(y_test, answer, table.classes)
    return {
        "task": table.task,
        "rows": len(table.y),
        "columns": table.X.shape[1],
        "score": figures["log_loss" if table.classes else "rmse"],
        "figures": figures,
        "fit_seconds": middle - start,
        "predict_seconds": end - middle,
        "threads": threads,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(model),
    }


def spread(p: Array, seen: Array, classes: int) -> Array:
    """Give classes without a training row a probability of 0."""
    wide = np.zeros((len(p), classes))
    wide[:, seen] = p
    return wide


def judge(y: Array, answer: Array, classes: int) -> dict[str, float]:
    """Return the figures; of classes log-loss first, of numbers RMSE."""
    if not classes:
        return {"rmse": float(root_mean_squared_error(y, np.ravel(answer)))}
    # rounding in float32 leaves some rows a ten-millionth away from a sum of 1
    p = answer / answer.sum(axis=1, keepdims=True)
    figures = {
        "log_loss": float(log_loss(y, p, labels=range(classes))),
        "accuracy": float(accuracy_score(y, p.argmax(axis=1))),
    }
    if classes == 2:
        figures["auc"] = float(roc_auc_score(y, p[:, 1]))
    return figures


def versions(model: str) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in (PACKAGES[model], "numpy", "pandas"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
