"""The examples on MovieLens' and Criteo's files, on small files in their formats."""

import numpy as np
import pytest

from bench.examples import criteo, movielens
from bench.examples.data import VARIABLE

QUICK = {"max_iter": 2, "n_members": 1, "hidden_layer_sizes": (8,)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Small files of all three data sets."""
    monkeypatch.delenv(VARIABLE, raising=False)
    for example in (movielens, criteo):
        monkeypatch.setattr(example, "SEEDS", range(2))
    monkeypatch.setattr(movielens, "UNTOUCHED", QUICK)
    monkeypatch.setattr(criteo, "SETTINGS", QUICK)
    rng = np.random.default_rng(0)
    users, movies = range(1, 9), range(1, 7)
    for name in ("ml-100k", "ml-1m", "criteo"):
        (tmp_path / name).mkdir()
    rated = [(rng.choice(users), rng.choice(movies), 1 + i % 5, 10**9 + i) for i in range(120)]
    flags = "|".join("01" + 17 * "0")
    files = {
        "ml-100k/u.user": [f"{u}|{10 * u}|M|other|1234" for u in users],
        "ml-100k/u.item": [f"{m}|film|01-Jan-1995|||{flags}" for m in movies],
        "ml-100k/u.data": ["\t".join(map(str, row)) for row in rated],
        "ml-1m/users.dat": [f"{u}::F::25::{u % 3}::1234" for u in users],
        "ml-1m/movies.dat": [f"{m}::film::Drama|War" for m in movies],
        "ml-1m/ratings.dat": ["::".join(map(str, row)) for row in rated],
        "criteo/train.txt": [
            "\t".join([str(i % 2), *map(str, rng.integers(9, size=13)), *26 * [f"{i % 4:08x}"]])
            for i in range(140)
        ],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def test_movielens(folder):
    result = movielens.run(str(folder))
    small, large = result["ml-100k"], result["ml-1m"]
    assert [row["model"] for row in small["rows"]] == 2 * ["the tutorial's network"] + 2 * [
        "untouched"
    ]
    for part, figure in ((small, "rmse"), (large, "auc"), (large, "log_loss")):
        for name, found in part["mean"].items():
            of = [row[figure] for row in part["rows"] if row["model"] == name]
            assert found[figure] == pytest.approx(np.mean(of))
    assert small["published"]["DCN"] == 0.9326
    assert all(row["epochs"] == 8 for row in small["rows"][:2])


def test_movielens_takes_what_there_is(folder):
    (folder / "ml-1m" / "ratings.dat").unlink()
    assert set(movielens.run(str(folder))) == {"title", "ml-100k"}
    (folder / "ml-100k" / "u.data").unlink()
    with pytest.raises(FileNotFoundError, match=r"ml-100k/u\.data .*; .*ml-1m/ratings\.dat"):
        movielens.run(str(folder))


def test_splits_are_all_rows_once():
    parts = movielens.split(1000, (0.8, 0.1, 0.1), 0)
    assert [len(part) for part in parts] == [800, 100, 100]
    assert sorted(np.concatenate(parts)) == list(range(1000))


def test_criteo(folder, monkeypatch):
    result = criteo.run(str(folder))
    assert result["n_rows"] == 140
    figures = {"auc", "log_loss", "normalized_entropy", "calibration_ratio"}
    assert all(figures < row.keys() for row in result["rows"])
    monkeypatch.setattr(criteo, "ROWS", 70)
    assert criteo.run(str(folder))["n_rows"] == 70
