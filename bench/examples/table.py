"""Write the tables of the examples in README.md from results/examples/*.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.examples.report import RESULTS

BEGIN, END = "<!-- examples:begin -->", "<!-- examples:end -->"
README = Path(__file__).resolve().parent.parent.parent / "README.md"


def load(name: str) -> dict[str, Any]:
    """Return what an example wrote."""
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return result


def _grid(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def adult(result: dict[str, Any]) -> str:
    published = [[f"{n}, tuned, published", p] for n, p in result["published"].items()]
    rows = [["dcnfast, untouched", result["mean"]], *published]
    return _grid(
        ["Adult, official test file", "accuracy", "AUC"],
        [[name, f"{f['accuracy']:.4f}", f"{f['auc']:.4f}"] for name, f in rows],
    )


def california(result: dict[str, Any]) -> str:
    ours = [[f"dcnfast, {name}", f"{value:.4f}"] for name, value in result["mean"].items()]
    published = [[f"{n}, tuned, published", f"{v:.4f}"] for n, v in result["published"].items()]
    return _grid(["California housing", "RMSE, $100,000"], ours + published)


def hflights(result: dict[str, Any]) -> str:
    return _grid(
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
                name = {"log_loss": "log-loss", "rmse": "RMSE"}.get(figure, figure)
                rows.append([f"{table}, {name}", *values])
    return _grid(["untouched, the same folds", *models], rows)


def render() -> str:
    """Return all tables in Markdown."""
    parts = (adult, california, hflights, defaults)
    return "\n\n".join(part(load(part.__name__)) for part in parts)


def insert(readme: str, table: str) -> str:
    """Put the tables between the markers."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(f"README.md: want {BEGIN} and {END}, once each")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(insert(README.read_text(), render()))
