"""The topology, once: the deep parts of a network, what each reads, and what reaches the head.

Counts, memory and the reference are derived from it, as the engine's network is from the same list
in ``branches.hpp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dcnfast.network.config import NetworkConfig


@dataclass(frozen=True)
class Branch:
    """A deep part; its output reaches the head.

    Parameters
    ----------
    name : str
        What its tensors' names begin with.
    input : {"x0", "xL"}
        Whether it reads the columns, or the output of the cross layers.
    hidden : tuple of int
        Widths of its layers.
    first_layer : int
        How many hidden layers the branches before it have: dropout numbers layers through.
    """

    name: str
    input: Literal["x0", "xL"]
    hidden: tuple[int, ...]
    first_layer: int = 0

    @property
    def width(self) -> int:
        """Width of its output, H."""
        return self.hidden[-1]

    def layers(self, D: int) -> list[tuple[int, int]]:
        """Return (inputs, outputs) of each layer, given the width of what it reads."""
        return list(pairwise((D, *self.hidden)))


@dataclass(frozen=True)
class Topology:
    """What a network is made of beside its cross layers.

    Parameters
    ----------
    branches : tuple of Branch
        In the order in which they reach the head, behind xL.
    cross_to_head : bool
        Whether xL, which is x0 without cross layers, reaches the head.
    """

    branches: tuple[Branch, ...]
    cross_to_head: bool

    def head_width(self, D: int) -> int:
        """Width of all that reaches the head, the linear part excepted."""
        return self.cross_to_head * D + sum(branch.width for branch in self.branches)


def topology(config: NetworkConfig) -> Topology:
    """Return the topology of a network.

    Parameters
    ----------
    config : NetworkConfig
    """
    hidden = tuple(config.hidden)
    if not hidden:
        return Topology((), cross_to_head=True)
    if config.structure == "parallel":
        return Topology((Branch("deep", "x0", hidden),), cross_to_head=config.cross_layers > 0)
    stacked = Branch("deep", "xL", hidden)
    if config.structure == "stacked":
        return Topology((stacked,), cross_to_head=False)
    return Topology(
        (stacked, Branch("deep_parallel", "x0", hidden, len(hidden))), cross_to_head=False
    )
