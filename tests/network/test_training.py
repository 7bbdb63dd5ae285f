"""Ten steps, against the reference and against numbers written down; and one batch by heart."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.state import Training

pytestmark = pytest.mark.usefixtures("isa")

ALPHA = {"alpha_cross": 0.01, "alpha_deep": 0.01}
NETWORK = {"cross_layers": 2, "hidden": (8,), "activation": "tanh"} | ALPHA

# The float64 reference's losses of ten Adam steps, see `golden_case`. They hold the whole chain in
# place: initial values, forward, loss, penalty, backward, Adam.
GOLDEN = {
    "mixture": [
        0.9343608558783,
        0.8262468999856,
        0.7353499615766,
        0.6636289668131,
        0.6103576849226,
        0.574172977859,
        0.5537152881993,
        0.5467993567438,
        0.5500981289487,
        0.5594590596839,
    ],
    "exponential": [
        0.9009172505381,
        0.8151856337255,
        0.7422698413923,
        0.6807327600626,
        0.6322728263935,
        0.5947042706832,
        0.5675106303459,
        0.5490331884591,
        0.5375589237863,
        0.5326059075115,
    ],
    "onlydense": [
        1.4678441943930,
        1.1220348706066,
        0.8979663739381,
        0.7328935748496,
        0.6277187323256,
        0.5780615299944,
        0.5694751062555,
        0.5866598374459,
        0.6168542950992,
        0.6490745945170,
    ],
    "vector": [
        0.8141835523303,
        0.7146574015787,
        0.6404931684557,
        0.5913193938601,
        0.5625605845054,
        0.5496190405807,
        0.5475572563126,
        0.5513476057428,
        0.5570082115178,
        0.5621241638476,
    ],
    "matrix": [
        0.6712444764752,
        0.6023826030874,
        0.5672885983557,
        0.5563354800305,
        0.5628164839901,
        0.5737184533958,
        0.5793746332732,
        0.5779602115961,
        0.5720126319700,
        0.5645898100386,
    ],
    "lowrank": [
        2.1758165752587,
        1.9020550288013,
        1.6611838629037,
        1.4504830301541,
        1.2672613547730,
        1.1094448211973,
        0.9753052963864,
        0.8631982534201,
        0.7715119610416,
        0.6986160129465,
    ],
}


@pytest.fixture
def golden_case(make_case, kind, dtype):
    """A table from sines, so that no random generator but the initial values' has a say."""
    case = make_case(24, n_dense=5, dtype=dtype, **NETWORK, **kind)
    case.training = Training(Model(case.config).initialize(np.random.RandomState(7)))
    grid = np.arange(24 * 5).reshape(24, 5)
    case.dense = np.sin(grid).astype(dtype)
    case.target = np.cos(0.3 * grid[:, :1]).astype(dtype)
    return case


def test_ten_steps(golden_case):
    rtol = 1e-10 if golden_case.config.dtype == "float64" else 1e-5
    written = GOLDEN[golden_case.config.cross]
    np.testing.assert_allclose(golden_case.reference_trajectory(10), written, rtol=1e-6)
    np.testing.assert_allclose(golden_case.trajectory(10), written, rtol=rtol)


@pytest.mark.parametrize("loss", ["log_loss", "softmax"])
@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_ten_steps_of_other_networks(loss, structure, kind, dtype, make_case):
    case = make_case(
        40,
        weighted=True,
        dtype=dtype,
        loss=loss,
        n_outputs=3,
        structure=structure,
        **NETWORK,
        **kind,
    )
    rtol = 1e-10 if dtype == "float64" else 2e-4
    want = case.reference_trajectory(10)
    np.testing.assert_allclose(case.trajectory(10), want, rtol=rtol)
    assert want[-1] < 0.97 * want[0]  # which is far more than what is let pass


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_one_batch_by_heart(hidden, kind, dtype, make_case):
    """12 rows and more parameters than rows: the loss must vanish."""
    case = make_case(12, n_dense=12, dtype=dtype, cross_layers=2, hidden=hidden, **kind)
    first = case.train()[0]
    for _ in range(1500):
        last = case.train()[0]
    assert last < 1e-4 * first


def test_alpha_pulls_weights_but_not_biases(make_case, dtype):
    """With nothing else to learn from, Adam's first step moves every weight towards 0, no bias."""
    case = make_case(4, dtype=dtype, cross_layers=2, hidden=(3,), alpha_cross=0.5, alpha_deep=0.5)
    case.target[:] = case.predict()
    before = case.parameters()
    case.train()
    for name, after in case.parameters().items():
        moved = np.abs(after) < np.abs(before[name])
        if "_b" in name:
            np.testing.assert_array_equal(after, before[name], err_msg=name)
        else:
            assert moved.mean() > 0.9, name


@pytest.mark.parametrize(
    ("config", "n"),
    [
        ({"n_dense": 5, "cross_layers": 1}, 36),
        ({"n_dense": 5, "hidden": (512, 256, 128)}, 167_425),
        ({"n_dense": 5, "cross": "vector", "cross_layers": 3}, 36),
        ({"n_dense": 5, "cross": "lowrank", "cross_layers": 1, "cross_rank": 2}, 31),
        ({"n_dense": 5, "cross_layers": 1, "hidden": (7,), "structure": "stacked"}, 80),
        ({"n_dense": 5, "cross_layers": 1, "hidden": (7,), "n_outputs": 2}, 98),
    ],
)
def test_number_of_parameters(config, n):
    config = NetworkConfig(**config)
    assert config.count_parameters() == Model(config).n_parameters == n


def test_absurd_size_is_refused():
    with pytest.raises(ValueError, match=r"the network would have .* parameters, want at most"):
        Model(NetworkConfig(n_dense=10**6, cross_layers=100))
