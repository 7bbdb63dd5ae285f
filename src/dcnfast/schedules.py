"""Schedules of the learning rate: ``learning_rate=schedules.Cosine(warmup=0.05)``."""

from dcnfast.training.schedules import *  # noqa: F403  as its __all__ says
from dcnfast.training.schedules import __all__ as __all__
