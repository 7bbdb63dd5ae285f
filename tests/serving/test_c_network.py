"""Stages 2 to 5 in C against the reference: every option that a network may have."""

import subprocess

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.members import OWN
from dcnfast.network.model import Model
from dcnfast.reference.network import ReferenceNetwork
from dcnfast.serving.c_source.deep import write_network
from dcnfast.serving.c_source.source import Source
from dcnfast.testing import draw_dense
from tests.conftest import NETWORKS
from tests.serving import compiled

pytestmark = compiled.compiles

ROWS = 5
MAIN = """\
int main(void) {{
  for (size_t i = 0; i < {rows}; ++i) {{
    double logits[{n}];
    network(all_ids + i * {fields}, all_dense + i * {columns}, logits);
    for (size_t c = 0; c < {n}; ++c) printf("%.17g ", logits[c]);
  }}
  return 0;
}}"""


def logits_of(folder, config, p, ids, dense):
    source = Source("m", config.dtype)
    includes = ("float.h", "math.h", "stddef.h", "stdint.h", "stdio.h", "string.h")
    source.write("\n".join(f"#include <{name}>" for name in includes))
    source.write("typedef double weight;\n#define MISSING_PLACE (-1e9)")
    for name in p:
        if name.startswith("embedding_") or name == "wide":
            source.weights(name, p[name])
    write_network(source, config, p)
    source.integers("all_ids", ids.ravel(), "int32_t")
    source.numbers("all_dense", dense)
    n = config.n_members * config.n_outputs
    source.write(MAIN.format(rows=ROWS, n=n, fields=ids.shape[1], columns=dense.shape[1]))
    (folder / "main.c").write_text(source.text)
    compiled.build(folder, ["-O0", "-fsanitize=undefined", "-fno-sanitize-recover"], ["main.c"])
    done = subprocess.run([folder / "a.out"], capture_output=True, text=True, check=True)
    return np.array(done.stdout.split(), float).reshape(ROWS, config.n_members, config.n_outputs)


@pytest.mark.parametrize(
    "full_network",
    [pytest.param(n, marks=[pytest.mark.campaign][: i >= 24]) for i, n in enumerate(NETWORKS)],
    indirect=True,
    ids=lambda options: options["structure"],
)
def test_a_network_is_the_reference_s(full_network, tmp_path):
    beside = {"weighted", "collision_weights"}  # factors are in the embeddings before it is written
    options = {name: value for name, value in full_network.items() if name not in beside}
    config, random = NetworkConfig(dtype="float64", **options), np.random.RandomState(3)
    model = Model(config).initialize(random)
    p = {name: a + random.normal(0, 0.2, a.shape) for name, a in model.parameters.items()}
    dense = draw_dense(config, ROWS, random)
    ids = np.array([random.randint(V, size=ROWS) for _, V, _ in config.fields]).reshape(-1, ROWS).T
    wanted = ReferenceNetwork(config).forward(p, ids, dense)["logits"]
    wanted = np.moveaxis(wanted.reshape(config.n_members, ROWS, -1), 0, 1)
    got = logits_of(tmp_path, config, p, ids, dense)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    assert all(p[name].any() for name in OWN if name in p)


def test_numbers_are_the_same_in_c(tmp_path):
    numbers = [0.0, -0.0, 1.0, -2.5, 0.1, 1 / 3, 5e-324, 1.7976931348623157e308, np.inf, -np.inf]
    source = Source("m", "float32")
    source.write("#include <math.h>\n#include <stdio.h>\ntypedef float weight;")
    source.numbers("wide", numbers)
    source.weights("narrow", np.array(numbers[:6], np.float32))
    source.write(
        "int main(void) {\n"
        f'  for (int i = 0; i < {len(numbers)}; ++i) printf("%a ", wide[i]);\n'
        '  for (int i = 0; i < 6; ++i) printf("%a ", (double)narrow[i]);\n'
        "  return 0;\n}"
    )
    (tmp_path / "main.c").write_text(source.text)
    compiled.build(tmp_path, [], ["main.c"])
    done = subprocess.run([tmp_path / "a.out"], capture_output=True, text=True, check=True)
    got = np.array([float.fromhex(text) for text in done.stdout.split()])
    wanted = np.array([*numbers, *np.float32(numbers[:6])])
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))
