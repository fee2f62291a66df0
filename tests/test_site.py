"""The site holds every page, builds without a warning, and asks no other host for anything.

MkDocs runs in an environment of its own, `make build/mkdocs/.locked`; `make test-all` makes it.
"""

import re
import subprocess

import pytest

from export import snippets
from tests import options
from tests.pages import PAGES, ROOT

PYTHON = ROOT / "build" / "mkdocs" / "bin" / "python"
DOCS = ROOT / "docs"
NAMED = re.findall(r"^ +- .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
LOADED = r"""<(?:link|script|img|iframe|source)\b[^>]*\b(?:src|href)=["']?(?:\w+:)?//"""
"""What a browser would have from another host as it shows a page."""


def test_every_page_stands_in_the_nav_once():
    assert len({*NAMED}) == len(NAMED)
    assert {page.relative_to(DOCS).as_posix() for page in PAGES} <= {*NAMED}


def test_the_page_of_options_is_that_of_the_parsers():
    """`python -m tests.options` writes it anew."""
    assert (DOCS / "reference" / "options.md").read_text(encoding="utf-8") == options.page()


def test_the_programs_of_ship_are_those_of_the_model_card():
    """tests/export/test_card.py runs them; docs/ship/ has them for the digits."""
    files = {"generator.onnx": {}, "scorer.onnx": {}}
    manifest = {"input_shape": [8, 8, 1], "latent_dim": 8, "files": files}
    pages = [page for page in PAGES if page.parent.name == "ship"]
    shown = [text.strip() for page in pages for text in every_block(page)]
    assert {*snippets.programs(manifest).values()} <= {*shown}


def every_block(page):
    return re.findall(r"^```\w+\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [PYTHON, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.skipif(not PYTHON.exists(), reason="needs make build/mkdocs/.locked")
def test_it_builds_without_a_warning_and_asks_no_other_host(site):
    pages = [*site.rglob("*.html")]
    assert {name.replace(".md", ".html") for name in NAMED} <= {
        page.relative_to(site).as_posix() for page in pages
    }
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(LOADED, text), page
        prose = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
        assert not re.findall(r"^(?:[-*] |\||\d+\. |```).*", prose, re.MULTILINE), page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:\w+:)?//", style.read_text("utf-8"))


@pytest.mark.skipif(not PYTHON.exists(), reason="needs make build/mkdocs/.locked")
def test_the_reference_shows_the_docstrings(site):
    for page, words in {
        "api": "How well the model explains each example: estimates from",
        "runtime": "It is meant for serving and for sharing",
    }.items():
        text = (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
        assert words in text
        assert "<p>:::" not in text
