"""The pages that people read, Markdown, taken apart: their examples, headings and links."""

import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, PAGES = ROOT / "README.md", sorted((ROOT / "docs").rglob("*.md"))
OTHERS = [*ROOT.glob("*.md"), *(ROOT / folder / "README.md" for folder in ("benchmarks", "wheels"))]
BLOCK = re.compile(r"^(<!-- not run[^\n]*-->\n)?```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEAD = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(page, language):
    """The programs of a language on a page, in order, without those marked `<!-- not run -->`.

    Of the language "" are the blocks that name none, which hold commands.
    """
    return [text for named, text in steps(page) if named == language]


def steps(page):
    """What a page has its reader do, in order: pairs of a language, "" of commands, and a text."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(named, text) for mark, named, text in found if not mark]


def prose(page):
    """What a page holds beside its blocks."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


@functools.cache
def heads():
    """The headings of each page, as a link after # names them."""
    return {page: {slug(head) for head in HEAD.findall(prose(page))} for page in [*PAGES, *OTHERS]}


def slug(head):
    """What GitHub makes of a heading.

    Example:

    >>> slug("Beside its rivals: `make bench`")
    'beside-its-rivals-make-bench'
    """
    return re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")


def links(page):
    """The files of the repository that a page links, and the heading in each, "" for none."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"\w+:", target):
            path, _, head = target.partition("#")
            yield (page.parent / path).resolve() if path else page, head
