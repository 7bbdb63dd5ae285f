"""Scores, ranks, ratios and seconds of what was run, in text or Markdown.

A table counts where all models shown have records of it, with the seeds that all of them have. The
mean rank and the ratios are over the suite; tables with a protocol of their own are shown apart,
and so are those of a package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from bench.pages import grid
from bench.quality.models import MODELS, SUBJECT
from bench.quality.packaged import PACKAGED
from bench.quality.suite import GROUPS, SPECIAL, SUITE, TABLES

Record = dict[str, Any]

BASE, FLOORS = "catboost", ("mlp", "mlp_stopped")  # what scores are set beside
NETWORKS = ("realmlp", "tabm")
NAMES = {"accuracy": "accuracy", "auc": "AUC", "log_loss": "log-loss", "rmse": "RMSE"}


class Report:
    """Records of the models and tables that are shown.

    Parameters
    ----------
    records : sequence of dict
    labels : sequence of str or None
        In this order; None: all, rivals in the order of ``models.MODELS`` behind all else.
    tables : sequence of str or None
        None: all that there are.

    Raises
    ------
    ValueError
        If there is no record of a label, or two of one fit.
    """

    def __init__(
        self, records: Sequence[Record], labels: Sequence[str] | None, tables: Sequence[str] | None
    ) -> None:
        self.by_key: dict[tuple[str, str], dict[int, Record]] = {}
        for record in records:
            found = self.by_key.setdefault((record["table"], record["label"]), {})
            if record["seed"] in found:
                raise ValueError(
                    f"two records of {record['label']} on {record['table']}, seed {record['seed']}"
                )
            found[record["seed"]] = record
        there = {label for _, label in self.by_key}
        if unknown := sorted(set(labels or ()) - there):
            raise ValueError(f"no records of {', '.join(unknown)}; there are {sorted(there)}")
        self.labels = list(labels or sorted(there, key=_order))
        if unknown := sorted(set(tables or ()) - set(TABLES)):
            raise ValueError(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
        self.tables = [name for name in TABLES if self._wanted(name, tables)]
        self.seeds = {name: self._common_seeds(name) for name in self.tables}

    def _wanted(self, name: str, tables: Sequence[str] | None) -> bool:
        there = any((name, label) in self.by_key for label in self.labels)
        return there and (tables is None or name in tables)

    def _common_seeds(self, table: str) -> list[int]:
        """Return the seeds that all models have."""
        found = [set(self.by_key.get((table, label), ())) for label in self.labels]
        return sorted(set.intersection(*found))

    def whole(self, names: Mapping[str, Any]) -> list[str]:
        """Return the tables among these that every model has with one seed or more."""
        return [name for name in self.tables if name in names and self.seeds[name]]

    def mean(self, table: str, label: str, figure: str) -> float:
        """Return the mean over common seeds; where there are none, over the model's own; or NaN."""
        found = self.by_key.get((table, label), {})
        values = [_figure(found[seed], figure) for seed in self.seeds[table] or found]
        return float(np.mean(values)) if values else float("nan")

    def means(self, tables: Sequence[str], figure: str = "score") -> np.ndarray:
        """Return a row for each table, a column for each label."""
        found = [[self.mean(table, label, figure) for label in self.labels] for table in tables]
        return np.array(found).reshape(len(tables), len(self.labels))


def _figure(record: Record, name: str) -> float:
    value: float = record[name] if name in record else record["figures"][name]
    return value


def _order(label: str) -> tuple[int, str]:
    """Put dcnfast's settings in front of its rivals."""
    rivals = [*MODELS][1:]
    return (rivals.index(label) if label in rivals else -1), label


def render(
    records: Sequence[Record],
    labels: Sequence[str] | None = None,
    tables: Sequence[str] | None = None,
    markdown: bool = False,
) -> str:
    report = Report(records, labels, tables)
    parts = [scores(report), summary(report), halves(report), special(report)]
    parts += [scores(report, PACKAGED), summary(report, PACKAGED), seconds(report)]
    show = grid if markdown else columns
    gap = "\n\n"
    text = gap.join(show(head, rows) for head, rows in parts if rows)
    return text + "".join(gap + note for note in notes(report))


Part = tuple[list[str], list[list[str]]]


def scores(report: Report, names: Mapping[str, Any] = SUITE) -> Part:
    """Return log-loss or RMSE on the suite, and how many seeds it is the mean of."""
    rows = []
    for table in report.tables:
        if table in names:
            values = report.means([table])[0]
            rows.append([table, str(len(report.seeds[table]) or ""), *map(_score, values)])
    return ["log-loss or RMSE", "seeds", *report.labels], rows


