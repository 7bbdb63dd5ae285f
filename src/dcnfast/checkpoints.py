"""Checkpoints of a fit, from which it goes on after it was killed."""

from dcnfast.training.checkpoints import Checkpoints

__all__ = ["Checkpoints"]
