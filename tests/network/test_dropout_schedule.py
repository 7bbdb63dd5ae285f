"""Dropout whose rates change from step to step, against the reference with these rates."""

from dataclasses import replace

import numpy as np
import pytest

from dcnfast.reference.network import ReferenceNetwork, State

pytestmark = pytest.mark.usefixtures("isa")

SHARES = np.array([1.0, 0.5, 0.0, 2.0**-20, 0.25])  # the last but one is below what 16 bits tell
ROWS, BATCH = 100, 20


def train(case, shares, n_threads=1):
    case = case.restart()
    case.state.train_epoch(
        case.table, np.arange(ROWS), BATCH, case.adam.compile(), case.seed, n_threads,
        None, None, shares,
    )  # fmt: skip
    return case


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_each_step_has_its_share_of_the_rates(structure, n_members, make_case):
    case = make_case(
        ROWS, dtype="float64", cross_layers=2, hidden=(17, 5), structure=structure,
        n_members=n_members, dropout=0.4, cross_dropout=0.7, activation="gelu",
    )  # fmt: skip
    ends = []
    for shares in (SHARES, np.ones(len(SHARES))):
        state = State.start(case.parameters())
        for i, share in enumerate(shares):
            config = replace(case.config, dropout=0.4 * share, cross_dropout=0.7 * share)
            rows = case.batch(np.arange(i * BATCH, (i + 1) * BATCH))
            ReferenceNetwork(config).train_step(state, *rows, seed=case.seed, **vars(case.adam))
        got = train(case, shares).model.parameters
        for name, want in state.parameters.items():
            np.testing.assert_allclose(got[name], want, rtol=1e-9, atol=1e-12, err_msg=name)
        ends.append(np.concatenate([p.ravel() for p in got.values()]))
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def test_threads_give_the_same_bits_and_ones_those_without(make_case, dtype):
    case = make_case(
        ROWS, dtype=dtype, cross_layers=1, hidden=(9,), dropout=0.4, cross_dropout=0.7
    )  # fmt: skip
    one, two = (train(case, SHARES, n_threads).model.snapshot() for n_threads in (1, 2))
    np.testing.assert_array_equal(one, two)
    ones, none = (train(case, shares).model.snapshot() for shares in (np.ones(5), None))
    np.testing.assert_array_equal(ones, none)
