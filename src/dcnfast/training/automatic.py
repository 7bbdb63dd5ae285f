"""What "auto" means: how many rows, epochs and members, and which learning rate."""

from __future__ import annotations

import numpy as np

from dcnfast.network.config import NetworkConfig
from dcnfast.network.losses import SquaredError

AUTOMATIC_MEMBERS = 8
MEMBERS_OF_ONE_TRAINING = 16  # where rows to watch are given, and nothing is trained twice
AUTOMATIC_EPOCHS = 200
AUTOMATIC_RATE = 3e-3
MOST = 4e12  # multiply-adds of a fit: half a minute on two cores of 130 GFLOPS each
EXPECTED = 4.5e12  # of a fit whose members "auto" counts: most end before their last epoch
MOST_ALONE = 2.9e12  # of a network trained alone, which may take all of them
MANY = 50_000  # rows; with more, all models take longer
LEAST_EPOCHS = 10
STEPS = 5_000  # that a fit takes, about, beside the epochs above


def automatic_batch_size(n: int, before: int = 0) -> int:
    """Resolve ``batch_size="auto"``: a power of two, about a hundred batches an epoch.

    But batches of 64 to 1024 rows, and at least four of them: small tables need the steps. Up to 64
    rows make one batch, so that there a row's weight is the same as its repetition.

    Parameters
    ----------
    n : int
        Rows to train on.
    before : int, default=0
        Rows of the same stream that came before: they count as well, as if all were one table.
    """
    if n <= 64:
        return n
    size = max(64.0, min(1024.0, (n + before) / 100))
    return int(2 ** np.floor(np.log2(min(size, n / 4))))


def automatic_members(one: NetworkConfig, n_rows: int, most: int = AUTOMATIC_MEMBERS) -> int:
    """Resolve ``n_members="auto"``: as many as are trained in reasonable time, up to ``most``.

    Parameters
    ----------
    one : NetworkConfig
        Of one member.
    n_rows : int
        To train on.
    most : int, default=8
    """
    rows = STEPS * automatic_batch_size(n_rows) + LEAST_EPOCHS * n_rows
    of_a_member = _multiply_adds(one, rows)
    return int(max(1, min(most, EXPECTED // of_a_member)))


def automatic_epochs(config: NetworkConfig, n_rows: int, alone: bool = False) -> int:
    """Resolve ``max_iter="auto"``: 200, or as many as there is time for, but at least 10.

    Parameters
    ----------
    config : NetworkConfig
    n_rows : int
        To train on; those of all networks that are trained.
    alone : bool, default=False
        Whether one network is, without a trial before it: several end sooner than they might.
    """
    most = MOST_ALONE if alone and n_rows <= MANY else MOST
    epochs = most // _multiply_adds(config, n_rows)
    return int(max(LEAST_EPOCHS, min(AUTOMATIC_EPOCHS, epochs)))


def automatic_rate(config: NetworkConfig, batch_size: int) -> float:
    """Resolve ``learning_rate_init="auto"``: larger batches take more, for squared error sooner.

    With the root of the batch's size, for the noise of its gradient falls with it: of squared error
    batches of 256 rows end at the same error in half the epochs. The log-loss of tables with a few
    ten thousand rows rose that way, that of more rows fell.
    """
    usual = 64 if config.loss == SquaredError.name else 256
    return AUTOMATIC_RATE * float(np.sqrt(np.clip(batch_size / usual, 1, 4)))


def _multiply_adds(config: NetworkConfig, rows: int) -> int:
    """Return those of training: forward, and back to inputs and to weights."""
    return 3 * config.multiply_adds() * rows
