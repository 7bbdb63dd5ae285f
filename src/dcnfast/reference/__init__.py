"""The specification: every kernel, and the whole network, in float64 NumPy."""

from dcnfast.reference.crosses import *  # noqa: F403
from dcnfast.reference.kernels import *  # noqa: F403  all of them, by their own names
from dcnfast.reference.losses import *  # noqa: F403
from dcnfast.reference.losses import LOSSES as LOSSES
from dcnfast.reference.optimizers import *  # noqa: F403
from dcnfast.reference.optimizers import OPTIMIZERS as OPTIMIZERS
from dcnfast.reference.ranking import lambda_loss as lambda_loss
from dcnfast.reference.ranking import listwise_loss as listwise_loss
from dcnfast.reference.ranking import pairwise_loss as pairwise_loss
