"""Run models on the tables of the quality suite, or report what was run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.examples.data import VARIABLE
from bench.quality import report, suite
from bench.quality.alternatives import campaign
from bench.quality.models import MODELS, SUBJECT, UNTOUCHED
from bench.quality.runner import Plan, Store, load, run


def names(text: str) -> list[str]:
    """Split at commas; a group of tables stands for its tables."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return list(dict.fromkeys(t for part in parts for t in suite.GROUPS.get(part, (part,))))


def seeds(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def parameters(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"params is {text}, want a JSON object")
    return found


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("run", help="fit what FILE does not have yet")
    add.add_argument(
        "--models", type=names, default=list(UNTOUCHED), metavar="MODELS",
        help=f"{', '.join(MODELS)}; default the first {len(UNTOUCHED)}",
    )  # fmt: skip
    add.add_argument(
        "--tables", type=names, default=[*suite.SUITE, *suite.SPECIAL], metavar="TABLES",
        help=f"{', '.join(suite.TABLES)}; or {', '.join(suite.GROUPS)}; default suite,special",
    )  # fmt: skip
    add.add_argument("--seeds", type=seeds, default=list(range(5)), help="default 0,1,2,3,4")
    add.add_argument(
        "--params", type=parameters, default={}, metavar="JSON", help=f"{SUBJECT}'s parameters"
    )
    add.add_argument(
        "--label", default=SUBJECT, help=f"{SUBJECT}'s name in the report, one for each setting"
    )
    halves = commands.add_parser(
        "alternatives",
        help=f"{SUBJECT}'s defaults beside others, chosen on half of the suite",
    )
    for command in (add, halves):
        command.add_argument("--threads", type=int, default=2, help="of a model; default 2")
        command.add_argument("--data", metavar="DIR", help=f"folder of the tables, else {VARIABLE}")
        command.add_argument("--out", type=Path, required=True, metavar="FILE")
    show = commands.add_parser("report", help="scores, ranks and ratios of what was run")
    show.add_argument("files", type=Path, nargs="+", metavar="FILE")
    show.add_argument("--models", type=names, help="labels to show, in this order; default all")
    show.add_argument("--tables", type=names, help="default all that the files have")
    show.add_argument("--markdown", action="store_true")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Return 1 if something could not be fitted."""
    parser = make_parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "report":
            records = [record for path in chosen.files for record in load(path)]
            print(report.render(records, chosen.models, chosen.tables, chosen.markdown))
            return 0
        if chosen.command == "alternatives":
            troubles = campaign(Store(chosen.out), chosen.threads, chosen.data)
        else:
            plan = Plan(
                chosen.models, chosen.tables, chosen.seeds, chosen.params, chosen.label,
                chosen.threads, chosen.data,
            )  # fmt: skip
            troubles = run(plan, Store(chosen.out))
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    print(*troubles, sep="\n", end="\n" if troubles else "", file=sys.stderr)
    return bool(troubles)


if __name__ == "__main__":
    sys.exit(main())
