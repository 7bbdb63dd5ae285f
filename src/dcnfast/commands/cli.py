"""The console script ``dcnfast``: runs the almond study and prints what came out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TextIO

from dcnfast._core import version
from dcnfast.commands import study
from dcnfast.datasets import ALMOND_FEATURES
from dcnfast.inspection import CrossWeightsDisplay, need_matplotlib

PICTURE = Path("almond_crosses.png")


class Bar:
    """A progress bar on one line of a terminal; elsewhere a line a model."""

    def __init__(self, stream: TextIO, n_epochs: int) -> None:
        self.stream, self.n_epochs = stream, n_epochs
        self.live = stream.isatty()

    def __call__(self, name: str, epoch: int, loss: float) -> None:
        """Show an epoch that has ended."""
        if self.live:
            done = 30 * epoch // self.n_epochs
            bar = "#" * done + "." * (30 - done)
            progress = f"epoch {epoch:>3}/{self.n_epochs} loss {loss:<9.3g}"
            self.stream.write(f"\r{name:<30} [{bar}] {progress}")
        elif epoch == self.n_epochs:
            self.stream.write(f"{name:<30} {epoch} epochs, loss {loss:.3g}\n")
        self.stream.flush()

    def clear(self) -> None:
        """Make room for the table."""
        if self.live:
            self.stream.write("\r" + " " * 100 + "\r")
            self.stream.flush()


def print_table(results: list[study.Result]) -> None:
    """Print model, parameters, RMSE, seconds and rows a second."""
    print(f"{'model':<30} {'parameters':>10} {'RMSE':>9} {'seconds':>8} {'rows/s':>12}")
    for r in results:
        print(
            f"{r.name:<30} {r.model.n_parameters_:>10,} {r.rmse:>9.5f} {r.seconds:>8.2f} "
            f"{r.rows_per_second:>12,.0f}"
        )


def print_complaints(results: list[study.Result], deviation: float) -> None:
    """Say in plain words what went wrong, and what it means for the table."""
    for r in results:
        if r.complaint is None and r.rmse < 0.5 * deviation:
            continue
        print(f"\n{r.name}: {r.complaint or 'It has not learned the formula.'}")
        if abs(r.rmse - deviation) < 0.05 * deviation:
            print(
                f"Its RMSE of {r.rmse:.4f} is the standard deviation of y, {deviation:.4f}: the "
                "network is dead and says the mean."
            )
        else:
            print(f"Its RMSE is {r.rmse:.4f}, and to say the mean gives {deviation:.4f}.")


def plan_picture() -> str | None:
    """Return why there will be no picture, or None: known before the study, which takes a while."""
    try:
        need_matplotlib()
    except ImportError as error:
        return str(error)
    folder = PICTURE.absolute().parent
    if PICTURE.is_dir():
        return f"{PICTURE} is a directory"
    target = PICTURE if PICTURE.exists() else folder
    if not folder.is_dir() or not os.access(target, os.W_OK):
        return f"{target} cannot be written to" if folder.is_dir() else f"there is no {folder}"
    return None


def draw(model: object) -> str:
    """Write the picture; returns what to tell the user."""
    display = CrossWeightsDisplay.from_estimator(model, feature_names=ALMOND_FEATURES)
    try:
        display.figure_.savefig(PICTURE, dpi=150)
    except OSError as error:
        return f"No picture: {error}"
    return f"Wrote {PICTURE}: which column drives which, |W| of the network with one cross layer."


def main(arguments: list[str] | None = None) -> int:
    """Run the study; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="dcnfast",
        description="The almond study: cross networks against a deep network on a known formula.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a fifth of the rows, 30 epochs: seconds"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results there, too")
    parser.add_argument("--version", action="version", version=f"dcnfast {version}")
    options = parser.parse_args(arguments)
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"--json: {options.json.parent} is not a directory")
    size = study.QUICK if options.quick else study.Size()
    no_picture = plan_picture()
    print(
        f"The almond study: {size.n_train:,} rows, batches of {size.batch_size}, "
        f"{size.max_iter} epochs."
    )
    if no_picture is None:
        print(f"It ends with a picture, {PICTURE}, in {PICTURE.absolute().parent}.\n", flush=True)
    else:
        print(f"No picture: {no_picture}.\n", flush=True)
    bar = Bar(sys.stderr, size.max_iter)
    try:
        results = list(study.run(size, bar))
    except KeyboardInterrupt:
        bar.clear()
        print("Interrupted.", file=sys.stderr)
        return 130
    bar.clear()
    print_table(results)
    best = study.best_polynomials(size)
    print(f"\nThe best polynomial of degree 2 has an RMSE of {best['quadratic']:.5f}.")
    print_complaints(results, best["constant"])
    if options.json is not None:
        summary = study.summary(size, results, best)
        options.json.write_text(json.dumps(summary, indent=2) + "\n")
    print(f"\n{draw(results[0].model)}" if no_picture is None else f"\nNo picture: {no_picture}.")
    return 0
