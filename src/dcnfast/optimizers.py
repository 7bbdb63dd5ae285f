"""Optimizers, with options: ``optimizer=optimizers.Adam(beta_2=0.99)``."""

from dcnfast.training.optimizers import *  # noqa: F403  as its __all__ says
from dcnfast.training.optimizers import __all__ as __all__
