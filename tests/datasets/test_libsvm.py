"""The reader of libsvm files, beside scikit-learn's."""

import gzip

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from dcnfast import datasets


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.txt"


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
def test_equals_scikit_learn(path, zero_based, grouped):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 7)) * (rng.random((40, 7)) < 0.5)
    X[3] = 0
    X[:, 0] = 1
    y, groups = rng.normal(size=40), np.sort(rng.integers(0, 5, 40))
    dump_svmlight_file(
        X, y, str(path), zero_based=zero_based, query_id=groups if grouped else None, comment="c"
    )
    data = datasets.load_libsvm(path)
    wanted, target = load_svmlight_file(str(path))
    assert np.array_equal(data.data.toarray(), wanted.toarray())
    assert np.array_equal(data.target, target)
    assert (data.group.tolist() if grouped else data.group) == (
        groups.tolist() if grouped else None
    )
    for how in ({"zero_based": zero_based}, {"n_features": 9}):
        got = datasets.load_libsvm(path, **how).data
        assert np.array_equal(got.toarray()[:, :7], wanted.toarray())
        assert got.shape == (40, how.get("n_features", 7))
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert datasets.load_libsvm(packed, n_rows=3).data.shape[0] == 3


def test_small_lines(path):
    path.write_text("+1 1:0.5 3:-2e1 # a comment\n\n# nothing\n-1\r\n0 2:7")
    data = datasets.load_libsvm(path)
    assert data.data.toarray().tolist() == [[0.5, 0, -20], [0, 0, 0], [0, 7, 0]]
    assert data.target.tolist() == [1, -1, 0]
    path.write_text("1\n2\n")
    assert datasets.load_libsvm(path).data.shape == (2, 1)


@pytest.mark.parametrize(
    ("line", "how", "text"),
    [
        ("a 1:1", {}, "target is 'a', want a number"),
        ("nan 1:1", {}, "target is 'nan', want a number"),
        ("1_0 1:1", {}, "target is '1_0', want a number"),
        ("1,2 1:1", {}, "target is '1,2', want a number"),
        ("1 1", {}, "'1', want index:value"),
        ("1 x:1", {}, "index is 'x', want an integer of at least 0"),
        ("1 -1:1", {}, "index is '-1', want an integer"),
        ("1 2:1 2:1", {}, "index 2, want an index above 2"),
        ("1 3:1 2:1", {}, "index 2, want an index above 3"),
        ("1 0:1", {"zero_based": False}, "index 0, want indices from 1"),
        ("1 9:1", {"n_features": 8}, "index 9, want at most 8"),
        ("1 8:1", {"n_features": 8, "zero_based": True}, "index 8, want at most 7"),
        ("1 1:inf", {}, "value of index 1 is 'inf', want a number"),
        ("1 1:", {}, "value of index 1 is '', want a number"),
        ("1 qid:1 1:1", {}, "qid, which others have not"),
        ("1 qid:x 1:1", {}, "qid is 'x', want an integer of at least 0"),
    ],
)
def test_malformed_lines(path, line, how, text):
    path.write_text(f"1 1:1\n{line}\n2 4:1\n")
    with pytest.raises(ValueError, match=rf"a\.txt, line 2: {text}"):
        datasets.load_libsvm(path, **how)
    data = datasets.load_libsvm(path, on_bad_lines="skip", **how)
    assert (data.n_skipped, data.target.tolist()) == (1, [1, 2])


def test_bad_arguments_and_files(path):
    path.write_text("1 qid:3 1:1\n1 2:1\n")
    with pytest.raises(ValueError, match="line 2: qid is missing"):
        datasets.load_libsvm(path)
    for value in (0, True, 1.5):
        with pytest.raises(ValueError, match=f"n_features is {value!r}, want an integer"):
            datasets.load_libsvm(path, n_features=value)
    with pytest.raises(ValueError, match="zero_based is 'no', want a bool or 'auto'"):
        datasets.load_libsvm(path, zero_based="no")
    with pytest.raises(ValueError, match="on_bad_lines is 'warn'"):
        datasets.load_libsvm(path, on_bad_lines="warn")
    with pytest.raises(ValueError, match="n_rows is 0"):
        datasets.load_libsvm(path, n_rows=0)
    path.write_text("1 0:1 1:1\n1 0:1 2:1\n")
    with pytest.raises(ValueError, match="line 2: index 2, want at most 1, as they begin with 0"):
        datasets.load_libsvm(path, n_features=2)
    path.write_text("# nothing\n")
    with pytest.raises(ValueError, match="has no well-formed row"):
        datasets.load_libsvm(path)


@pytest.mark.parametrize("group", ["", "qid:4 "])
def test_an_index_beyond_the_last_is_found_when_a_later_line_counts_from_0(path, group):
    lines = ["1", "2 2:5", "3 1:7 3:1", "4 0:1 2:6"]
    path.write_text("".join(f"{line[:1]} {group}{line[2:]}\n" for line in lines))
    data = datasets.load_libsvm(path, n_features=3, on_bad_lines="skip")
    np.testing.assert_array_equal(data.data.toarray(), [[0, 0, 0], [0, 0, 5], [1, 0, 6]])
    assert (data.target.tolist(), data.n_skipped) == ([1, 2, 4], 1)
    assert (data.group is None) == (not group)
    assert not group or data.group.tolist() == [4, 4, 4]
    assert datasets.load_libsvm(path, n_features=4).data.shape == (4, 4)
