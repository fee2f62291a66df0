"""By real clicks and keys the page gives what the runtime in Python gives."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from export.explore import site
from export.runtime import OnnxVAE, rows
from keras_vae import noise
from keras_vae.tables import finding

HIDDEN = "document.querySelector('#error').hidden"
ERROR = "document.querySelector('#error').textContent"
PIXELS = "[...document.querySelector('%s canvas').getContext('2d').getImageData(0, 0, 8, 8).data]"
DECODED = PIXELS % "#decoded"


@pytest.fixture(scope="module")
def address(exported, runtime, browser, serve):
    with serve(site.files(exported, runtime)) as address:
        yield address


@pytest.fixture
def page(address, browser):
    """Opened once; the tests begin by what they need."""
    browser.size(900, 900)
    if browser.run("location.href") != address:
        browser.logged.clear()
        browser.open(address)
    return browser


@pytest.fixture
def images(tmp_path):
    """Two binary images of the size of the model's, and a larger one of colours."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        pixels = 255 * rng.integers(0, 2, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(tmp_path / "large.png")
    return tmp_path


def z_of(page):
    numbers = page.run("document.querySelector('#z').value")
    return np.array(numbers.split(","), np.float32)


def grey(page):
    return np.array(page.run(DECODED)).reshape(8, 8, 4)[..., 0]


def pixels(x):
    return np.round(255 * x.reshape(8, 8))


def text(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)}).innerText")


def draw(page, seed):
    page.run("document.querySelector('[name=seed]').value = ''")
    page.click("[name=seed]")
    page.press(*str(seed), "Enter")
    page.wait(f"document.querySelector('[aria-label$=\"seed {seed}\"]') !== null")


def test_z_is_that_of_numpy_to_the_bit(page):
    draw(page, -42)
    page.click("[aria-label='sample 5 of seed -42']")
    assert z_of(page).tobytes() == noise.latent(-42, 5, 1, 3)[0].tobytes()
    assert "to the bit" in text(page, "#status")


def test_the_picture_is_that_of_the_runtime(page, exported):
    draw(page, 7)
    page.click("[aria-label='sample 3 of seed 7']")
    (x_hat,) = OnnxVAE(exported).sample(1, seed=7, first=3)
    page.wait(f"Math.abs({DECODED}[0] - {pixels(x_hat)[0, 0]}) <= 1")
    assert np.abs(grey(page) - pixels(x_hat)).max() <= 1


def test_a_slider_moves_one_dimension_by_the_keyboard(page):
    before, name = z_of(page), text(page, "#sliders label")
    place = int(name[2])
    page.run("document.querySelector('#sliders input').focus()")
    page.press("ArrowRight", "ArrowRight")
    moved = z_of(page) - before
    assert 0 < moved[place] <= 0.125  # to a step of 0.05, and one or two of them
    assert not np.delete(moved, place).any()


def test_sliders_stand_in_the_order_of_their_kl_divergence(page, exported):
    vae = OnnxVAE(exported)
    z_mean, z_log_var = vae.encode(vae.sample(64, mean=False))
    kl = (0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)).mean(0)
    order = page.run("[...document.querySelectorAll('#sliders label')].map((l) => +l.innerText[2])")
    assert order == np.argsort(-kl).tolist()
    assert f"{kl.max():.2f} nats" in text(page, "#order")


def test_an_image_is_encoded_decoded_and_scored(page, exported, images):
    page.choose("#file input", images / "a.png")
    page.wait("document.querySelector('#score').innerText.startsWith('log p')")
    x = np.asarray(Image.open(images / "a.png")).reshape(1, 8, 8, 1) / 255
    vae = OnnxVAE(exported)
    np.testing.assert_allclose(z_of(page), vae.encode(x)[0][0], atol=1e-5)
    scores = {name: float(score[0]) for name, score in vae.score(x, 100, seed=0, index=0).items()}
    found = [float(number) for number in re.findall(r"(\S+) nats", text(page, "#score"))]
    assert found == pytest.approx([scores["log_likelihood"], scores["elbo"]], abs=0.011)


def test_an_image_of_another_size_is_resized_with_a_word(page, images):
    page.choose("#file input", images / "large.png")
    page.wait("document.querySelector('#score').innerText.startsWith('Resized')")
    assert text(page, "#score").startswith("Resized from 30 × 40 to 8 × 8. Made black and white")


