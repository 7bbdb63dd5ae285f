"""Losses: ``loss=losses.LogLoss()``, which is the same as ``loss="log_loss"``."""

from dcnfast.network.losses import *  # noqa: F403  as its __all__ says
from dcnfast.network.losses import __all__ as __all__
