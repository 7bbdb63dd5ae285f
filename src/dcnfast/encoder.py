"""Stage 1: columns -> numbers of the network. Dense columns and the target are standardised."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# No training row is further out than sqrt(n) standard deviations. What comes later may be anything,
# and a polynomial of it should stay a number.
FARTHEST = 1e4


class Standardizer:
    """Takes the mean away and divides by the standard deviation, column by column.

    Constant columns become 0. Works for every finite input: columns near the ends of the floating
    point range are first multiplied by a power of two.

    Attributes
    ----------
    mean, scale : ndarray of shape (M,)
        Of the columns times ``factor``.
    factor : ndarray of shape (M,)
        Powers of two, 1 for ordinary columns.
    low, high : ndarray of shape (M,)
        Range of the standardised training columns.
    """

    def fit(self, X: npt.NDArray[Any], weight: Floats | None = None) -> Standardizer:
        """Learn mean and scale.

        Parameters
        ----------
        X : ndarray of shape (n, M)
            Finite.
        weight : ndarray of shape (n,) or None
            Not negative, not all zero.
        """
        w = np.ones(len(X)) if weight is None else weight / weight.max()
        w = w / w.sum()
        X = X.astype(np.float64, copy=False)
        exponent = np.frexp(np.abs(X).max(axis=0))[1]
        self.factor = np.where(
            np.abs(exponent) > 300, np.ldexp(1.0, np.clip(-exponent, -1000, 1000)), 1.0
        )
        scaled = X if (self.factor == 1).all() else X * self.factor
        self.mean = w @ scaled
        variance = w @ (scaled - self.mean) ** 2
        # what rounding alone can produce, as scikit-learn's StandardScaler judges it
        eps = len(X) * np.finfo(np.float64).eps
        constant = variance <= eps * variance + (eps * self.mean) ** 2
        self.scale = np.where(constant, 1.0, np.sqrt(np.where(constant, 1.0, variance)))
        self.constant = constant
        z = self._standardise(X)
        self.low, self.high = z.min(axis=0), z.max(axis=0)
        return self

    def transform(self, X: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Standardise; values farther out than ``FARTHEST`` standard deviations are cut there.

        Parameters
        ----------
        X : ndarray of shape (n, M)
        dtype : dtype
            Of the result, which is C-contiguous.
        """
        z = self._standardise(X)
        return np.ascontiguousarray(np.clip(z, -FARTHEST, FARTHEST), dtype=dtype)

    def clip(self, Z: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring standardised rows into the range of the training rows."""
        return np.ascontiguousarray(np.clip(Z, self.low, self.high), dtype=Z.dtype)

    def inverse(self, Z: npt.NDArray[Any]) -> Floats:
        """Undo :meth:`transform`; what would overflow becomes the largest finite number.

        A column that was constant comes back as that constant, in whatever unit it has.
        """
        Z = np.where(self.constant, 0.0, Z.astype(np.float64))
        with np.errstate(over="ignore"):
            X = (Z * self.scale + self.mean) / self.factor
        largest = np.finfo(np.float64).max
        return np.asarray(np.clip(X, -largest, largest))

    def _standardise(self, X: npt.NDArray[Any]) -> Floats:
        X = X.astype(np.float64, copy=False)
        with np.errstate(over="ignore"):
            scaled = X if (self.factor == 1).all() else X * self.factor
            z = (scaled - self.mean) / self.scale
        return np.where(self.constant, 0.0, z)