def test_two_images_that_are_dropped_make_a_walk(page, exported, images):
    page.drop("#drop", images / "a.png", images / "b.png")
    page.wait("document.querySelectorAll('#steps button').length === 8")
    x = np.stack(
        [np.asarray(Image.open(images / n)).reshape(8, 8, 1) / 255 for n in ("a.png", "b.png")]
    )
    a, b = OnnxVAE(exported).encode(x)[0]
    page.click("#steps button:nth-child(3)")
    np.testing.assert_allclose(z_of(page), (5 * a + 2 * b) / 7, atol=1e-5)


def test_the_map_is_walked_by_arrow_keys(page):
    page.click("#map button:nth-child(41)")
    across, up = (
        int(page.run(f"document.querySelector('#{name}').value")) for name in ("across", "up")
    )
    assert z_of(page)[[across, up]].tolist() == [0, 0]
    page.press("ArrowRight", "ArrowUp", "Enter")
    assert (z_of(page)[[across, up]] > 0).all()


def test_draws_are_those_of_the_generator(page, exported):
    page.run("document.querySelector('[name=what]').focus()")
    page.press("ArrowDown")
    page.wait(f"{PIXELS % '#samples'}.every((value) => value === 0 || value === 255)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(page, scheme):
    page.size(320, 640, scheme)
    assert page.run("document.documentElement.scrollWidth") == 320
    ink, paper = page.run(
        "['color', 'backgroundColor'].map((n) => getComputedStyle(document.documentElement)[n])"
    )
    assert contrast(ink, paper) > 7
    assert (brightness(ink) < brightness(paper)) == (scheme == "light")


def brightness(color):
    """The relative luminance, as WCAG has it."""
    parts = [int(c) / 255 for c in color.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a, b):
    dark, light = sorted([brightness(a), brightness(b)])
    return (light + 0.05) / (dark + 0.05)


def test_all_is_reached_by_tab(page):
    seen = set()
    for _ in range(40):
        page.press("Tab")
        seen.add(
            page.run(
                "document.activeElement.closest('section')?.querySelector('h2').innerText ?? ''"
            )
        )
    assert {"Draw", "One z", "Encode", "Walk", "Map"} <= seen


def test_nothing_is_asked_of_another_host(page, address):
    assert page.asked()
    assert all(asked.startswith((address, "data:", "blob:")) for asked in page.asked())


def test_the_first_image_comes_within_two_seconds(page, address):
    """Of a warm load, the best of three."""
    times = []
    for _ in range(3):
        page.open(address)
        times.append(page.run("Number(document.documentElement.dataset.firstImage)"))
    assert min(times) < 2000


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "[name=seed]",
            "seven",
            "the seed must be a whole number from -2^63 to 2^63 - 1, got seven",
        ),
        (
            "[name=seed]",
            str(2**63),
            f"the seed must be a whole number from -2^63 to 2^63 - 1, got {2**63}",
        ),
        ("#z", "1, 2", "z must be 3 numbers, got 2: 1, 2"),
    ],
)
def test_bad_input_is_one_line(page, name, value, told):
    page.run(
        f"(() => {{ const e = document.querySelector('{name}'); e.value = {json.dumps(value)};"
        "e.dispatchEvent(new Event('change', {bubbles: true})) })()"
    )
    page.wait(f"!{HIDDEN}")
    assert page.run(ERROR) == told


def test_a_file_that_is_no_image_is_one_line(page, tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    page.choose("#file input", tmp_path / "notes.txt")
    page.wait(f"!{HIDDEN}")
    assert page.run(ERROR) == "notes.txt is no image that this browser reads"


# What the page shows of other data, by its own modules; no model is needed.

PEOPLE = [
    {"name": "sex", "kind": "category", "categories": ["f", "m"]},
    {"name": "height", "kind": "number", "decimals": 1},
    {"name": "children", "kind": "count"},
    {"name": "born", "kind": "date", "origin": "1970-01-01", "format": "%Y-%m-%d"},
]
TABLE = {"input_shape": [4], "columns": PEOPLE, "x": {"missing": "NaN"}}


def module(page, name, code, manifest):
    given = f"const manifest = {json.dumps(manifest)}"
    return page.run(f"import('/{name}.js').then((m) => {{ {given}; {code} }})")


def test_a_row_of_a_table_is_shown_and_read_back(page):
    row = "m, 170.5, 2, 1970-01-11"
    values = module(page, "unit", f"return [...m.parsed(manifest, '{row}')]", TABLE)
    assert values == [1, 170.5, 2, 10]
    assert module(page, "unit", f"return m.text(manifest, {values})", TABLE) == row
    code = f"""
        const {{ rows }} = m.viewer(manifest)({values}, false);
        return [...rows].map((row) => [...row.cells].map((cell) => cell.innerText))"""
    shown = module(page, "show", code, TABLE)
    assert shown == [["sex", "m"], ["height", "170.5"], ["children", "2"], ["born", "1970-01-11"]]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (", 170, 2, ", [None, 170, 2, None]),  # NaN, which JSON writes as null
        ("x, 170, 2, ", "sex must be one of f, m, got x"),
        ("m, tall, 2, ", "height must be a number, got tall"),
        ("m, 170", "x must be 4 values with commas between, got 2"),
    ],
)
def test_a_value_that_no_column_has_is_refused_and_a_gap_is_not(page, row, told):
    code = f"""
        try {{ return JSON.stringify([...m.parsed(manifest, '{row}')]) }}
        catch (error) {{ return JSON.stringify(error.message) }}"""
    assert json.loads(module(page, "unit", code, TABLE)) == told


