"""Columns of lists: ``list_features={"genres": Lists(pooling="sqrtn")}``."""

from dcnfast.network.lists import Lists

__all__ = ["Lists"]
