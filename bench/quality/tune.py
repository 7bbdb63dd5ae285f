"""Draw settings of dcnfast, and judge each by the rows of a split that are watched.

The rows that are tested have no part in it: what is drawn is fitted on the training rows, and the
least loss of the watched ones wins. Write down with ``python -m bench.quality run --params`` what
the settings come to.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.model_selection import ParameterSampler

from bench import machine
from bench.examples.data import VARIABLE
from bench.quality import suite
from bench.quality.models import SUBJECT
from bench.quality.runner import fit_and_score

SPACE: dict[str, list[Any]] = {
    "n_members": [16, 24],
    "numeric_embedding": [{"numeric_embeddings.Piecewise": {"width": K}} for K in (8, 16, 24)],
    "hidden_layer_sizes": [[128, 128], [192, 192], [256, 256], [192, 192, 192]],
    "learning_rate_init": [0.002, 0.004, 0.006],
    "dropout": [0.1, 0.2, 0.3],
    "cross_dropout": [0.3, 0.5, 0.7],
    "cross_layers": [1, 2, 3],
    "max_iter": [200],
}


def tune(
    table: str, draws: int, seed: int, threads: int, folder: str | None
) -> list[dict[str, Any]]:
    """Return settings with the scores of the watched rows, the best first.

    Raises
    ------
    ValueError
        If the protocol of the table has no rows to watch.
    """
    rows = suite.split(table, suite.read(table, folder), seed)
    if rows.watch is None:
        raise ValueError(f"{table} has no rows to watch, want a table whose protocol has some")
    judged = replace(rows, test=rows.watch)
    found = []
    for parameters in ParameterSampler(SPACE, draws, random_state=seed):
        record = fit_and_score(SUBJECT, judged, seed, threads, parameters)
        found.append({"watched": record["score"], "seconds": record["fit_seconds"]} | parameters)
        print(json.dumps(found[-1]), flush=True)
    return sorted(found, key=lambda draw: float(draw["watched"]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quality.tune", description=__doc__)
    parser.add_argument("--table", required=True, choices=tuple(suite.TABLES), metavar="TABLE")
    parser.add_argument("--draws", type=int, default=10, help="default 10")
    parser.add_argument("--seed", type=int, default=0, help="of split and draws; default 0")
    parser.add_argument("--threads", type=int, default=2, help="default 2")
    parser.add_argument("--data", metavar="DIR", help=f"folder of the tables, else {VARIABLE}")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    chosen = parser.parse_args(arguments)
    try:
        found = tune(chosen.table, chosen.draws, chosen.seed, chosen.threads, chosen.data)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    about = {"table": chosen.table, "seed": chosen.seed, "machine": machine.describe()}
    chosen.out.write_text(json.dumps(about | {"draws": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
