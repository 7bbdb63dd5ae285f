"""The text of a C file as it grows: arrays, functions, each before what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.serving.c_source import literals

Array = npt.NDArray[Any]
ROW = "@"  # in expressions, where the row of a table comes


class Source:
    """The functions and arrays of a model.

    Parameters
    ----------
    name : str
        What names that others see begin with.
    dtype : {"float32", "float64"}
        Of the weights.

    Attributes
    ----------
    at_open : list of str
        Statements that run when the file of the tables is opened.
    makers : dict of str to str
        Of tables whose rows do not lie there as they are: the call that makes one in ``e``, but for
        its number and how many numbers it has.
    """

    def __init__(self, name: str, dtype: str) -> None:
        self.name, self.dtype = name, np.dtype(dtype)
        self.at_open: list[str] = []
        self.makers: dict[str, str] = {}
        self._parts: list[str] = []
        self._used: set[str] = set()

    @property
    def text(self) -> str:
        """All that was written so far."""
        return "\n\n".join(part.strip("\n") for part in self._parts) + "\n"

    def write(self, text: str) -> None:
        """Write declarations or functions."""
        self._parts.append(text)

    def use(self, *texts: str) -> None:
        """Write what several places read, where it is not there yet."""
        for text in texts:
            if text not in self._used:
                self._used.add(text)
                self.write(text)

    def weights(self, name: str, values: Array) -> str:
        """Write learned numbers; return their name."""
        kept = np.ascontiguousarray(values, self.dtype)
        self._array("weight", name, literals.reals(kept))
        return name

    def numbers(self, name: str, values: Any) -> str:
        """Write doubles; return their name."""
        self._array("double", name, literals.reals(np.asarray(values, np.float64)))
        return name

    def floats(self, name: str, values: Array) -> str:
        """Write floats; return their name."""
        self._array("float", name, literals.reals(np.asarray(values, np.float32)))
        return name

    def integers(self, name: str, values: Sequence[int], kind: str = "int64_t") -> str:
        """Write integers; return their name."""
        self._array(kind, name, [literals.integer(int(value)) for value in values])
        return name

    def texts(self, name: str, values: Sequence[str]) -> str:
        """Write texts; return their name."""
        self._array("char *const", name, [literals.string(value) for value in values])
        return name

    def with_row(self, table: str, row: str, n: int, *statements: str) -> list[str]:
        """Return statements that read the row of a table, whose pointer is ``ROW`` in them.

        Parameters
        ----------
        table : str
        row : str
            Its number.
        n : int
            Numbers of a row.
        *statements : str
        """
        if table not in self.makers:
            return [of.replace(ROW, f"{table} + ({row}) * {n}") for of in statements]
        made = f"{self.makers[table]}, {row}, {n});"
        lines = [f"weight e[{n}];", made, *(of.replace(ROW, "e") for of in statements)]
        return ["{", *(f"  {line}" for line in lines), "}"]

    def _array(self, kind: str, name: str, items: list[str]) -> None:
        body = literals.rows(items or ["0"])
        self.write(f"static const {kind} {name}[{max(1, len(items))}] = {{\n{body}\n}};")
