"""Tests of kernels notice wrong kernels: each result is spoiled in turn, and they have to fail.

Every test that compares with the reference must, for nearly all of its arguments: some have no
rows or no layers, and nothing to spoil.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dcnfast.cpu import available_isas

ROOT = Path(__file__).parents[2]
HOWS = ["zeros", "a factor", "a row is lost"]

SLOPE = "test_backward_is_the_slope"
CROSS = [
    "test_sizes",
    "test_layers",
    "test_results_that_fit_no_cache",
    "test_more_tiles_than_lanes",
]
BENT = [*CROSS[:2], CROSS[3]]
GATED = [*CROSS[:2], CROSS[3], "test_diag_scale", "test_preactivation",
         "test_preactivation_in_deep_stacks"]  # fmt: skip

# function -> how many results, the file that tests it, which of its tests, and the tests that judge
KERNELS = {
    "cross_vector": (1, "cross/test_cross.py", "(vector or no_cache)", CROSS),
    "cross_vector_backward": (3, "cross/test_cross.py", "(vector or no_cache)", [*CROSS, SLOPE]),
    "cross_matrix": (1, "cross/test_cross.py", "matrix", GATED),
    "cross_matrix_backward": (3, "cross/test_cross.py", "matrix", [*GATED, SLOPE]),
    "cross_lowrank": (1, "cross/test_cross.py", "lowrank", [*GATED, "test_ranks"]),
    "cross_lowrank_backward": (4, "cross/test_cross.py", "lowrank", [*GATED, "test_ranks", SLOPE]),
    "cross_gated": (1, "cross/test_cross.py", "gated", CROSS),
    "cross_gated_backward": (4, "cross/test_cross.py", "gated", [*CROSS, SLOPE]),
    "cross_mixture": (1, "cross/test_cross.py", "mixture", BENT),
    "cross_mixture_backward": (6, "cross/test_cross.py", "mixture", [*BENT, SLOPE]),
    "cross_exponential": (1, "cross/test_cross.py", "exponential", BENT),
    "cross_exponential_backward": (5, "cross/test_cross.py", "exponential", [*BENT, SLOPE]),
    "cross_onlydense": (1, "cross/test_cross.py", "onlydense", BENT),
    "cross_onlydense_backward": (3, "cross/test_cross.py", "onlydense", [*BENT, SLOPE]),
    "dense": (1, "deep/test_dense.py", "", ["test_sizes", "test_activations"]),
    "dense_backward": (3, "deep/test_dense.py", "", ["test_sizes", "test_activations", SLOPE]),
    "layer_norm": (1, "deep/test_layer_norm.py", "", ["test_sizes", "test_far_from_zero"]),
    "layer_norm_backward": (
        3, "deep/test_layer_norm.py", "", ["test_sizes", "test_far_from_zero", SLOPE]
    ),
    "combine": (1, "combine/test_combine.py", "", ["test_sizes", "test_outputs"]),
    "combine_backward": (4, "combine/test_combine.py", "", ["test_sizes", "test_outputs", SLOPE]),
    "embedding": (
        1, "embed/test_embedding.py", "",
        ["test_sizes", "test_every_column_of_x0", "test_vocabularies"],
    ),
    "embedding_backward": (
        1, "embed/test_embedding.py", "",
        ["test_sizes", "test_every_column_of_x0", "test_vocabularies"],
    ),
    "squared_error": (2, "loss/test_losses.py", "squared_error", ["test_sizes"]),
    "log_loss": (2, "loss/test_losses.py", "log_loss", ["test_sizes"]),
    "softmax_loss": (2, "loss/test_losses.py", "softmax_loss", ["test_sizes"]),
    **{
        loss: (2, "loss/test_losses.py", loss, ["test_sizes"])
        for loss in ("poisson_loss", "absolute_error", "huber_loss", "quantile_loss", "gamma_loss",
                     "tweedie_loss", "focal_loss", "ordinal_loss", "multi_label_loss")
    },
    "optimizer_update": (4, "optimize/test_optimizers.py", "", ["test_three_steps"]),
}  # fmt: skip
MUTANTS = [
    f"{name}:{index}:{how}"
    for name, (n, *_) in KERNELS.items()
    for index in range(n)
    for how in HOWS
]
# packages may bring a "tests" of their own
PATHS = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
PLUGINS = {"PYTHONPATH": os.pathsep.join(PATHS)}
QUICK = {"layer_norm_backward:1:zeros", "softmax_loss:1:a factor"}


def outcomes(folder, file, chosen, judges, **environment):
    """Return how many cases of each test there are, and how many of them failed."""
    report = folder / "report.xml"
    names = " or ".join(judges)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "mutants", "-q", f"--junit-xml={report}",
         "-k", f"({names}) and {chosen}" if chosen else names, f"tests/{file}"],
        cwd=ROOT, env=os.environ | PLUGINS | {"DCNFAST_ISA": available_isas()[0]} | environment,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    total, failed = Counter(), Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.attrib["name"].partition("[")[0]
        if name in judges:
            total[name] += 1
            failed[name] += case.find("failure") is not None
    return total, failed


@pytest.mark.parametrize(
    "mutant", [m if m in QUICK else pytest.param(m, marks=pytest.mark.campaign) for m in MUTANTS]
)
def test_a_wrong_kernel_is_noticed(mutant, tmp_path):
    _, file, chosen, judges = KERNELS[mutant.partition(":")[0]]
    total, failed = outcomes(tmp_path, file, chosen, judges, DCNFAST_MUTANT=mutant)
    assert set(total) == set(judges)
    shares = {name: failed[name] / total[name] for name in judges}
    assert min(shares.values()) > 0.6, shares
    assert shares.get("test_results_that_fit_no_cache", 1) == 1


def test_a_right_kernel_passes(tmp_path):
    """The plugin alone changes nothing."""
    _, file, chosen, judges = KERNELS["log_loss"]
    total, failed = outcomes(tmp_path, file, chosen, judges, DCNFAST_MUTANT="nothing:0:zeros")
    assert sum(total.values()) == 40
    assert not failed.total()
