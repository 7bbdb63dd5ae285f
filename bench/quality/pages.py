"""Write the tables of the suite from results/*/*.json into README.md, RESULTS.md and the docs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.pages import README, RESULTS, grid, write
from bench.quality.alternatives import CHOSEN, JUDGED, first, second, third
from bench.quality.models import SUBJECT
from bench.quality.packaged import PACKAGED
from bench.quality.report import BASE, Report, halves, ratios, scores, seconds, special, summary
from bench.quality.runner import load

FOLDER = Path(__file__).resolve().parents[1] / "results" / "quality"
SETTINGS = FOLDER.with_name("settings")  # a file for each table: dcnfast's, beside its defaults
DRAWS = FOLDER.with_name("draws")  # a file for each table that settings were drawn for
APART = FOLDER.with_name("packaged")  # tables that are no part of the suite
HALVES = FOLDER.with_name("alternatives")  # to the defaults, on one half and then on the other
NETWORKS = FOLDER.with_name("pytabkit")  # in an environment of its own
TIMED = FOLDER.with_name("fit_seconds")  # on a machine that did nothing else, two threads each
PARAMETERS = README.with_name("docs") / "parameters.md"
SHOWN = [SUBJECT, BASE, "lightgbm", "xgboost", "hgb", "mlp"]


def records(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return what all files have."""
    return [record for path in sorted(folder.glob("*.json")) for record in load(path)]


def short(found: list[dict[str, Any]]) -> str:
    """Return ranks and ratios, and what papers report of two tables, in Markdown."""
    report = Report(found, SHOWN, None)
    head, rows = summary(report)
    rows = [row for row in rows if not row[0].startswith(("gain", "score / mlp"))]
    # without common seeds some model is missing
    named = [[f"{name}, {seeds} seed{'s' * (seeds != '1')}", *cells]
             for name, seeds, *cells in special(report)[1]
             if seeds and name.endswith(("accuracy", "RMSE"))]  # fmt: skip
    return grid(head, [*rows, *named])


def long(found: list[dict[str, Any]]) -> str:
    """Return the scores of each table, and what stands for all of them, in Markdown."""
    report = Report(found, None, None)
    parts = (scores(report), summary(report), halves(report), special(report))
    return "\n\n".join(grid(*part) for part in parts if part[1])


def packaged(found: list[dict[str, Any]]) -> str:
    """Return the scores of tables of a package, and what stands for all of them, in Markdown."""
    report = Report(found, SHOWN, None)
    return "\n\n".join(grid(*part(report, PACKAGED)) for part in (summary, scores))


def timed(found: list[dict[str, Any]]) -> str:
    """Return the seconds of fits, and the scores that they came to, in Markdown."""
    report = Report(found, None, None)
    return "\n\n".join(grid(*part) for part in (seconds(report), scores(report)))


def alternatives(found: list[dict[str, Any]]) -> str:
    """Return what else the defaults might be, and what that would change, in Markdown."""
    rounds = ((first(found), CHOSEN), (second(found), CHOSEN), (third(found), JUDGED))
    return "\n\n".join(grid(*ratios(report, names, SUBJECT)) for report, names in rounds)


def networks(folder: Path = NETWORKS) -> str:
    """Return the scores of other networks on the tables they were run on, in Markdown."""
    parts = list[str]()
    for name in ("scores", "tabm"):
        rivals = load(folder / f"{name}.json")
        run = {(record["table"], record["seed"]) for record in rivals}
        own = [r for r in load(FOLDER / "dcnfast.json") if (r["table"], r["seed"]) in run]
        report = Report(own + rivals, None, None)
        parts += [grid(*summary(report)), grid(*scores(report))]
    times = Report(load(folder / "fit_seconds.json"), None, None)
    return "\n\n".join([*parts, grid(*seconds(times))])


def settings(folder: Path = SETTINGS) -> str:
    """Return what settings do on the tables that have a file of them, in Markdown."""
    reports = [Report(load(path), None, None) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(grid(*special(report)) for report in reports)


def drawn(folder: Path = DRAWS) -> str:
    """Return the settings that were drawn, and what the watched rows say of them, in Markdown."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text())
        names = [name for name in found["draws"][0] if name not in ("watched", "seconds")]
        rows = [
            [f"{draw['watched']:.4f}", *(f"`{json.dumps(draw[name])}`" for name in names)]
            for draw in found["draws"]
        ]
        parts.append(grid([f"{found['table']}: watched", *names], rows))
    return "\n\n".join(parts)


if __name__ == "__main__":
    write(README, "suite", short(records()))
    write(RESULTS, "suite", long(records()))
    write(RESULTS, "packaged", packaged(records(APART)))
    write(RESULTS, "alternatives", alternatives(records(HALVES)))
    write(RESULTS, "networks", networks())
    write(RESULTS, "settings", settings())
    write(RESULTS, "draws", drawn())
    write(RESULTS, "fit-seconds", timed(records(TIMED)))
    write(PARAMETERS, "fit-seconds", grid(*seconds(Report(records(TIMED), None, None))))
