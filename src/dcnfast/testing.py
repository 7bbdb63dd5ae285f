"""What tests need and people may use: run on a given instruction set, and prove it ran there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dcnfast import _core
from dcnfast.cpu import active_isa


@contextmanager
def force_isa(name: str) -> Iterator[None]:
    """Run the body on the instruction set ``name``, and restore the one before.

    Raises
    ------
    ValueError
        If the build or the CPU does not have it.
    AssertionError
        If at the end another one is active: what ran did not test what it was meant to.
    """
    before = active_isa()
    _core.force_isa(name)
    try:
        yield
        if active_isa() != name:
            raise AssertionError(f"instruction set {name} was forced, {active_isa()} is active")
    finally:
        _core.force_isa(before)
