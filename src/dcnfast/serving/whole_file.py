"""A file that is written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

BESIDE = ".dcnfast-*.tmp"  # names of files that are being written


def replace_file(path: str | os.PathLike[str], pieces: Iterable[Any]) -> None:
    """Write a file beside, let it reach the disk, and put it in the place of the old one.

    Whenever the process or the system ends, there is the old file or the new one. Where writing
    fails the old one stays, and nothing else is left.

    Parameters
    ----------
    path : str or path
        A link stays, and what it leads to is replaced. The mode of an old file stays, too.
    pieces : iterable of bytes-like

    Raises
    ------
    OSError
        As of ``open`` and ``write``; it names the path.
    ValueError
        If there is something at the path that is no file.
    """
    target = Path(os.path.realpath(os.fspath(path)))
    mode = None
    with suppress(FileNotFoundError):
        mode = target.stat().st_mode
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"path is {os.fspath(path)!r}, which is no file, want one or a new name")
    try:
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory")
        _write_beside(target, mode, pieces)
    except OSError as error:  # which may name the file beside, or none
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error


def _write_beside(target: Path, mode: int | None, pieces: Iterable[Any]) -> None:
    beside = target.with_name(BESIDE.replace("*", secrets.token_hex(8)))
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    descriptor = os.open(beside, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(descriptor, stat.S_IMODE(mode))
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(descriptor)
        beside.replace(target)
    except BaseException:  # Ctrl-C, too
        with suppress(OSError):
            beside.unlink()
        raise
    _let_reach_the_disk(target.parent)


def _let_reach_the_disk(folder: Path) -> None:
    """See to it that the new name is there after a power failure, where folders can be synced."""
    with suppress(OSError):  # not on every system
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
