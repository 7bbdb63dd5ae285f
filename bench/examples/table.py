"""Write the tables of quality from results/examples/*.json: one in README.md, all in RESULTS.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from bench.examples import report
from bench.pages import README, RESULTS, grid, write

TREES = {"CatBoost", "XGBoost", "LightGBM", "HistGradientBoosting"}
BIGGER_IS_BETTER = {"accuracy", "AUC"}
SMALL = ("breast_cancer", "digits", "wine", "iris", "diabetes")
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
    parts = (adult, california, hflights, defaults)
    return "\n\n".join(part(load(part.__name__)) for part in parts)


Answer = tuple[str, float]  # a model's name and its figure


def short() -> str:
    """Return dcnfast beside the best rival of each kind, in Markdown."""
    head = ["table", "figure", "untouched", "tuned", "best other without trees", "best trees"]
    return grid(head, [*_published(), *_hflights(), *_small()], left=2)


def _published() -> Iterable[list[str]]:
    a, c = load("adult"), load("california")
    for figure in ("accuracy", "auc"):
        others = [(name, f[figure]) for name, f in a["published"].items()]
        yield _line("Adult", NAMES.get(figure, figure), a["mean"][figure], None, others)
    ours = c["mean"]
    tuned = min(value for name, value in ours.items() if name != "untouched")
    yield _line("California housing", "RMSE", ours["untouched"], tuned, c["published"].items())


def _hflights() -> Iterable[list[str]]:
    found = {row["model"]: row for row in load("hflights")["rows"]}
    ours = [found.pop(f"dcnfast, {name}") for name in ("untouched", "tuned")]
    for figure in ("auc", "log_loss"):
        others = [(name.split(",")[0], row[figure]) for name, row in found.items()]
        yield _line("hflights", NAMES[figure], *(row[figure] for row in ours), others)


def _small() -> Iterable[list[str]]:
    rows = load("defaults")["rows"]
    for table in SMALL:
        found = {row["model"]: row for row in rows if row["table"] == table}
        ours = found.pop("dcnfast")
        figure = "log_loss" if "log_loss" in ours else "rmse"
        others = [(name, row[figure]["mean"]) for name, row in found.items()]
        yield _line(table, NAMES[figure], ours[figure]["mean"], None, others)


def _line(
    table: str, figure: str, untouched: float, tuned: float | None, others: Iterable[Answer]
) -> list[str]:
    sign = 1 if figure in BIGGER_IS_BETTER else -1
    best: dict[bool, Answer] = {}
    for name, value in others:
        trees = name in TREES
        if trees not in best or sign * value > sign * best[trees][1]:
            best[trees] = name, value
    beside = [
        f"{best[trees][1]:#.4g} {best[trees][0]}" if trees in best else ""
        for trees in (False, True)
    ]
    return [table, figure, f"{untouched:#.4g}", "" if tuned is None else f"{tuned:#.4g}", *beside]


if __name__ == "__main__":
    write(README, "quality", short())
    write(RESULTS, "quality", render())