def summary(report: Report, names: Mapping[str, Any] = SUITE) -> Part:
    """Return what stands for the suite as a whole."""
    tables = report.whole(names)
    if not tables:
        return [], []
    found = report.means(tables)
    ranks = np.mean([rankdata(row) for row in found], axis=0)
    rows = [["mean rank", *(f"{rank:.2f}" for rank in ranks)]]
    for base in (BASE, *FLOORS, *NETWORKS):
        if base not in report.labels:
            continue
        place = report.labels.index(base)
        mean = _means_of_ratios(found, place)
        rows.append([f"score / {base}'s, geometric mean", *(f"{x:.4f}" for x in mean)])
        if base in FLOORS:
            rows.append([f"gain over {base}", *(f"{1 - x:.1%}" for x in mean)])
        better = (found < found[:, [place]]).sum(axis=0)
        rows.append([f"better than {base}", *(f"{n} of {len(tables)}" for n in better)])
    return [f"tables counted: {len(tables)}", *report.labels], rows


def halves(report: Report) -> Part:
    """Return rank and ratio of each half of the suite apart."""
    rows = []
    for name in ("half1", "half2"):
        tables = report.whole(dict.fromkeys(GROUPS[name]))
        if not tables or BASE not in report.labels:
            continue
        found = report.means(tables)
        ranks = np.mean([rankdata(row) for row in found], axis=0)
        mean = _means_of_ratios(found, report.labels.index(BASE))
        rows.append([f"{name}, mean rank", str(len(tables)), *(f"{x:.2f}" for x in ranks)])
        label = f"{name}, score / {BASE}'s, geometric mean"
        rows.append([label, str(len(tables)), *(f"{x:.4f}" for x in mean)])
    return ["halves of the suite", "tables", *report.labels], rows


def special(report: Report) -> Part:
    """Return every figure of the tables with a protocol of their own."""
    rows = []
    for table in report.tables:
        if table not in SPECIAL:
            continue
        figures = next(
            record["figures"]
            for label in report.labels
            for record in report.by_key.get((table, label), {}).values()
        )
        for figure in (name for name in NAMES if name in figures):
            values = report.means([table], figure)[0]
            seeds = str(len(report.seeds[table]) or "")
            rows.append([f"{table}, {NAMES[figure]}", seeds, *map(_score, values)])
    return ["protocols of their own", "seeds", *report.labels], rows


def seconds(report: Report) -> Part:
    """Return the seconds that a fit took, and those of a prediction of the test rows in all.

    And the geometric mean of the former over those of the last label.
    """
    rows = []
    for table in report.tables:
        values = report.means([table], "fit_seconds")[0]
        rows.append([table, *map(_seconds, values)])
    tables = report.whole(TABLES)
    for name, figure in (("fits", "fit_seconds"), ("predictions", "predict_seconds")):
        if tables:
            total = report.means(tables, figure).sum(axis=0)
            rows.append([f"all {name} that count", *map(_seconds, total)])
    if tables:
        mean = _means_of_ratios(report.means(tables, "fit_seconds"), -1)
        rows.append([f"fits / {report.labels[-1]}'s, geometric mean", *(f"{x:.2f}" for x in mean)])
    return ["seconds of a fit", *report.labels], rows


def ratios(report: Report, names: Sequence[str], base: str) -> Part:
    """Return each label's scores over those of one of them, table by table, the best label first.

    The last cell of a row is the geometric mean.
    """
    tables = report.whole(dict.fromkeys(names))
    found = report.means(tables)
    place = report.labels.index(base)
    means = _means_of_ratios(found, place)
    rows = [
        [report.labels[i], *(f"{x:.3f}" for x in (*(found[:, i] / found[:, place]), means[i]))]
        for i in np.argsort(means, kind="stable")
    ]
    return [f"score / that of {base}", *tables, "geometric mean"], rows


def notes(report: Report) -> list[str]:
    """Say which tables do not count, and which of dcnfast's settings lose to MLP, and where."""
    lines = []
    if partial := [table for table in report.tables if not report.seeds[table]]:
        lines.append(f"Not counted, for want of a seed that all have: {', '.join(partial)}.")
    tables = report.whole(SUITE)
    found = report.means(tables)
    for base in (name for name in FLOORS if name in report.labels):
        floor = found[:, report.labels.index(base)]
        for label, values in zip(report.labels, found.T, strict=True):
            if label in MODELS and label != SUBJECT:
                continue
            worse = [t for t, ours, mlp in zip(tables, values, floor, strict=True) if ours >= mlp]
            if worse:
                lines.append(f"{label} is no better than {base} on {', '.join(worse)}.")
    return lines


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in text."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)]
        ).rstrip()
        for line in lines
    )


def _score(value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.5g}"


def _means_of_ratios(found: np.ndarray, base: int) -> np.ndarray:
    """Return the geometric means of what was found of each label, over that of one of them."""
    mean: np.ndarray = np.exp(np.log(found / found[:, [base]]).mean(axis=0))
    return mean


def _seconds(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.1f}"
