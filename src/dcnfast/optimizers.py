"""Optimizers, with options: ``optimizer=optimizers.Adam(beta_2=0.99)``."""

from dcnfast.training.optimizers import Adam, Optimizer

__all__ = ["Adam", "Optimizer"]
