"""What the C API makes of files that are damaged, forged or of later versions; and its library."""

import subprocess
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from dcnfast import c_api
from dcnfast.network.config import NetworkConfig
from tests.serving.c_program import BAD_FILE, CANNOT_READ, UNSUPPORTED, needs_c
from tests.serving.sealed import opened, sealed
from tests.serving.test_forged_files import RICH, forge

pytestmark = [needs_c, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]

SOURCES = Path(__file__).parents[2] / "src" / "cpp"


def test_what_a_later_version_adds_is_not_guessed(file_of, statuses):
    tree, data = opened(file_of("plain"))
    text = tree["__metadata__"]["model"]
    tree["__metadata__"]["model"] = text.replace('"dtype":"float32"', '"dtype":"float32","new":1')
    (found,) = statuses([sealed(tree, data)])
    assert found[0] == UNSUPPORTED
    assert "the state's network.config.new is not known" in found[1]


def test_broken_files(file_of, statuses):
    raw = file_of("rare")
    cut = [raw[:n] for n in (0, 5, 8, 100, 300, len(raw) // 2, len(raw) - 1)]
    rng = np.random.default_rng(0)
    for _ in range(150):
        flipped = bytearray(raw)
        flipped[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))
        cut.append(bytes(flipped))
    cut += [raw + b"x", b"\x80\x04", b"PK", raw.replace(b"dcnfast-1", b"dcnfast-2")]
    found = statuses([raw, *cut])
    assert found[0] == (0, "")
    assert {status for status, _ in found[1:]} == {BAD_FILE}
    assert "pickle" in found[-3][1]
    assert "zip archive" in found[-2][1]
    assert "version 2 of the format" in found[-1][1]


@pytest.mark.parametrize("name", RICH)
def test_forged_files_are_errors_or_models(name, file_of, statuses):
    """Their digests are right, so all that is in them is read."""
    raw, rng = file_of(name), np.random.default_rng(sum(map(ord, name)))
    files = [forged for _ in range(60) if (forged := forge(raw, rng)) is not None]
    found = statuses(files)
    assert {status for status, _ in found} <= {0, BAD_FILE, UNSUPPORTED}
    assert sum(status != 0 for status, _ in found) > len(files) // 3


def test_files_that_there_are_not(programs, tmp_path):
    command = [programs["load_files"], tmp_path / "none.dcn", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.split("\n")[:2]
    assert first.startswith(f"{CANNOT_READ} ")
    assert second == f"{CANNOT_READ} the model cannot be loaded: it is a folder, want a model file"


def test_the_library_has_its_functions_alone_and_no_python():
    library = c_api.get_library()
    listing = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("there is no nm")
    symbols = [line.split() for line in listing.stdout.splitlines()]
    header = (Path(c_api.get_include()) / "dcnfast.h").read_text()
    defined = {
        parts[-1].partition("@")[0] for parts in symbols if len(parts) == 3 and parts[1] in "TDBVW"
    }
    assert "dcnfast_score" in defined
    of_kernels = {"dcnfast_compiled_kernels"}  # for _core beside it
    assert all(f"{name}(" in header for name in defined - of_kernels), defined
    assert not [parts[-1] for parts in symbols if parts[-1].startswith(("Py", "_Py"))]


def test_the_library_reads_every_field_of_a_network():
    """Else it would refuse all files, since what it does not know may change what is predicted."""
    reader = SOURCES / "capi" / "read_config.cpp"
    text = reader.read_text()
    assert not [field.name for field in fields(NetworkConfig) if f'"{field.name}"' not in text]
