"""What README.md and the pages of docs/ show runs as it stands, and what they link is there."""

import contextlib
import re
import shlex

import pytest

import export.cli
import export.explore.cli
import export.runtime.cli
import export.triton
import keras_vae.cli
from benchmarks.ladder import __main__ as ladder
from keras_vae import VAE
from tests.pages import PAGES, README, ROOT, blocks, heads, links, prose
from tests.pictures import drawn

ANOMALIES = ROOT / "docs" / "anomalies.md"
COMMANDS = sorted(
    {line for page in [README, *PAGES] for text in blocks(page, "") for line in text.splitlines()}
)
EXPORTS = {
    "export": export.cli,
    "export.runtime": export.runtime.cli,
    "export.explore": export.explore.cli,
    "export.triton": export.triton,
}


def words(command):
    """The arguments of a command, without the comment after it."""
    return shlex.split(command, comments=True)


def run(page, names):
    for example in blocks(page, "python"):
        exec(example, names)


@contextlib.contextmanager
def hurried():
    """Each training takes one epoch: what comes of it is no claim of a page."""

    def fit(self, *given, fit=VAE.fit, **options):
        return fit(self, *given, **{**options, "epochs": 1})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VAE, "fit", fit)
        yield


@pytest.fixture(scope="module")
def readme(tmp_path_factory, exported_once):
    """The folder and the names that the example of the README leaves, where the pages go on."""
    folder, names = tmp_path_factory.mktemp("readme"), {}
    with contextlib.chdir(folder), hurried(), drawn():
        run(README, names)
    return folder, names


def test_the_example_of_the_readme_leaves_what_it_says(readme):
    folder, names = readme
    assert {"samples.png", "vae.keras", "bundle"} <= {path.name for path in folder.iterdir()}
    assert names["vae"].input_shape == (8, 8, 1)
    (example,) = blocks(README, "python")
    assert len(example.strip().splitlines()) <= 12


STARTS = ROOT / "docs" / "start"  # walked by test_start.py
SHOWN = [
    page for page in PAGES if blocks(page, "python") and page != ANOMALIES and page.parent != STARTS
]


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_one_after_another(page, readme, monkeypatch):
    folder, names = readme
    monkeypatch.chdir(folder)
    with hurried():
        run(page, dict(names))


def test_the_example_of_anomalies_finds_them(readme, monkeypatch):
    folder, names = readme
    monkeypatch.chdir(folder)
    names = dict(names)
    run(ANOMALIES, names)
    assert names["found"] > 0.5 > 0.15 > names["false_alarms"]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python -m keras_vae")])
def test_commands_of_keras_vae_are_understood(command):
    assert vars(keras_vae.cli.parser().parse_args(words(command)[3:]))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python -m export")])
def test_commands_of_export_are_understood(command, tmp_path, monkeypatch, capsys):
    """All but their input, which is not there."""
    monkeypatch.chdir(tmp_path)
    _, _, module, *arguments = words(command)
    assert EXPORTS[module].main(arguments) == 2
    assert capsys.readouterr().err.startswith(("error: there is no file runs/", "error: runs/"))


def test_make_targets_exist():
    shown = re.findall(r"^make (\w+)", "\n".join(blocks(README, "")), re.MULTILINE)
    assert shown == ["export", "test"]
    named = re.findall(r"`make ([\w-]+)(?![\w/-])", "".join(map(prose, [README, *PAGES])))
    makefile = (ROOT / "Makefile").read_text()
    for target in {*shown, *named}:
        assert re.search(rf"^{target}:.*##", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", heads(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_is_there(page):
    for target, head in links(page):
        assert target.exists(), target
        assert not head or head in heads()[target], f"{target}#{head}"


def test_the_readme_is_short_and_leads_to_every_page():
    assert README.read_text(encoding="utf-8").count("\n") <= 130
    assert {*PAGES} <= {target for target, _ in links(README)}


def test_no_placeholder_is_left():
    assert not [page for page in [README, *PAGES] if re.search(r"@\w+@", prose(page))]


def test_the_latents_that_are_active_are_those_of_the_ladder():
    """docs/choose.md names them beside their number."""
    text = (ROOT / "docs" / "choose.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([\w-]+)`, .* \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    found = {name: ladder.found(name) for name, _, _ in told}
    assert len(told) == 7
    assert told == [
        (name, str(run["settings"]["latent_dim"]), str(run["active_units"]))
        for name, run in found.items()
    ]


def test_the_results_are_those_of_the_ladder():
    """`make ladder` prints what the committed JSONs say."""
    table = ladder.table({name: (row, ladder.found(name)) for name, row in ladder.rows().items()})
    assert table in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
