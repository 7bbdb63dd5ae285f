"""Periodic embeddings of numbers: sines and cosines, forward and back, and how they begin."""

import numpy as np
import pytest

from dcnfast.network import memory
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS, Periodic, PeriodicRelu
from dcnfast.reference.inputs import NUMERIC
from dcnfast.reference.periodic import MISSING_PLACE
from dcnfast.testing import assert_close_in_norm, draw_dense, force_isa

KINDS = ["periodic", "periodic_relu"]


def numbers(kind, width=5, frequencies=3, n=2):
    return {
        "numeric_embedding": kind, "numeric_bins": (1,) * n, "numeric_scales": (1.0,) * n,
        "numeric_width": width, "numeric_frequencies": frequencies,
    }  # fmt: skip


def set_tensors(model, **values):
    """Give tensors by name, the others are 0."""
    flat = np.zeros_like(model.snapshot())
    for name, shape, offset in model.network.tensors:
        if name in values:
            size = int(np.prod(shape))
            flat[offset : offset + size] = np.broadcast_to(values[name], shape).ravel()
    model.restore(flat)


def frequency_of_angles(dtype):
    """Return w with 2 pi w = 1 as the type rounds it, so that angles are the numbers."""
    w, turn = dtype(1 / (2 * np.pi)), dtype(2 * np.pi)
    for near in (w, np.nextafter(w, dtype(0)), np.nextafter(w, dtype(1))):
        if near * turn == 1:
            return near
    raise AssertionError


def sine_and_cosine(x):
    """Return both as the kernels compute them: positive parts, put together by the head."""
    config = NetworkConfig(n_outputs=2, dtype=x.dtype.name, **numbers("periodic_relu", 4, 1, 1))
    model = Model(config)
    head = [[1, -1, 0, 0], [0, 0, 1, -1]]
    signs = [[[1, -1, 0, 0], [0, 0, 1, -1]]]
    set_tensors(model, numeric_w=frequency_of_angles(x.dtype.type), numeric_W=signs, head_W=head)
    dense = np.stack([x, np.zeros_like(x)], axis=1)
    return model.logits(np.zeros((len(x), 0), np.int32), dense, 1).T


@pytest.mark.usefixtures("isa")
def test_sines_and_cosines_are_those_of_numpy(dtype, rng):
    most, error = (1e4, 1.2e-7) if dtype == "float32" else (1e6, 2.5e-16)
    border = np.pi / 4 * np.arange(-200, 200)
    x = np.concatenate(
        [border, np.nextafter(border, 9), rng.uniform(-4, 4, 4000), rng.uniform(-100, 100, 4000),
         rng.uniform(-most, most, 4000), [0, -0.0, 1e-30, -1e-30, most, -most]]
    ).astype(dtype)  # fmt: skip
    for got, function in zip(sine_and_cosine(x), (np.sin, np.cos), strict=True):
        np.testing.assert_allclose(got, function(x.astype(np.float64)), rtol=0, atol=error)
        assert np.abs(got).max() <= 1


