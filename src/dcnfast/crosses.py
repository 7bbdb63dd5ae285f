"""Forms of the cross layers, with options: ``cross=crosses.LowRank(rank=8)``."""

from dcnfast.network.crosses import *  # noqa: F403  as its __all__ says
from dcnfast.network.crosses import __all__ as __all__
