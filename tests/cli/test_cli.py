"""``python -m dcnfast``: the table, the picture, and what it says when something is missing."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import dcnfast
from dcnfast.commands import cli, study
from dcnfast.datasets import make_almond_clicks

PARAMETERS = {
    "1 matrix cross layer": 36,
    "3 matrix cross layers": 96,
    "3 vector cross layers": 36,
    "deep 512-256-128, rate 0.4": 167_425,
    "deep 512-256-128, rate 0.001": 167_425,
}


def rows_of(out):
    """Read the printed table back: model -> (parameters, RMSE)."""
    table = {}
    for line in out.splitlines():
        if match := re.match(r"(.+?) +([\d,]+) +(\d+\.\d+) +(\d+\.\d+) +([\d,]+)$", line):
            table[match[1]] = (int(match[2].replace(",", "")), float(match[3]))
    return table


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, subprocess.run(
        [sys.executable, "-W", "error", "-m", "dcnfast", "--quick"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip


def test_table(quick):
    _, done = quick
    table = rows_of(done.stdout)
    assert {name: count for name, (count, _) in table.items()} == PARAMETERS
    rmse = {name: value for name, (_, value) in table.items()}
    spread = np.std(make_almond_clicks(20_000).target[14_000:])
    too_fast = "deep 512-256-128, rate 0.4"
    for name in PARAMETERS.keys() - {too_fast}:
        assert rmse[name] < 0.05 * spread, name
    assert re.search(rf"^{too_fast}: (It has not learned|The network's outputs)", done.stdout, re.M)
    assert "The almond study: 14,000 rows, batches of 100, 30 epochs." in done.stdout
    for (
        name
    ) in PARAMETERS:  # progress goes to the other stream, a line a model where it is no terminal
        assert re.search(
            rf"^{re.escape(name)} +30 epochs, loss [\d.e+-]+$", done.stderr, re.MULTILINE
        )


def test_picture(quick):
    folder, done = quick
    picture = folder / "almond_crosses.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "Wrote almond_crosses.png" in done.stdout
    before_the_table = done.stdout.partition("parameters")[0]
    assert f"It ends with a picture, almond_crosses.png, in {folder.resolve()}." in before_the_table
    assert [p.name for p in folder.iterdir()] == [picture.name]


TINY = """
import sys
{before}
from dcnfast.commands import cli
from dcnfast.commands import study
study.QUICK = study.Size(n_train=300, n_evaluate=100, batch_size=100, max_iter=2)
sys.exit(cli.main(["--quick"]))
"""


def test_without_matplotlib_the_table_is_printed_and_the_extra_named(tmp_path):
    code = TINY.format(before="sys.modules['matplotlib'] = None")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    assert rows_of(done.stdout).keys() == PARAMETERS.keys()
    before, table, after = done.stdout.partition("model  ")
    assert table
    for part in (before, after):  # who waits for minutes knows what for, and finds it at the end
        assert (
            "No picture: drawing needs matplotlib, the extra 'plot': pip install matplotlib."
            in part
        )
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "QUICK", study.Size(300, 100, 100, 2))
    monkeypatch.setattr(cli, "PICTURE", tmp_path / "nowhere" / "picture.png")
    assert cli.main(["--quick"]) == 0
    assert re.search(r"No picture: there is no .*nowhere\.\n\nmodel ", capsys.readouterr().out)


def test_picture_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "PICTURE", tmp_path)
    assert cli.plan_picture() == f"{tmp_path} is a directory"
    picture = tmp_path / "picture.png"
    monkeypatch.setattr(cli, "PICTURE", picture)
    assert cli.plan_picture() is None
    monkeypatch.setattr(cli.os, "access", lambda *_: False)
    assert cli.plan_picture() == f"{tmp_path} cannot be written to"
    picture.touch()
    assert cli.plan_picture() == f"{picture} cannot be written to"


def test_picture_that_fails_at_the_end_is_said(monkeypatch):
    class Full:
        figure_ = None

        def savefig(self, *_, **__):
            raise OSError(28, "No space left on device")

    Full.figure_ = Full()
    monkeypatch.setattr(cli.CrossWeightsDisplay, "from_estimator", lambda *_, **__: Full)
    assert cli.draw(None) == "No picture: [Errno 28] No space left on device"


def test_what_is_said_before_the_study_is_said_at_once(tmp_path):
    """Into a pipe, too, where Python writes late."""
    code = TINY.format(before="").replace("max_iter=2", "max_iter=10**7")
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "almond study" in process.stdout.readline()
        assert "almond_crosses.png" in process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_the_whole_study(tmp_path):
    # a shell's background job ignores the signal
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = TINY.format(before=heard).replace("max_iter=2", "max_iter=10**7")
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "almond study" in process.stdout.readline()
        time.sleep(1)  # the first model is at work now, and would be for a day
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Interrupted."


def test_dead_network_is_explained(capsys):
    model = type("Model", (), {"n_parameters_": 1})
    results = [
        study.Result("dead", model, 0.8087, 1.0, 1.0, "Units that are dead"),
        study.Result("odd", model, 0.1, 1.0, 1.0, "Training diverged"),
        study.Result("fine", model, 0.1, 1.0, 1.0, None),
    ]
    cli.print_complaints(results, 0.8087)
    out = capsys.readouterr().out
    assert "dead: Units that are dead" in out
    assert out.count("is the standard deviation of y, 0.8087: the network is dead") == 1
    assert "odd: Training diverged" in out
    assert "fine" not in out


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_bar_on_a_terminal():
    stream = Terminal()
    bar = cli.Bar(stream, 10)
    bar("model", 5, 0.25)
    assert "[###############...............] epoch   5/10 loss 0.25" in stream.text
    bar.clear()
    assert stream.text.endswith("\r")
    assert "\n" not in stream.text


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("--help", 0), ("--fast", 2)])
def test_arguments(argument, code, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([argument])
    assert stop.value.code == code
    if argument == "--version":
        assert capsys.readouterr().out == f"dcnfast {dcnfast.__version__}\n"