@pytest.mark.parametrize("form", finding.FORMATS)
def test_dates_are_those_of_the_runtime_in_each_format(page, form):
    """Whatever the browser's zone is."""
    column = {"name": "born", "kind": "date", "origin": "2020-02-28", "format": form}
    days = [-7305.0, 0.0, 1.25, 6.5218749, 40.999]
    written = rows.texts([column], np.array(days)[:, None])["born"]
    page.send("Emulation.setTimezoneOverride", timezoneId="America/New_York")
    code = f"""
        return {days}.map((days) => m.dateText(manifest, days))
            .map((text) => [text, m.daysOf(manifest, text)])"""
    found = module(page, "dates", code, column)
    page.send("Emulation.setTimezoneOverride", timezoneId="")
    assert [text for text, _ in found] == written
    assert [read for _, read in found] == [rows.days_of(column)(text) for text in written]


@pytest.mark.parametrize("text", ["2020-03-05", "31.02.2020", "05.03.2020 10:00", "5/3/2020", ""])
def test_a_date_in_another_format_is_refused_with_what_is_expected(page, text):
    born = {"name": "born", "kind": "date", "origin": "1970-01-01", "format": "%d.%m.%Y"}
    code = f"try {{ m.parsed(manifest, '{text}') }} catch (error) {{ return error.message }}"
    told = module(page, "unit", code, {"input_shape": [1], "columns": [born]})
    assert told == f"born must be a date, DD.MM.YYYY, got {text or 'nothing'}"


def test_a_category_may_hold_what_separates_values(page):
    names = ["b, c", 'd "e"', ' f; "', "g", '"h"', "i\tj"]
    kind = {"name": "kind", "kind": "category", "categories": names}
    table = {"input_shape": [6], "columns": [kind] * 6}
    code = "const text = m.text(manifest, [0, 1, 2, 3, 4, 5]); return [...m.parsed(manifest, text)]"
    assert module(page, "unit", code, table) == [0, 1, 2, 3, 4, 5]
    code = 'return [...m.parsed(manifest, \'"b, c", g\\tg; "g" ,g,  "i\tj"\')]'
    assert module(page, "unit", code, table) == [0, 3, 3, 3, 3, 5]


def test_vectors_are_bars_of_their_height(page):
    code = """
        const svg = m.viewer(manifest)(Float32Array.of(1, -2, 4));
        const heights = [...svg.querySelectorAll("rect")].map((bar) => bar.getAttribute("height"));
        return [svg.getAttribute("viewBox"), ...heights]"""
    assert module(page, "show", code, {"input_shape": [3]}) == ["0 -4 3 6", "1", "2", "4"]


@pytest.mark.parametrize(
    ("location", "scale", "white"),
    [(0.0, 255.0, 255), (127.5, 127.5, 255), ([[[0.13]]], [[[0.31]]], 1), (0.0, 10.0, 10)],
)
def test_pixels_are_shown_from_black_to_white_whatever_centres_them(page, location, scale, white):
    manifest = {"input_shape": [1, 2, 1], "preprocessing": {"location": location, "scale": scale}}
    unit = "return m.pixels(manifest)"
    assert module(page, "unit", f"{unit}.seen([0, {white}])", manifest) == [0, 1]
    assert module(page, "unit", f"{unit}.own([0, 1])", manifest) == [0, white]


def test_preprocessing_of_nested_lists_broadcasts(page):
    location, scale = [[[1.0, 2.0, 3.0]]], 2.0
    manifest = {"input_shape": [2, 2, 3], "preprocessing": {"location": location, "scale": scale}}
    x = np.arange(12.0)
    seen = ((x.reshape(2, 2, 3) - location) / scale).ravel().tolist()
    unit = "return m.preprocessing(manifest)"
    assert module(page, "unit", f"{unit}.seen({x.tolist()})", manifest) == seen
    assert module(page, "unit", f"{unit}.own({seen})", manifest) == x.tolist()
