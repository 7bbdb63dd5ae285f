"""The command line of an example, and the JSON that it writes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench import machine
from bench.examples.data import VARIABLE

RESULTS = Path(__file__).resolve().parent.parent / "results" / "examples"


def _versions() -> dict[str, str]:
    found = {}
    for package in ("pandas", "lightgbm"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main(name: str, doc: str | None, run: Callable[[str | None], dict[str, Any]]) -> None:
    """Run an example on the folder that the command line or the environment names."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.examples.{name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", metavar="DIR", help=f"folder of the tables, else {VARIABLE}")
    parser.add_argument(
        "--json", type=Path, default=RESULTS / f"{name}.json", metavar="PATH",
        help="where to write; %(default)s",
    )  # fmt: skip
    chosen = parser.parse_args()
    try:
        result = run(chosen.data)
    except FileNotFoundError as missing:
        parser.error(str(missing))
    about = {
        "example": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.describe() | _versions(),
    }
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(about | result, indent=1, default=repr) + "\n")
