"""Measure tasks and write results/<task>.json."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import harness, machine, tables

RESULTS = Path(__file__).parent / "results"


def run(name: str, task: ModuleType) -> dict[str, Any]:
    """Measure all cases of a task, printing each as it is done."""
    about, load = machine.describe(), os.getloadavg()[0]
    rivals, skipped = harness.find_rivals(task)
    rows = []
    for case, make_work in task.CASES.items():
        work = make_work()
        if reason := harness.too_many_threads(work):
            skipped.append(f"{case}: {reason}")
            continue
        measured = [{"case": case} | row for row in harness.measure(work, rivals)]
        print(tables.table(measured), end="\n\n", flush=True)
        rows += measured
    print(*(f"skipped {reason}" for reason in skipped), sep="\n", end="\n\n")
    return {
        "task": name,
        "title": task.TITLE,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": about,
        "load": load,
        "rows": rows,
        "skipped": skipped,
    }


def main() -> None:
    tasks = harness.find_tasks()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("task", nargs="*", help=f"{', '.join(tasks)}; all of them if none is named")
    chosen = parser.parse_args().task or list(tasks)
    if unknown := sorted(set(chosen) - set(tasks)):
        parser.error(f"no such task: {', '.join(unknown)}; there are {', '.join(tasks)}")
    harness.require_release()
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"load average is {load:.1f}: others use the machine too", file=sys.stderr)
    RESULTS.mkdir(exist_ok=True)
    for name in chosen:
        print(tasks[name].TITLE, end="\n\n")
        start = time.perf_counter()
        text = json.dumps(run(name, tasks[name]), indent=1)
        (RESULTS / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {time.perf_counter() - start:.0f} s", end="\n\n", file=sys.stderr)


if __name__ == "__main__":
    main()
