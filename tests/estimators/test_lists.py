"""Whole groups in batches."""

from itertools import pairwise

import numpy as np
import pytest

from dcnfast.network.loss import LONGEST_LIST
from dcnfast.training.lists import (
    batches_of_lists,
    lists_of,
    mean_one_of_lists,
    weights_of_lists,
)


def drawn(sizes, batch_size, seed=0):
    group = np.repeat(np.arange(len(sizes)) * 3, sizes)
    random = None if seed is None else np.random.RandomState(seed)
    return group, *batches_of_lists(group, batch_size, random)


@pytest.mark.parametrize("seed", [0, 1, None])
@pytest.mark.parametrize(
    ("sizes", "batch_size"),
    [
        ([3, 1, 4, 1, 5, 9, 2, 6], 8), ([1] * 50, 7), ([5], 2), ([100, 1, 1], 10), ([10] * 10, 1),
        ([1, 1, 200, 1, 1, 1], 50), ([7, 7, 7], 1000), ([900, 30, 30, 900] * 3, 64),
    ],
)  # fmt: skip
def test_a_batch_has_whole_lists(sizes, batch_size, seed):
    group, order, starts = drawn(sizes, batch_size, seed)
    assert sorted(order) == list(range(len(group)))
    assert (starts[0], starts[-1]) == (0, len(group))
    assert (np.diff(starts) > 0).all()
    assert len(starts) - 1 == lists_of(group).n_batches(batch_size)
    assert len(starts) - 1 == min(-(-len(group) // batch_size), len(sizes))
    assert np.diff(starts).max() <= batch_size + max(sizes)
    of_batches = [set(group[order[a:b]]) for a, b in pairwise(starts)]
    assert sum(map(len, of_batches)) == len(sizes)  # none is in two
    in_order = group[order]
    assert np.count_nonzero(np.diff(in_order)) == len(sizes) - 1  # rows of a group together
    if seed is None:
        np.testing.assert_array_equal(order, np.arange(len(group)))


def test_a_long_list_comes_in_parts_that_are_drawn_anew():
    size = 2 * LONGEST_LIST + 7
    group, order, starts = drawn([size, 5], 64)
    assert sorted(order) == list(range(len(group)))
    assert len(starts) == 5
    assert np.diff(starts).max() <= LONGEST_LIST + 5
    _, other, _ = drawn([size, 5], 64, seed=1)
    first, second = (set(o[:600].tolist()) & set(range(size)) for o in (order, other))
    assert 0 < len(first & second) < 500


def test_the_order_is_another_in_each_epoch():
    random = np.random.RandomState(0)
    group = np.repeat(np.arange(30), 4)
    one, other = (batches_of_lists(group, 16, random)[0] for _ in range(2))
    assert not np.array_equal(one, other)
    assert sorted(one) == sorted(other)


def test_weights_make_a_mean_over_lists_of_one_over_rows():
    sizes, losses = np.array([1, 5, 2]), np.array([0.3, 2.0, 1.1])
    group = np.repeat(np.arange(3), sizes)
    firsts = lists_of(group).firsts
    weight = np.array([2.0, 1, 3, 2, 2, 2, 0.5, 0.5])
    of_rows = weights_of_lists(weight, group)
    of_lists = np.array([2.0, 2.0, 0.5])
    assert (of_rows[firsts] * losses).sum() / 8 == pytest.approx((of_lists * losses).mean())
    of_rows = mean_one_of_lists(weight, group, "float64")
    assert (of_rows[firsts] * losses).sum() / 8 == pytest.approx(
        np.average(losses, weights=of_lists)
    )
