"""What "auto" depends on beside the columns."""

from __future__ import annotations

from dataclasses import dataclass

from dcnfast.network.numeric_embeddings import NumericEmbedding


@dataclass(frozen=True)
class Circumstances:
    """What "auto" depends on.

    Parameters
    ----------
    n_rows : int
        To train on.
    watched : bool
        Whether early stopping watches rows.
    in_fold : bool, default=False
        Whether the network only says how long to train another one.
    numeric : NumericEmbedding or None, default=None
        How numbers are embedded, if any are.
    n_table : int, default=0
        Rows of the table, those held out included.
    given : bool, default=False
        Whether the rows to watch are given, so that the network is trained once.
    begins_linear : bool, default=False
        Whether the network begins as a linear model.
    streams : bool, default=False
        Whether these are the first rows of a stream.
    shares_rare : bool, default=False
        Whether rare categories have one embedding.
    """

    n_rows: int
    watched: bool
    in_fold: bool = False
    numeric: NumericEmbedding | None = None
    n_table: int = 0
    given: bool = False
    begins_linear: bool = False
    streams: bool = False
    shares_rare: bool = False
