"""The numbers behind dropout: counted, not drawn, so that any part of a batch has its own."""

import numpy as np
import pytest

from dcnfast.reference import dropout_mask, dropout_stream

GOLDEN, BELOW = 0x9E3779B97F4A7C15, 2**64


def mix(z):
    """splitmix64's last step, in Python's integers."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % BELOW
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % BELOW
    return z ^ (z >> 31)


def test_stream_starts_with_the_published_numbers():
    """splitmix64 of seed 0 yields these; the first step's first layer mixes the first once more."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    for step, number in enumerate(published, start=1):
        assert mix(step * GOLDEN % BELOW) == number
        assert dropout_stream(0, step, 0) == mix(number)


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 5, 2**64 - 1])
def test_mask_number_by_number(seed):
    rate, threshold = 0.3, 19661
    stream = mix((mix((seed + 12 * GOLDEN) % BELOW) + 2 * GOLDEN) % BELOW)
    assert dropout_stream(seed, 12, 2) == stream
    mask = dropout_mask(stream, np.arange(70), 11, rate)
    for r, c in np.ndindex(mask.shape):
        word = mix((stream + (r * 2**32 + c // 4) * GOLDEN) % BELOW)
        kept = (word >> (16 * (c % 4))) % 65536 >= threshold
        assert mask[r, c] == (65536 / (65536 - threshold) if kept else 0.0)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_frequency(rate):
    """Within five standard deviations, over all numbers, in every column, and of neighbours."""
    n, width = 4000, 37
    kept = dropout_mask(dropout_stream(7, 1, 0), np.arange(n), width, rate) != 0
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(kept.mean() - (1 - rate)) <= 5 * deviation / np.sqrt(kept.size)
    assert (np.abs(kept.mean(axis=0) - (1 - rate)) <= 5 * deviation / np.sqrt(n)).all()
    both = (1 - rate) ** 2
    for pairs in (kept[1:] & kept[:-1], kept[:, 1:] & kept[:, :-1]):
        assert abs(pairs.mean() - both) <= 5 * np.sqrt(2 * both * (1 - both) / pairs.size)


def test_mean_is_kept():
    """What is kept is scaled by what the threshold of 16 bits really leaves out."""
    mask = dropout_mask(dropout_stream(7, 1, 0), np.arange(65536), 4, 0.3)
    assert mask.max() * (1 - 19661 / 65536) == pytest.approx(1, rel=1e-15)
    assert mask.mean() == pytest.approx(1, abs=0.01)


def test_rows_have_their_own_however_the_batch_is_cut():
    stream = dropout_stream(3, 5, 1)
    whole = dropout_mask(stream, np.arange(500), 9, 0.4)
    for tile in (1, 7, 192):
        cut = [
            dropout_mask(stream, np.arange(500)[i : i + tile], 9, 0.4) for i in range(0, 500, tile)
        ]
        np.testing.assert_array_equal(np.concatenate(cut), whole)
    np.testing.assert_array_equal(dropout_mask(stream, np.arange(500), 5, 0.4), whole[:, :5])


def test_streams_differ():
    streams = {dropout_stream(*at) for at in np.ndindex(9, 9, 9)}
    assert len(streams) == 9**3
