"""What MkDocs does beside its own: pages from outside docs/, and the links that lead there.

The links of a page are those of the repository, as on GitHub. On the site README.md is the first
page; the others of `OTHERS` are pages too, and a file of code that is linked becomes a page that
shows it. A program of docs/examples/ becomes the page that its cells say.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
OTHERS = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CITATION.cff": "source/CITATION.cff.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Files of the repository, and the page of the site that each is."""
LANGUAGES = {".py": "python", ".mjs": "js", ".json": "json", ".html": "html", ".cpp": "cpp"}
LINK = re.compile(r"^```.*?^```$|\]\(([^)\s:]+)\)", re.DOTALL | re.MULTILINE)
"""A block, which holds no links, or a link to a file; those to other hosts have a colon."""


def on_files(files, config):
    """Adds the pages that do not stand in docs/."""
    for path, uri in OTHERS.items():
        files.append(File.generated(config, uri, content=shown(path)))
    for path in sorted((ROOT / "docs" / "examples").glob("*.py")):
        page = literate(path.read_text(encoding="utf-8"))
        files.append(File.generated(config, uri_of(f"docs/examples/{path.name}"), content=page))
    for page in list(files.documentation_pages()):
        for path in linked(page.content_string, source_of(page.src_uri)):
            uri = uri_of(path)
            if not uri.startswith("source/") or files.get_file_from_path(uri):
                continue
            if uri.endswith(".png"):
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
            elif (ROOT / path).exists():
                files.append(File.generated(config, uri, content=shown(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links to files of the repository into links to pages of the site."""
    source = source_of(page.file.src_uri)

    def turned(link):
        if not link[1] or link[1].startswith("#"):
            return link[0]
        path, _, head = link[1].partition("#")
        uri = uri_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        near = posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")
        return f"]({near}{head and '#'}{head})"

    return markdown if source.startswith("source/") else LINK.sub(turned, markdown)


def source_of(uri):
    """The file of the repository that a page is made of."""
    here = {page: path for path, page in OTHERS.items()}
    return here.get(uri) or (uri if uri.startswith("source/") else f"docs/{uri}")


def uri_of(path):
    """The page that a file of the repository becomes, or the file of docs/ that it is."""
    if path.startswith("docs/examples/"):
        return path.removeprefix("docs/").replace(".py", ".md")
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return OTHERS.get(path, f"source/{path}" + ("" if path.endswith(".png") else ".md"))


def literate(program):
    """The page of a program: its cells of Markdown as text, those of code as blocks.

    Example:

    >>> literate("# %% [markdown]\\n# # Digits\\n\\n# %%\\nprint(7)\\n").splitlines()
    ['# Digits', '', '```python', 'print(7)', '```']
    """
    _, *cells = re.split(r"^# %%(.*)\n", program, flags=re.MULTILINE)
    texts = []
    for kind, cell in zip(cells[::2], cells[1::2], strict=True):
        text = re.sub(r"^# ?", "", cell, flags=re.MULTILINE).strip()
        texts.append(text if "markdown" in kind else f"```python\n{cell.strip()}\n```")
    return "\n\n".join(texts)


def linked(markdown, source):
    """The files of the repository that a page links."""
    for target in LINK.findall(markdown):
        if target and not target.startswith("#"):
            path = target.partition("#")[0]
            yield posixpath.normpath(posixpath.join(posixpath.dirname(source), path))


def shown(path):
    """The text of a page that shows a file or what is in a folder."""
    file = ROOT / path
    if file.suffix == ".md":
        return file.read_text(encoding="utf-8")
    if file.is_dir():
        return f"# {path}\n\n" + "".join(f"- `{p.name}`\n" for p in sorted(file.iterdir()))
    text = file.read_text(encoding="utf-8")
    return f"# {path}\n\n````{LANGUAGES.get(file.suffix, 'text')}\n{text}\n````\n"
