"""Write the almond study's table in README.md from results/study/almond.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.pages import README, grid, write

STUDY = Path(__file__).resolve().parent / "results" / "study" / "almond.json"


def render(study: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    rows = [
        [
            m["name"], f"{m['n_parameters']:,}", f"{m['rmse']:.5f}", f"{m['seconds']:.2f}",
            f"{round(m['rows_per_second'], -3):,.0f}",
        ]
        for m in study["models"]
    ]  # fmt: skip
    return grid(["model", "parameters", "RMSE", "seconds", "rows a second"], rows)


def load() -> dict[str, Any]:
    """Return what ``dcnfast --json`` wrote."""
    study: dict[str, Any] = json.loads(STUDY.read_text())
    return study


if __name__ == "__main__":
    write(README, "almond", render(load()))
