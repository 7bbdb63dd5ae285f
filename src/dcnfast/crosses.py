"""Forms of the cross layers, with options: ``cross=crosses.LowRank(rank=8)``."""

from dcnfast.network.crosses import Cross, LowRank, Matrix, Vector

__all__ = ["Cross", "LowRank", "Matrix", "Vector"]
