"""Write the almond study's table in README.md from results/study/almond.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- almond:begin -->", "<!-- almond:end -->"
HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
RESULTS = HERE / "results" / "study" / "almond.json"


def render(study: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    rows = [
        f"| {m['name']} | {m['n_parameters']:,} | {m['rmse']:.5f} | {m['seconds']:.2f} "
        f"| {round(m['rows_per_second'], -3):,.0f} |"
        for m in study["models"]
    ]
    return "\n".join(
        ["| model | parameters | RMSE | seconds | rows a second |", "|---|--:|--:|--:|--:|", *rows]
    )


def insert(readme: str, table: str) -> str:
    """Put the table between the markers."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(f"README.md: want {BEGIN} and {END}, once each")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def load() -> dict[str, Any]:
    """Return what ``dcnfast --json`` wrote."""
    study: dict[str, Any] = json.loads(RESULTS.read_text())
    return study


if __name__ == "__main__":
    README.write_text(insert(README.read_text(), render(load())))
