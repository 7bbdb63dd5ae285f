"""Write the tables of quality from results/examples/*.json into RESULTS.md."""

from __future__ import annotations

import json
from typing import Any

from bench.examples import report
from bench.pages import RESULTS, grid, write

NAMES = {"auc": "AUC", "log_loss": "log-loss", "rmse": "RMSE"}  # of figures


def load(name: str) -> dict[str, Any]:
    """Return what an example wrote."""
    result: dict[str, Any] = json.loads((report.RESULTS / f"{name}.json").read_text())
    return result


def adult(result: dict[str, Any]) -> str:
    published = [[f"{n}, tuned, published", p] for n, p in result["published"].items()]
    rows = [["dcnfast, untouched", result["mean"]], *published]
    return grid(
        ["Adult, official test file", "accuracy", "AUC"],
        [[name, f"{f['accuracy']:.4f}", f"{f['auc']:.4f}"] for name, f in rows],
    )


def california(result: dict[str, Any]) -> str:
    ours = [[f"dcnfast, {name}", f"{value:.4f}"] for name, value in result["mean"].items()]
    published = [[f"{n}, tuned, published", f"{v:.4f}"] for n, v in result["published"].items()]
    return grid(["California housing", "RMSE, $100,000"], ours + published)


def hflights(result: dict[str, Any]) -> str:
    return grid(
        ["hflights, the last two months", "AUC", "log-loss"],
        [[r["model"], f"{r['auc']:.4f}", f"{r['log_loss']:.4f}"] for r in result["rows"]],
    )


def movielens(result: dict[str, Any]) -> str:
    """Return what there is of 100K: published figures are of a split that nobody named."""
    found = result["ml-100k"]
    ours = [[f"dcnfast, {name}", f"{f['rmse']:.4f}"] for name, f in found["mean"].items()]
    published = [[f"{n}, published", f"{v:.4f}"] for n, v in found["published"].items()]
    return grid(["MovieLens 100K, 80/20, five splits", "RMSE"], ours + published)


def clicks(result: dict[str, Any]) -> str:
    rows = [
        [log, name, f"{figures['auc']:.4f}"]
        for log, models in result["mean"].items()
        for name, figures in models.items()
    ]
    return grid(["a made table of clicks, by", "model", "AUC"], rows, left=2)


def defaults(result: dict[str, Any]) -> str:
    by_table: dict[str, dict[str, dict[str, Any]]] = {}
    for row in result["rows"]:
        by_table.setdefault(row["table"], {})[row["model"]] = row
    models = ("dcnfast", "MLP", "HistGradientBoosting")
    rows = []
    for table, found in by_table.items():
        for figure in ("accuracy", "log_loss", "rmse"):
            if figure in found["dcnfast"]:
                values = [f"{found[m][figure]['mean']:.4g}" for m in models]
                rows.append([f"{table}, {NAMES.get(figure, figure)}", *values])
    return grid(["untouched, the same folds", *models], rows)


def render() -> str:
    """Return all tables in Markdown."""
    parts = (adult, california, hflights, movielens, clicks, defaults)
    return "\n\n".join(part(load(part.__name__)) for part in parts)


if __name__ == "__main__":
    write(RESULTS, "quality", render())
