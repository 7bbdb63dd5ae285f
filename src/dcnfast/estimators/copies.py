"""Rows that are copies of one another are held out together, or they would be learned by heart.

Oversampled classes and joined tables have them. Equal rows of a table with few different values are
none, nor are those of a list of prices: what is trained on will be asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

from dcnfast.table.schema import Table

Ids = npt.NDArray[np.intp]

FEWEST = 10  # different rows, to hold some out
SAMPLE = 1_000  # rows, by which the column is found that tells most of them apart
OFTEN = 10  # times that each row comes in the mean, up to which they are copies
COPIED = 0.95  # of the rows with a number occur with nothing else, if they are copies


@dataclass(frozen=True)
class Distinct:
    """The rows of a table, copies counted once.

    Parameters
    ----------
    firsts : ndarray of shape (d,)
        The first row of each.
    number : ndarray of shape (n,) or None
        Which of them each row is; None where every row is one.
    """

    firsts: Ids
    number: Ids | None = None

    def __len__(self) -> int:
        return len(self.firsts)

    def rows(self, chosen: Ids) -> Ids:
        """Return the numbers of all rows that are the chosen ones, in order."""
        if self.number is None:
            return chosen
        mask = np.zeros(len(self), bool)
        mask[chosen] = True
        return np.flatnonzero(mask[self.number])


def distinct_rows(table: Table, target: npt.NDArray[Any]) -> Distinct:
    """Find copies: rows with the same number, which is no integer, that have all else in common.

    Parameters
    ----------
    table : Table
    target : ndarray of shape (n, C)
    """
    n, numbers = len(table), table.numbers
    each = Distinct(np.arange(n))
    if issparse(numbers) or table.lists or not numbers.shape[1] or n < 2:
        return each
    sample = numbers[:: max(1, n // SAMPLE)]
    different = [len(np.unique(column)) for column in sample.T]
    key = numbers[:, int(np.argmax(different))]
    values, firsts, number = np.unique(key, return_index=True, return_inverse=True)
    finite = values[np.isfinite(values)]
    few, many = len(values) < max(FEWEST, n / OFTEN), len(values) > COPIED * n
    if few or many or (finite == np.round(finite)).all():
        return each
    first = firsts[number]
    same = (target == target[first]).all(axis=1)
    for column in numbers.T:
        same &= (column == column[first]) | (np.isnan(column) & np.isnan(column[first]))
    for factor in table.factors:
        same &= factor.codes == factor.codes[first]
    return Distinct(firsts, number) if same.mean() >= COPIED else each
