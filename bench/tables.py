"""Write the benchmark tables of README.md from results/*.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.machine import PACKAGES

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"

COLUMNS = (
    "case", "rival", "threads", "time", "rows/s", "GFLOP/s", "of FMA peak", "GB/s", "of bandwidth",
    "error", "time / dcnfast",
)  # fmt: skip
# columns of tasks whose rows have them
EXTRA: dict[str, tuple[str, Callable[[float], str]]] = {
    "loss": ("loss", lambda x: f"{x:.5f}"),
    "p50": ("p50", lambda t: _seconds(t)),
    "p99": ("p99", lambda t: _seconds(t)),
    "cache_fraction": ("of cache bandwidth", lambda x: f"{x:.0%}"),
    "bytes_per_row": ("bytes a table row", lambda x: f"{x:.0f}"),
    "outside_engine": ("outside the engine", lambda x: f"{x:.1%}"),
    "last_epochs": ("last epochs / first", lambda x: f"{x:.2f}"),
    "predict_after": ("predict after / before", lambda x: f"{x:.2f}"),
}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows in Markdown."""
    extra = {key: EXTRA[key] for key in EXTRA if any(key in row for row in rows)}
    titles = [*COLUMNS, *(title for title, _ in extra.values())]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * 3}{'--:|' * (len(titles) - 3)}"]
    for row in rows:
        more = [show(row[key]) if key in row else "" for key, (_, show) in extra.items()]
        lines.append(f"| {' | '.join([*_cells(row), *more])} |")
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    """Format what every row has; the ratio is missing where rivals did not run in turn."""
    return [
        row["case"],
        row["rival"],
        str(row["threads"]),
        f"{_seconds(row['seconds'])} ± {row['seconds_spread'] / row['seconds'] / 2:.0%}",
        _rate(row["rows_per_second"]),
        f"{row['gflops']:.3g}",
        f"{row['fma_fraction']:.0%}",
        f"{row['gbytes_per_second']:.3g}",
        f"{row['bandwidth_fraction']:.0%}",
        f"{row['error']:.0e}",
        f"{row['ratio']:.2f}" if "ratio" in row else "",
    ]


def render(results: Sequence[dict[str, Any]]) -> str:
    """Return the tables in Markdown, under one caption for each machine."""
    parts = []
    for caption, group in groupby(sorted(results, key=_caption_first), key=_caption):
        parts.append(caption)
        for result in group:
            parts.append(f"**{result['title']}**\n\n{table(result['rows'])}")
    return "\n\n".join(parts)


def insert(readme: str, tables: str) -> str:
    """Put the tables between the markers."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(f"README.md: want {BEGIN} and {END}, once each")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{tables}\n{END}{rest.split(END)[1]}"


def load() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((HERE / "results").glob("*.json"))]


def _caption(result: dict[str, Any]) -> str:
    m = result["machine"]
    versions = [f"{p} {m[p]}" for p in PACKAGES if p in m]
    return (
        f"{m['cpu']}, {m['threads']} threads, {m['instruction set']}, {m['compiler']}; "
        f"Python {m['python']}, {', '.join(versions)}; BLAS of numpy: {m['blas']}."
    )


def _caption_first(result: dict[str, Any]) -> tuple[str, str]:
    return _caption(result), result["task"]


def _seconds(t: float) -> str:
    unit, scale = next(
        (u, s) for u, s in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)) if t >= s or u == "µs"
    )
    return f"{t / scale:.3g} {unit}"


def _rate(rate: float) -> str:
    return f"{rate / 1e6:.3g} M" if rate >= 1e6 else f"{rate / 1e3:.3g} k"


if __name__ == "__main__":
    README.write_text(insert(README.read_text(), render(load())))