@pytest.mark.usefixtures("isa")
def test_small_angles_keep_their_digits(dtype):
    x = np.array([1e-3, -1e-5, 1e-12, 1e-30], dtype)
    sine, cosine = sine_and_cosine(x)
    np.testing.assert_allclose(sine, np.sin(x), rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_allclose(cosine, np.cos(x), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.usefixtures("isa")
def test_angles_far_away_stay_between_minus_one_and_one(dtype):
    far = np.array([1e7, -1e7, 1e20, -3e38, np.finfo(dtype).max], dtype)
    waves = sine_and_cosine(far)
    assert np.abs(waves).max() <= 1
    np.testing.assert_array_equal(waves[1], waves[1][0])  # cosine of the last angle that has one
    assert np.isnan(sine_and_cosine(np.array([np.nan, np.inf, -np.inf], dtype))).all()


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("kind", KINDS)
def test_frequencies_of_angles_far_away_have_no_gradient(kind, dtype, make_case):
    """There the waves stand still."""
    case = make_case(20, n_dense=0, dtype=dtype, **numbers(kind))
    case.dense[:, 0], case.dense[:, 1] = 1e12, 0
    _, gradients = case.gradients()
    for name in ("numeric_w", "numeric_phase"):
        if name in gradients:
            assert not gradients[name][0].any()
            assert gradients[name][1].any()


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rows", [1, 7, 16, 33])
@pytest.mark.parametrize("frequencies", [1, 16, 19])
@pytest.mark.parametrize("width", [2, 5, 17, 35])
@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_reach_the_logits(kind, width, frequencies, rows, dtype, make_case):
    """With a head that tells the columns of x0 apart."""
    shape = numbers(kind, width, frequencies)
    D = 1 + 2 * width
    case = make_case(rows, n_dense=1, dtype=dtype, n_outputs=D, **shape)
    case.dense[::3, 2] = MISSING_PLACE
    drawn = {n: p for n, p in case.parameters().items() if n.startswith("numeric_")}
    set_tensors(case.model, **drawn, head_W=np.eye(D))
    forward, _ = NUMERIC[kind]
    pairs = case.dense[:, 1:].reshape(rows, 2, 2).astype(np.float64)
    x = np.concatenate([case.dense[:, :1], forward(pairs, *drawn.values())], axis=1)
    atol = (5e-6 if dtype == "float32" else 1e-14) * np.abs(x).max()
    np.testing.assert_allclose(case.predict(), x, rtol=0, atol=atol)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rows", [1, 13, 385])
@pytest.mark.parametrize("width", [2, 8, 19])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_reference(kind, width, rows, dtype, make_case):
    shape = numbers(kind, width, 5)
    case = make_case(rows, dtype=dtype, cross_layers=1, hidden=(9,), n_members=3, **shape)
    case.dense[::4, -1] = MISSING_PLACE
    loss, got = case.gradients()
    want_loss, want = case.reference_gradients()
    assert loss == pytest.approx(want_loss, rel=1e-5 if dtype == "float32" else 1e-12)
    for name in want:
        assert_close_in_norm(got[name], want[name], 1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_slopes(kind, check_gradients, rng):
    forward, backward = NUMERIC[kind]
    config = NetworkConfig(**numbers(kind, 4, 6, n=3))
    pairs = draw_dense(config, 12, rng).reshape(12, 3, 2)
    shapes = [shape for _, shape in NUMERIC_EMBEDDINGS[kind].tensors(config.numeric_sizes).values()]
    tensors = [rng.normal(size=shape) for shape in shapes]
    dx = rng.normal(size=(12, 12))
    check_gradients(
        backward(dx, pairs, *tensors), lambda *given: forward(pairs, *given), dx, *tensors
    )


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_threads_or_neighbours(kind, dtype, make_case):
    start = make_case(1500, dtype=dtype, cross_layers=1, hidden=(9,), **numbers(kind, 6, 16))
    results = []
    for n_threads in (1, 2, 3, 7):
        case = start.restart()
        case.train(batch_size=700, n_threads=n_threads)
        results.append((case.model.snapshot(), case.predict(n_threads)))
    for snapshot, answers in results[1:]:
        np.testing.assert_array_equal(snapshot, results[0][0])
        np.testing.assert_array_equal(answers, results[0][1])
    answers = start.predict()
    for rows in (slice(0, 1), slice(3, 20), slice(None, None, -1)):
        np.testing.assert_array_equal(start.rows(rows).predict(), answers[rows])


@pytest.mark.parametrize("kind", KINDS)
def test_instruction_sets(kind, isa, dtype, make_case):
    """The portable code says what all must say."""
    options = {"deterministic": "isa", "cross_layers": 1, **numbers(kind, 6, 16)}
    case = make_case(300, dtype=dtype, **options)
    other = case.restart()
    for _ in range(3):
        case.train(batch_size=100)
    with force_isa("scalar"):
        for _ in range(3):
            other.train(batch_size=100)
        expected = other.predict()
    np.testing.assert_array_equal(case.model.snapshot(), other.model.snapshot(), isa)
    np.testing.assert_array_equal(case.predict(), expected, isa)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_none_is_its_rows_own(kind, value, dtype, make_case):
    """The encoder gives none; another caller might."""
    case = make_case(40, dtype=dtype, n_dense=0, hidden=(5,), **numbers(kind))
    case.dense[:, 1] = 0
    before = case.predict()
    case.dense[13, 0] = value
    after = case.predict()
    assert np.isnan(after[13]).all()
    np.testing.assert_array_equal(np.delete(after, 13, axis=0), np.delete(before, 13, axis=0))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_missing_number_would_be_does_not_matter(kind, dtype, make_case):
    case = make_case(40, dtype=dtype, n_dense=0, hidden=(5,), **numbers(kind))
    case.dense[:20, 1] = MISSING_PLACE
    results = []
    for value in (0, 3, np.nan):
        case.dense[:20, 0] = value
        results.append([case.predict(), *case.gradients()[1].values()])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [Periodic(sigma=0.5), PeriodicRelu(sigma=2.0)], ids=repr)
def test_initial_values(kind):
    config = NetworkConfig(dtype="float64", **numbers(kind.name, 30, 50, n=40))
    model = Model(config).initialize(np.random.RandomState(0), numeric=kind)
    p = model.parameters
    assert p["numeric_w"].std() == pytest.approx(kind.sigma, rel=0.05)
    inputs = 50 if kind.name == "periodic" else 100
    for name, limit in (("numeric_W", inputs**-0.5), ("numeric_b", inputs**-0.5),
                        ("numeric_phase", np.pi)):  # fmt: skip
        if name in p:
            assert 0.95 * limit < np.abs(p[name]).max() <= limit
            assert p[name].std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    assert not p["numeric_missing"].any()
    assert ("numeric_phase" in p) == (kind.name == "periodic")


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_and_memory_are_counted(kind):
    few, many = (NetworkConfig(**numbers(kind, 9, f, n=3), n_dense=2) for f in (7, 4096))
    model = Model(few)
    assert few.count_parameters() == model.n_parameters
    tensors = few.numeric_kind.tensors(few.numeric_sizes)
    shapes = {n: shape for n, shape, _ in model.network.tensors if n.startswith("numeric_")}
    assert shapes == {name: shape for name, (_, shape) in tensors.items()}
    roles = {n: role for n, role in model.network.roles.items() if n.startswith("numeric_")}
    assert roles == {name: role for name, (role, _) in tensors.items()}
    added = many.count_parameters() - few.count_parameters()
    for threads in (1, 5):
        more = memory.count_bytes(many, 1, threads) - memory.count_bytes(few, 1, threads)
        assert more > 64 * added * threads - threads * 2**20


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [
        ("periodic", {"numeric_width": 1}, "numeric_width is 1, want 2 to"),
        ("periodic", {"numeric_frequencies": 0}, "numeric_frequencies is 0, want 1 to"),
        ("periodic_relu", {"numeric_width": 0}, "numeric_width is 0, want 1 to"),
        ("periodic_relu", {"numeric_frequencies": 0}, "numeric_frequencies is 0, want 1 to"),
        ("periodic_relu", {"numeric_frequencies": 2**20 + 1}, "numeric_frequencies is 1048577"),
        ("waves", {}, r"'waves', want one of 'piecewise', 'periodic', 'periodic_relu'"),
    ],
)
def test_sizes_that_cannot_be(kind, change, text):
    with pytest.raises(ValueError, match=text):
        NetworkConfig(**numbers(kind) | change).compile()
