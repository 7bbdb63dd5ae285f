"""What a network takes in memory, counted before any of it is taken, and what there is.

Systems that promise more memory than they have do not refuse: they end the process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from math import prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from dcnfast.network.activations import ACTIVATIONS
from dcnfast.network.branches import topology
from dcnfast.network.crosses import CROSSES
from dcnfast.network.losses import RANKING_LOSSES

if TYPE_CHECKING:
    from dcnfast.network.config import NetworkConfig

NO_LIMIT = 2**60
ROOT = Path("/")

# numbers for each parameter of a table: parameters, two moments, averages, initial values,
# snapshot, a copy while rows are settled, a copy for a warm start
TABLE_COPIES = 8
# of a weight: the same and its gradient, and float64 while it is drawn, or what follows below
WEIGHT_COPIES = 10
FEWEST_SHARDS, MOST_SHARDS, ROWS_OF_A_SHARD, FEW_WEIGHTS = 4, 16, 1024, 2**16  # as in tiling.hpp
TILE_BYTES, TILE_ROWS = 2**20, 288  # the larger of the two, for a thread
ROW_STEP = 12  # as in shapes.hpp
SHARED_UNITS, SHARED_VECTORS = 8192, 4  # as in shared_products.cpp and kernel_table.hpp
CROSS_LAYER_BYTES, HIDDEN_LAYER_BYTES, FIELD_BYTES = 1024, 4096, 2048  # objects, names, pointers
ID_BYTES = 32  # of an id of a batch, while rows are sorted


def memory_limit(root: Path = ROOT) -> int:
    """Return how many bytes this process may use at most.

    The least of the machine's memory, of what the control groups of this process, and all groups
    above them, may have, and of the address space that its own limit leaves.

    Parameters
    ----------
    root : Path
        Where the system's files are.
    """
    groups = _groups_of_now(int(time.monotonic())) if root == ROOT else _least_of_groups(root)
    return min(NO_LIMIT, _physical_memory(), _address_space(), groups)


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return NO_LIMIT


def _address_space() -> int:
    try:
        import resource
    except ImportError:  # no such limits on this system
        return NO_LIMIT
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return NO_LIMIT if soft == resource.RLIM_INFINITY else int(soft)


def _least_of_groups(root: Path) -> int:
    return min(_control_groups(root), default=NO_LIMIT)


@lru_cache(maxsize=1)
def _groups_of_now(second: int) -> int:  # noqa: ARG001  the key
    """Read the files once a second: for each of them other threads may take the GIL for a while."""
    return _least_of_groups(ROOT)


def _control_groups(root: Path) -> Iterator[int]:
    """Yield the limits of the groups of this process and of those that they lie in."""
    text = ""
    with suppress(OSError):
        text = (root / "proc/self/cgroup").read_text()
    base = root / "sys/fs/cgroup"
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mounts, name = (base, base / "unified"), "memory.max"
        elif "memory" in controllers.split(","):
            mounts, name = (base / "memory", base / controllers), "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for mount in mounts:
            for folder in (group, *group.parents):
                with suppress(OSError, ValueError):  # no such group, or the limit is "max"
                    yield int((mount / folder / name).read_text())


def check_memory(config: NetworkConfig, batch_size: int = 1, n_threads: int = 1) -> None:
    """Refuse a network that does not fit.

    Parameters
    ----------
    config : NetworkConfig
    batch_size, n_threads : int
        Of training.

    Raises
    ------
    ValueError
        If the network and what training takes beside it are more than the memory that this process
        may use.
    """
    n_bytes, most = count_bytes(config, batch_size, n_threads), memory_limit()
    if n_bytes > most:
        raise ValueError(
            f"the network would have {config.count_parameters()} parameters, want at most what "
            f"fits into the {most >> 20} MiB that this process may use, not {n_bytes >> 20} MiB: "
            "see hidden_layer_sizes, cross_layers, cross_rank, embedding_dim and batch_size"
        )


def count_bytes(config: NetworkConfig, batch_size: int = 1, n_threads: int = 1) -> int:
    """Count, without allocating, what a network takes while it is trained.

    All that grows with its numbers is in it; Python integers do not overflow.
    """
    counter = _Counter(config)
    rows = sum(V for _, V, _ in config.own_fields)
    last = 4 * rows * (1 + config.wide + config.collision_weights)
    return (
        counter.size * (counter.parameters(batch_size) + counter.batch(batch_size))
        + (n_threads + counter.kept_tiles(batch_size)) * counter.workspace()
        + last
        + ID_BYTES * batch_size * len(config.fields) * (2 if config.wide else 1)
        + CROSS_LAYER_BYTES * config.cross_layers
        + HIDDEN_LAYER_BYTES * counter.hidden_layers
        + FIELD_BYTES * len(config.fields)
        + 64 * n_threads * (config.cross_layers + counter.hidden_layers)
    )


class _Counter:
    """Numbers, not bytes; letters as everywhere."""

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self.size = np.dtype(config.dtype).itemsize
        self.D, self.C, self.E = config.width, config.n_outputs, config.n_members
        self.scaled = self.E > 1 or config.learned_scale
        self.L, self.R = config.cross_layers, config.cross_rank
        self.topology = topology(config)
        self.layers = [layer for b in self.topology.branches for layer in b.layers(self.D)]
        self.hidden_layers = len(self.layers)

    def padded(self, width: int) -> int:
        lanes = 64 // self.size
        return -(-width // lanes) * lanes

    def stride(self, width: int) -> int:
        return self.padded(width) + 64 // self.size

    def packed(self, outputs: int, inputs: int) -> int:
        """Count both orders of a matrix, and its bias."""
        return self.padded(outputs) * (inputs + 1) + self.padded(inputs) * outputs

    def numeric(self) -> tuple[int, int]:
        """Count what is kept of the embeddings of numbers, and a thread's sums for them."""
        if not self.config.numeric_bins:
            return 0, 0
        return self.config.numeric_kind.copies(self.config.numeric_sizes, 64 // self.size)

    def parameters(self, batch_size: int) -> int:
        c = self.config
        tables = sum(V * (K + c.beside_embeddings) for _, V, K in c.own_fields)
        blocks, _ = self.numeric()
        scales = self.E * self.padded(self.D) if self.scaled else 0
        weights = c.count_parameters() - tables
        shards = MOST_SHARDS
        if weights > FEW_WEIGHTS:
            shards = min(MOST_SHARDS, max(FEWEST_SHARDS, batch_size // ROWS_OF_A_SHARD))
        beside = blocks + scales + self.matrices()
        return TABLE_COPIES * tables + max(WEIGHT_COPIES, 6 + shards) * weights + beside

    def matrices(self) -> int:
        """Count the weights once more, as they are packed."""
        D, L = self.D, self.L
        layer = 0
        kind, sizes = CROSSES[self.config.cross], self.config.cross_sizes
        for tensor in kind.weights_of(self.config):
            *several, last = tensor.of_a_layer(sizes)
            if not several:
                layer += self.padded(last)
            else:
                layer += prod(several[:-1]) * self.packed(several[-1], last)
        layer += kind.kept_beside(sizes)
        cross = L * (layer + (0 if self.config.cross_bias else D))
        deep = sum(self.packed(outputs, inputs) for inputs, outputs in self.layers)
        return cross + deep + self.E * self.packed(self.C, D + self.topology.head_width(D))

    def workspace(self) -> int:
        """Count the bytes of one tile of activations, forward and backward."""
        c, D, L = self.config, self.stride(self.D), self.L
        preactivated = c.preactivation != "identity"
        sizes = c.cross_sizes
        strides = {letter: self.stride(sizes[letter]) for letter in "DHRE"}
        strides["ER"] = self.stride(sizes["E"] * sizes["R"] + 1)
        cross = CROSSES[c.cross].activations(strides, L, preactivated)
        if c.has_shared_heads:  # rows of their own: x0 and both gradients, and scratch
            cross = c.cross_heads * (cross + (3 + 4 * preactivated) * strides["D"]) + D
        keeps_input = ACTIVATIONS[c.activation].keeps_input or c.parametric_activation
        arrays = 1 + (c.dropout > 0) + keeps_input + bool(c.layer_norm)
        deep = sum(arrays * self.stride(width) + 1 for _, width in self.layers)
        deep += sum(3 * self.stride(max(branch.hidden)) for branch in self.topology.branches)
        base = 2 * D + self.stride(self.C) if self.scaled else 0
        base += 4 * self.stride(self.C) if c.branch_loss else 0
        base += self.stride(c.wide_columns) if c.wide_columns > c.n_dense else 0
        row = 3 * D + (4 * D if preactivated else 0) + cross + deep + 2 * self.stride(self.C) + base
        no_bias = 0 if c.cross_bias else L * self.D
        _, blocks = self.numeric()
        scales = self.E * self.padded(self.D) if self.scaled else 0
        rows = max(TILE_ROWS, ROW_STEP * self.E)  # of all members together
        return max(TILE_BYTES, self.size * (rows * row + no_bias + blocks + scales))

    def kept_tiles(self, batch_size: int) -> int:
        """Count the tiles whose activations are kept for the backward of a whole batch."""
        if self.config.loss not in RANKING_LOSSES and not self.config.branch_loss:
            return 0
        return -(-batch_size * self.E // (TILE_ROWS // 2))

    def batch(self, batch_size: int) -> int:
        """Count what a batch leaves for the tables, and the products that equal ids share."""
        c = self.config
        if not c.fields:
            return 0
        letters = None if c.has_shared_heads else CROSSES[c.cross].first_product
        cross = prod(c.cross_sizes[letter] for letter in letters) if self.L and letters else 0
        first = [cross, *(b.hidden[0] for b in self.topology.branches if b.input == "x0")]
        widest = max(width for _, _, width in c.fields)
        units = min(SHARED_UNITS, batch_size * len(c.fields))
        blocks = sum(-(-width // (SHARED_VECTORS * 64 // self.size)) for width in first)
        return (
            batch_size * (c.embedding_width + (self.C if c.wide else 0))
            + batch_size * sum(self.stride(width) for width in first)
            + units * self.stride(widest) * (1 + blocks)
        )
