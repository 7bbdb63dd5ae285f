"""Stage 8: the optimizer's settings. The arithmetic is ``adam_update`` in the kernels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Adam:
    """Adam in the form at the end of section 2 of Kingma and Ba (2015), which is also Keras'.

    Parameters
    ----------
    learning_rate : float
    beta_1, beta_2 : float
        Decay of the first and second moment, in [0, 1).
    epsilon : float
        Added to the root of the second moment ("epsilon hat").
    """

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
