"""Columns of target means and counts: ``target_statistics=TargetStatistics(order=1)``."""

from dcnfast.training.target_statistics import TargetStatistics

__all__ = ["TargetStatistics"]
