"""What a fit prints."""

import re

import pytest


def test_verbose_prints_a_line_an_epoch(table, regressor, capsys):
    regressor(max_iter=3, tol=None).fit(table.X, table.y)
    assert capsys.readouterr().out == ""
    regressor(max_iter=3, tol=None, verbose=1, early_stopping=True).fit(table.X, table.y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    said = r"Epoch +3 of 3: loss [\d.]+, score of held-out rows -[\d.]+, [\d,]+ rows/s, "
    assert re.fullmatch(said + "at most 0:00:00 left", lines[2])


def test_verbose_2_says_where_the_time_went(table, classifier, capsys):
    classifier(max_iter=2, tol=None, verbose=2, early_stopping=True).fit(table.X, table.binary)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Epoch   1 of 2: loss")
    assert re.fullmatch(r"[0-9.e-]+ s on \d+ threads?, of which", lines[2])
    shares = {
        line[:24].strip(): float(line.rstrip("%").split()[-1])
        for line in lines[3:-1]
        if line.endswith("%")
    }
    parts = ["encode", "train", "validate", "other"]
    assert sum(shares[part] for part in parts) == pytest.approx(100, abs=0.3)
    stages = [share for name, share in shares.items() if name not in parts]
    assert len(stages) >= 8
    assert sum(stages) == pytest.approx(100, abs=1)
    assert re.fullmatch(r"[0-9,]+ rows a second .* this machine's FMA peak", lines[-1])
