"""A conditional model's page: one label over what is drawn, decoded, scored and walked."""

import json

import numpy as np
import pytest
from PIL import Image

from export.explore import site
from export.runtime import OnnxVAE
from keras_vae.distributions import Column

SITE = Column("site", "category", categories=tuple(f"ward {i}" for i in range(300)))
AGE = Column("age", "number", mean=40.125, scale=10.0)
VISITS = Column("visits", "count", mean=2.6, scale=2.0)
DAY = Column("day", "date", format="%d.%m.%Y", origin="2020-01-01", mean=100.0, scale=50.0)
BEGINNING = ["0", "40.13", "3", "10.04.2020"]
PIXELS = "[...document.querySelector('%s').getContext('2d').getImageData(0, 0, 8, 8).data]"


@pytest.fixture(scope="module")
def folder(make_vae, tmp_path_factory):
    vae = make_vae("mlp", (8, 8, 1), hidden=(8,), covariates=[SITE, AGE, VISITS, DAY])
    path = tmp_path_factory.mktemp("labels") / "bundle"
    vae.export(path)
    return path


@pytest.fixture(scope="module")
def page(folder, runtime, browser, serve):
    with serve(site.files(folder, runtime)) as address:
        browser.size(320, 900)
        browser.open(address)
        yield browser


def give(page, *values):
    """Gives the controls these values, as by hand."""
    page.run(
        f"""(() => {{
            const boxes = document.querySelectorAll("#label input, #label select");
            {json.dumps(values)}.forEach((value, i) => {{ boxes[i].value = value }});
            boxes[0].dispatchEvent(new Event("change", {{ bubbles: true }}));
        }})()"""
    )


def shows(page, selector, x):
    """Waits until a picture is x."""
    pixels = json.dumps(np.round(255 * x.ravel()).tolist())
    grey = f"{PIXELS % selector}.filter((_, i) => i % 4 === 0)"
    page.wait(f"{grey}.every((value, i) => Math.abs(value - {pixels}[i]) <= 1)", seconds=10)


def test_each_covariate_has_a_control_that_begins_at_its_mean(page):
    code = """[...document.querySelectorAll("#label label")].map((label) =>
        [label.firstChild.data, label.lastChild.value, label.lastChild.length ?? 0])"""
    names, values, lengths = zip(*page.run(code), strict=True)
    assert names == ("site", "age", "visits", "day")
    assert list(values) == BEGINNING
    assert lengths[0] == 300  # all of them
    assert page.run("document.documentElement.scrollWidth") == 320


def test_the_label_is_that_of_all_parts(page, folder, tmp_path):
    vae = OnnxVAE(folder)
    rng = np.random.default_rng(0)
    images = 255 * rng.integers(0, 2, (2, 8, 8), dtype=np.uint8)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    give(page, *BEGINNING)
    page.drop("#drop", *paths)
    page.wait("document.querySelectorAll('#steps button').length === 8")
    x = images[..., None] / np.float32(255)
    z = vae.encode(x)[0]
    for values, label in {
        ("299", "71.5", "0", "29.02.2024"): [299, 71.5, 0, 1520],
        ("2", "-20", "9", "01.01.2019"): [2, -20, 9, -365],
    }.items():
        give(page, *values)
        shows(page, "#samples canvas", vae.sample(1, seed=0, label=label))
        shows(page, "#decoded canvas", vae.sample(1, seed=0, label=label))
        shows(page, "#x_hat canvas", vae.decode(z[1:], label=[label]))
        shows(page, "#steps button:last-child canvas", vae.decode(z[1:], label=[label]))
        score = float(vae.score(x[1:], 100, seed=0, index=0, label=[label])["log_likelihood"][0])
        told = "Number(document.querySelector('#score').innerText.match(/(\\S+) nats/)[1])"
        page.wait(f"Math.abs({told} - {score}) < 0.011", seconds=10)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (("0", "", "3", "10.04.2020"), "age must be a number, got nothing"),
        (("0", "40", "3", "2020-04-10"), "day must be a date, DD.MM.YYYY, got 2020-04-10"),
    ],
)
def test_a_value_that_no_covariate_has_is_one_line(page, values, told):
    give(page, *values)
    page.wait(f"document.querySelector('#error').textContent === {json.dumps(told)}", seconds=10)
    give(page, *BEGINNING)
    page.wait("document.querySelector('#error').hidden", seconds=10)


def test_what_is_told_of_a_label_without_names_and_of_none(page):
    def begun(manifest):
        code = "const told = m.covariatesOf(given); return [told, m.beginning(told)]"
        return page.run(
            f"import('/labels.js').then((m) => {{ const given = {json.dumps(manifest)}; {code} }})"
        )

    digits = {"name": "Label", "kind": "category", "categories": [0, 1]}
    assert begun({"num_classes": 2}) == [[digits], [0]]
    assert begun({}) == [[], []]
    column = {**digits, "name": "digit", "label": True}
    assert begun({"num_classes": 2, "columns": [{"name": "x"}, column]}) == [[column], [0]]
