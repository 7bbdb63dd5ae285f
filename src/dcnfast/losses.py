"""Losses: ``loss=losses.LogLoss()``, which is the same as ``loss="log_loss"``."""

from dcnfast.network.losses import LogLoss, Loss, Poisson, Softmax, SquaredError

__all__ = ["LogLoss", "Loss", "Poisson", "Softmax", "SquaredError"]
