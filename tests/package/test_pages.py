"""README.md and docs/*.md: their code prints what stands below it, their links lead somewhere."""

import contextlib
import inspect
import io
import re
import shutil
from pathlib import Path

import pytest

from bench import pages
from dcnfast import DCNClassifier, DCNRanker, DCNRegressor

ROOT = pages.README.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [pages.README, pages.RESULTS, *DOCS]
LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)#\s]*)(#[^)\s]*)?\)")


def blocks(page):
    """Return language and text of each block of code."""
    text = page.read_text()
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def answers(page):
    """Return each block of Python with what stands below it."""
    found = blocks(page)
    below = [*found, ("", "")][1:]
    return [
        (code, text if what == "text" else "")
        for (language, code), (what, text) in zip(found, below, strict=True)
        if language == "python"
    ]


def named(chosen):
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in chosen]


def run(page, code, names):
    """Run a block of code and return what it prints; it leaves its names to the next."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, str(page), "exec"), names)
    return printed.getvalue()


@pytest.mark.parametrize("page", named(p for p in PAGES if answers(p)))
def test_code_prints_what_stands_below_it(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for code, wanted in answers(page):
        if '"gcc"' in code and shutil.which("gcc") is None:
            pytest.skip("there is no compiler of C")
        assert run(page, code, names) == wanted, code


def test_every_text_stands_below_code():
    for page in PAGES:
        found = blocks(page)
        for before, (language, text) in zip([("", ""), *found], found, strict=False):
            assert language != "text" or before[0] == "python", (page.name, text)


@pytest.mark.parametrize("page", named(p for p in PAGES if any(b[0] == "py" for b in blocks(p))))
def test_code_that_draws(page, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    names, pictures = {}, []
    for language, code in blocks(page):
        if language in ("python", "py"):
            run(page, code, names)
            pictures += re.findall(r'savefig\("(.+?)"', code)
    assert pictures
    assert all(Path(name).read_bytes().startswith(b"\x89PNG") for name in pictures)


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target, anchor in LINK.findall(text):
        if target.startswith("http"):
            continue
        to = page.parent / target if target else page
        assert to.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", to.read_text(), flags=re.MULTILINE)
            assert anchor[1:] in [
                re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles
            ]


def test_index_lists_every_page():
    index = ROOT / "docs" / "README.md"
    listed = {target for target, _ in LINK.findall(index.read_text())}
    assert {page.name for page in DOCS} - {"README.md"} <= listed


def test_every_parameter_is_listed_with_its_default():
    text = (ROOT / "docs" / "parameters.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", text, flags=re.MULTILINE)
    defaults = {
        name: parameter
        for c in (DCNRegressor, DCNClassifier, DCNRanker)
        for name, parameter in inspect.signature(c).parameters.items()
    }
    assert sorted(name for name, _ in rows) == sorted(defaults)
    for name, default in rows:
        if name == "loss":  # has another one in each estimator
            losses = [
                inspect.signature(c).parameters["loss"].default
                for c in (DCNRegressor, DCNClassifier, DCNRanker)
            ]
            assert default == " or ".join(f'"{loss}"' for loss in losses)
        else:
            assert eval(default) == defaults[name].default, name
