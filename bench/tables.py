"""Write the tables of speed from results/*.json: one into README.md, all into RESULTS.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from bench.machine import PACKAGES
from bench.pages import README, RESULTS, grid, write

FOLDER = Path(__file__).resolve().parent / "results"
SUBJECT = "dcnfast"  # and what begins so: it is compared with the others

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
    lines = []
    for row in rows:
        more = [show(row[key]) if key in row else "" for key, (_, show) in extra.items()]
        lines.append([*_cells(row), *more])
    return grid([*COLUMNS, *(title for title, _ in extra.values())], lines, left=3)


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


class Line(NamedTuple):
    """A row of the short table."""

    task: str
    case: str
    title: str
    subject: str = SUBJECT


SHORT = (
    Line("w0_almond_study", "3 matrix cross layers", "the almond study, 3 matrix cross layers"),
    Line("w0_almond_study", "deep 512-256-128, rate 0.001", "the almond study, deep 512-256-128"),
    Line("w1_cross_matrix", "D = 1024, 2 threads", "3 matrix cross layers, 1,024 columns"),
    Line("w2_cross_vector", "D = 429, 2 threads", "3 vector cross layers, 429 columns"),
    Line("w3_full_model", "matrix", "a large network, 26 categorical columns"),
    Line("w4_small_table", "2 threads", "a small network, 40 columns of numbers"),
    Line("w6_large_tables", "10,000,000 rows", "embeddings of 10,000,000 categories"),
    Line(
        "w5_prediction", "W3, one row", "prediction of single rows, the large network",
        "dcnfast_row_predictor",
    ),
    Line(
        "w5_prediction", "W4, one row", "prediction of single rows, the small network",
        "dcnfast_row_predictor",
    ),
    Line("w5_prediction", "W3, bulk", "prediction of many rows, the large network"),
    Line("encode", "polars, 1 M rows", "26 columns of strings become numbers"),
)  # fmt: skip
RIVALS = {
    "catboost": "CatBoost",
    "lightgbm": "LightGBM",
    "numpy_layers": "NumPy",
    "onnxruntime": "ONNX Runtime",
    "polars_rank": "polars",
    "sklearn_mlp": "scikit-learn's MLP, no cross layers",
    "sklearn_ordinal": "scikit-learn",
    "sklearn_roc_auc": "scikit-learn",
    "tfrs": "TensorFlow Recommenders",
    "tfrs_fit": "TensorFlow Recommenders",
    "torch_compile": "PyTorch, compiled",
    "torch_eager": "PyTorch",
    "torch_sparse_adam": "PyTorch, SparseAdam",
}
LIMITS = (("fma_fraction", "FMA"), ("bandwidth_fraction", "memory"), ("cache_fraction", "cache"))


def short(results: Sequence[dict[str, Any]], lines: Sequence[Line] = SHORT) -> str:
    """Return dcnfast beside the fastest rival of each line, in Markdown."""
    rows, machines = [], {}
    for line in lines:
        (result,) = (r for r in results if r["task"] == line.task)
        m = result["machine"]
        machines[f"{m['cpu']}, {m['threads']} threads, {m['instruction set']}"] = None
        case = [row for row in result["rows"] if row["case"] == line.case]
        (ours,) = (row for row in case if row["rival"] == line.subject)
        rival = max(
            (row for row in case if not row["rival"].startswith(SUBJECT)),
            key=lambda row: row["rows_per_second"],
        )
        speeds = ours["rows_per_second"], rival["rows_per_second"]
        rows.append([
            line.title, _rate(speeds[0]), _limit(ours), RIVALS[rival["rival"]], _rate(speeds[1]),
            f"{speeds[0] / speeds[1]:.2f}",
        ])  # fmt: skip
    head = ["task", "dcnfast, rows/s", "of peak", "fastest rival", "rival, rows/s", "ratio"]
    return f"{grid(head, rows)}\n\nMeasured on: {'; '.join(machines)}."


def _limit(row: dict[str, Any]) -> str:
    """Say which limit of the machine is nearest; nothing where none is near."""
    fraction, name = max((row.get(key, 0.0), name) for key, name in LIMITS)
    return f"{fraction:.0%} {name}" if fraction >= 0.01 else ""


def load() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


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
    write(README, "speed", short(load()))
    write(RESULTS, "speed", render(load()))
