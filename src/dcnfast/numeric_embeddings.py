"""Embeddings of numbers: ``numeric_embedding=numeric_embeddings.Piecewise(width=16)``."""

from dcnfast.network.numeric_embeddings import *  # noqa: F403  as its __all__ says
from dcnfast.network.numeric_embeddings import __all__ as __all__
