"""What a tensor is for: the engine and the reference say the same, and initial values follow."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.reference.network import ReferenceNetwork

FIELDS = (("city", 11, 3), ("user", 60, 16))
WHOLE = {"fields": FIELDS, "n_dense": 4, "wide": True, "cross_layers": 2, "layer_norm": True}


@pytest.mark.parametrize("structure", ["parallel", "stacked", "stacked_parallel"])
@pytest.mark.parametrize("hidden", [(), (5,), (6, 3)])
@pytest.mark.parametrize("layers", [0, 2])
def test_engine_and_reference_have_the_same_tensors(structure, hidden, layers, kind):
    config = NetworkConfig(**WHOLE | kind | {"cross_layers": layers, "structure": structure},
                           hidden=hidden)  # fmt: skip
    model, reference = Model(config), ReferenceNetwork(config)
    assert model.network.roles == reference.roles()
    assert {name: shape for name, shape, _ in model.network.tensors} == reference.shapes()
    assert list(model.network.roles) == [name for name, _, _ in model.network.tensors]
    assert config.count_parameters() == model.n_parameters


@pytest.mark.parametrize("structure", ["parallel", "stacked", "stacked_parallel"])
def test_parts_are_the_networks(structure, kind):
    options = WHOLE | kind | {"structure": structure, "hidden": (6, 3)}
    network = Model(NetworkConfig(**options)).network
    assert list(network.parts) == list(network.roles)
    begins = {"cross": "cross_", "deep": "deep_", "tables": ("embedding_", "wide")}
    for name, part in network.parts.items():
        if part == "head":
            assert name in ("wide_W", "head_W", "head_b")
        else:
            assert name.startswith(begins[part])
    assert set(network.parts.values()) == {"cross", "deep", "head", "tables"}


def test_initial_values_follow_from_the_role(kind):
    model = Model(NetworkConfig(**WHOLE | kind, hidden=(50, 7), structure="stacked_parallel"))
    model.initialize(np.random.RandomState(0))
    roles = model.network.roles
    assert set(roles.values()) == {
        "cross_weight", "weight", "bias", "scale", "shift", "linear", "embedding",
        "linear_embedding",
    }  # fmt: skip
    for name, values in model.parameters.items():
        if roles[name] in ("cross_weight", "weight", "embedding"):
            assert np.unique(values).size > values.size // 2
        else:
            one = roles[name] == "scale" or (name, kind.get("cross")) == ("cross_b", "onlydense")
            np.testing.assert_array_equal(values, int(one))


def test_the_second_deep_part_has_a_name():
    config = NetworkConfig(n_dense=3, cross_layers=1, hidden=(2,), structure="stacked_parallel")
    names = list(Model(config).parameters)
    assert names == ["cross_W", "cross_b", "deep_W_0", "deep_b_0", "deep_parallel_W_0",
                     "deep_parallel_b_0", "head_W", "head_b"]  # fmt: skip
