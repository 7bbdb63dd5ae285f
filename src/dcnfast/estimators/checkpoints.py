"""Checkpoints of a fit in a folder: files as those of models, written whole or not at all."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dcnfast import _core
from dcnfast.plain import State, Tree, join, separate
from dcnfast.serving.model_file import read_model_file, write_model_file
from dcnfast.serving.whole_file import BESIDE
from dcnfast.training.checkpoints import Checkpoints, Moment, random_tree, read_random

ABOUT = "checkpoint"  # in the place of an estimator's name
PATTERN = "checkpoint-*.dcn"
FIRST = "moment.parameters"  # what a file begins with


class FolderKeeper:
    """Keeps the checkpoints of one fit.

    Parameters
    ----------
    checkpoints : Checkpoints
    random_state : RandomState
        At the beginning of the fit. Where there is a checkpoint, it becomes that of its fit: the
        same rows are held out then, and the same first weights drawn.
    seeded : bool
        Whether the person gave a seed, so that a checkpoint of another one is of another fit.

    Raises
    ------
    OSError
        If the folder cannot be made or read.
    ValueError
        If all checkpoints in it are damaged, or the last one began with another seed.
    """

    def __init__(
        self, checkpoints: Checkpoints, random_state: np.random.RandomState, *, seeded: bool
    ) -> None:
        self._options, self._folder = checkpoints, Path(checkpoints.folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob(BESIDE):  # of a fit that was killed while it wrote
            path.unlink(missing_ok=True)
        self._fingerprints: Mapping[str, str] = {}
        self._found = self._read_last()
        if self._found is not None:
            before = np.random.RandomState()
            before.set_state(read_random(self._found.part("begun")))
            if seeded and str(before.get_state()) != str(random_state.get_state()):
                raise self._other(["random_state"])
            random_state.set_state(before.get_state())
        self._begun = random_tree(random_state)
        self._last_epoch, self._last_time = 0, time.monotonic()

    def expect(self, fingerprints: Mapping[str, str]) -> None:
        """Say what the training is that is about to begin; ValueError if another one is kept.

        Parameters
        ----------
        fingerprints : dict of str to str
        """
        self._fingerprints = fingerprints
        if self._found is None:
            return
        kept = self._found.part("fingerprints")
        other = [name for name, own in fingerprints.items() if kept.text(name) != own]
        if other:
            raise self._other(other)

    def _other(self, what: list[str]) -> ValueError:
        return ValueError(
            f"checkpoints: folder {str(self._folder)!r} has a checkpoint of a fit with other "
            f"{' and '.join(what)}, want the same table and parameters, or another folder"
        )

    def begin(self, moment: Moment) -> None:
        """Bring a training that is about to begin to the last checkpoint, if there is one."""
        if self._found is None:
            return
        moment.restore(self._found.part("moment"))
        self._found, self._last_epoch = None, moment.watch.epochs

    def after_epoch(self, moment: Moment) -> None:
        """Write a checkpoint if it is time for one; a warning where that is not possible."""
        epochs, seconds = self._options.epochs, self._options.seconds
        epoch, now = moment.watch.epochs, time.monotonic()
        by_epochs = epochs is not None and epoch - self._last_epoch >= epochs
        by_seconds = seconds is not None and now - self._last_time >= seconds
        if not (by_epochs or by_seconds):
            return
        self._last_epoch, self._last_time = epoch, now
        tree: Tree = {
            "begun": self._begun, "fingerprints": dict(self._fingerprints), "moment": moment.tree(),
        }  # fmt: skip
        document, arrays = separate(tree)
        about = {"library": _core.version, "estimator": ABOUT}
        path = self._folder / f"checkpoint-{epoch:08d}.dcn"
        try:
            write_model_file(path, about, document, arrays, {FIRST: 0}, [])
        except OSError as error:  # the fit itself may go on
            warnings.warn(f"checkpoints: {error}; the one before stays", UserWarning, stacklevel=2)
            return
        for old in self._files()[self._options.keep :]:
            old.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all checkpoints: the fit has come to its end."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Return the checkpoints, the last one first."""
        return sorted(self._folder.glob(PATTERN), reverse=True)

    def _read_last(self) -> State | None:
        first: ValueError | None = None
        for path in self._files():
            try:
                contents = read_model_file(path)
                if contents.about["estimator"] != ABOUT:
                    raise ValueError("it is a model file, want a checkpoint")
                return State(join(contents.document, contents.arrays))
            except ValueError as error:
                first = first or ValueError(f"checkpoints: {str(path)!r}: {error}")
                warnings.warn(f"{first}; the one before is used", UserWarning, stacklevel=2)
        if first is not None:
            raise first
        return None
