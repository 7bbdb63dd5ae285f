"""A model file is written whole or not at all."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import dcnfast


def test_links_and_modes_stay(fitted, path, tmp_path):
    model = fitted("plain")
    path.write_bytes(b"old")
    path.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert dcnfast.load(link).n_iter_ == model.n_iter_
    new = tmp_path / "new.dcn"
    model.save(new)
    other = tmp_path / "other"
    other.touch()
    assert new.stat().st_mode == other.stat().st_mode  # the umask's
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "model.dcn", "new.dcn", "other"]


def test_wrong_places(fitted, tmp_path):
    model = fitted("plain")
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        model.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model.save(tmp_path / "nowhere" / "model.dcn")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no file"):
        model.save(tmp_path / "pipe")
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]
    with pytest.raises(TypeError):
        model.save(3)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_write_that_fails(error, where, fitted, path, monkeypatch):
    fitted("labels").save(path)
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(*((os, "fsync") if where == "fsync" else (Path, "replace")), fail)
    with pytest.raises(type(error)) as raised:
        fitted("plain").save(path)
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert raised.value.errno == 28
        assert raised.value.filename == str(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


SAVES_UNDER_A_LIMIT = """
import resource, sys
import dcnfast
model = dcnfast.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    model.save(sys.argv[3])
except OSError as error:
    print(type(error).__name__, error.filename)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_a_full_disk(fitted, path, tmp_path):
    """Of the file system as a limit on files: the write itself fails, somewhere in the middle."""
    fitted("defaults").save(path)
    target = tmp_path / "target.dcn"
    fitted("plain").save(target)
    before = target.read_bytes()
    limit = str(path.stat().st_size // 2)
    command = [sys.executable, "-c", SAVES_UNDER_A_LIMIT, path, limit, target]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["OSError", str(target)]
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.dcn", "target.dcn"]


KILLED_SAVES = """
import os, random, signal, sys, time
from pathlib import Path
import dcnfast
files, target, times = sys.argv[1:3], Path(sys.argv[3]), int(sys.argv[4])
models = [dcnfast.load(path) for path in files]
whole = {Path(path).read_bytes() for path in files}
for _ in range(times):
    child = os.fork()
    while child == 0:
        for model in models:
            model.save(target)
    time.sleep(random.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert target.read_bytes() in whole
    dcnfast.load(target)
"""


def kill_at_random(fitted, folder, times):
    names = ("defaults", "piecewise")
    files = [folder / f"{name}.dcn" for name in names]
    for name, file in zip(names, files, strict=True):
        fitted(name).save(file)
    target = folder / "target.dcn"
    fitted(names[0]).save(target)
    command = [sys.executable, "-c", KILLED_SAVES, *files, target, str(times)]
    subprocess.run(command, check=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_killed_at_any_moment(fitted, tmp_path):
    kill_at_random(fitted, tmp_path, 20)


@pytest.mark.campaign
def test_killed_150_times(fitted, tmp_path):
    kill_at_random(fitted, tmp_path, 150)


def test_many_threads_save_to_one_path(fitted, rows, path):
    models = [fitted("plain"), fitted("rare")] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda model: model.save(path), models))
    loaded = dcnfast.load(path)
    assert any((loaded.predict(rows) == m.predict(rows)).all() for m in models)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
