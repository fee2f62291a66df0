"""Anomalies: false alarms at the stated rate, for finite samples; a bundle decides as Keras."""

import json
import re
from dataclasses import replace
from fractions import Fraction

import keras
import numpy as np
import pytest
from scipy import stats

import export.cli
import keras_vae
from export.runtime import OnnxVAE
from keras_vae import anomaly, datasets
from keras_vae.anomaly import Detector, calibrate
from keras_vae.cli import main
from keras_vae.commands.runs import DERIVED, Run
from keras_vae.conformal import order, threshold
from keras_vae.distributions.base import SupportError
from tests.digits import WHOLE

FAILS = 1e-6  # how often a test of draws would fail if its seed were drawn anew
SETS = 4000  # calibration sets, each with a new example

SIZES = [(9, 0.1), (19, 0.05), (25, 0.1), (50, 0.3), (99, 0.01), (200, 0.07)]
TIES = {
    "two values": lambda rng, size: rng.integers(0, 2, size),
    "one value": lambda rng, size: np.zeros(size),
    "an atom": lambda rng, size: np.maximum(rng.normal(size=size), 1.0),
    "infinite now and then": lambda rng, size: np.where(rng.random(size) < 0.03, np.inf, 1.0),
}


def alarms(scores, rate):
    """How often the last of each row is above the threshold of those before it."""
    return sum(bool(row[-1] > threshold(row[:-1], rate)) for row in scores)


@pytest.mark.parametrize(("n", "rate"), SIZES)
def test_false_alarms_are_as_many_as_the_theorem_says(n, rate, rng):
    """Exactly 1 − k/(n + 1) where no scores are equal, at most the stated rate: both sides."""
    expected = 1 - order(n, rate) / (n + 1)
    assert rate - 1 / (n + 1) < expected <= rate + 1e-12
    found = alarms(rng.standard_t(2, size=(SETS, n + 1)), rate)
    least, most = stats.binom.ppf([FAILS / 2, 1 - FAILS / 2], SETS, expected)
    assert least <= found <= most


@pytest.mark.parametrize("kind", TIES)
@pytest.mark.parametrize(("n", "rate"), [(25, 0.1), (200, 0.07)])
def test_equal_scores_give_no_more_false_alarms(kind, n, rate, rng):
    scores = TIES[kind](rng, (SETS, n + 1))
    scores = scores[[np.isfinite(np.sort(row[:-1])[order(n, rate) - 1]) for row in scores]]
    assert alarms(scores, rate) <= stats.binom.ppf(1 - FAILS, len(scores), rate)


@pytest.mark.parametrize(("n", "rate"), [(9, 0.1), (30, 0.1), (40, 0.25), (99, 0.07)])
def test_above_the_threshold_is_a_conformal_p_value_of_at_most_the_rate(n, rate, rng):
    for _ in range(200):
        *scores, new = rng.integers(0, 12, n + 1)  # many are equal
        p_value = Fraction(1 + sum(score >= new for score in scores), n + 1)
        assert (new > threshold(scores, rate)) == (p_value <= Fraction(str(rate)))


@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (359, 0.05), (50, 0.3)])
def test_the_rate_of_one_calibration_set_varies_as_is_said(n, rate, rng):
    mean, deviation = Detector(None, 0.0, rate, 1, n).expected
    shares = 1 - np.sort(rng.random((SETS, n)))[:, order(n, rate) - 1]  # of uniform scores
    error = deviation / np.sqrt(SETS)
    assert abs(shares.mean() - mean) < 5 * error
    assert shares.std() == pytest.approx(deviation, rel=0.1)


@pytest.mark.parametrize(("rate", "needed"), [(0.5, 1), (0.1, 9), (0.07, 14), (0.01, 99)])
def test_too_few_examples_are_refused(rate, needed):
    assert order(needed, rate) == needed
    words = f"^a false_alarm_rate of {rate:g} needs at least {needed} held-out .* got {needed - 1}:"
    with pytest.raises(ValueError, match=words):
        order(needed - 1, rate)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, np.nan, "0.1", None])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(
        ValueError, match=r"^false_alarm_rate must be a number between 0 and 1, got"
    ):
        order(100, rate)


def test_a_threshold_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"^9 of the 20 examples have a log-likelihood that"):
        threshold(np.where(np.arange(20) < 9, np.inf, 0.0), 0.1)


def simulated(rng, count):
    """Examples of what the small models take, `(count, 8, 8, 1)`."""
    return rng.normal(0.5, 0.3, (count, 8, 8, 1)).astype("float32")


def test_a_model_raises_false_alarms_at_the_rate_and_finds_what_is_strange(make_vae, rng):
    detector = calibrate(make_vae(), simulated(rng, 99), 0.1, num_samples=5)
    new = detector.is_anomaly(simulated(rng, 3000))
    m = 100 - order(99, 0.1)  # of such a set the alarms are beta-binomial
    least, most = stats.betabinom.ppf([FAILS / 2, 1 - FAILS / 2], 3000, m, 100 - m)
    assert least <= new.sum() <= most
    assert new.dtype == bool
    assert detector.is_anomaly(simulated(rng, 50) + 2).all()


def test_the_score_is_minus_log_p_of_one_index_and_of_x_alone(make_vae, rng):
    vae, x = make_vae(), simulated(rng, 30)
    detector = calibrate(vae, x, 0.1, num_samples=7, seed=3)
    found = detector.anomaly_score(x)
    expected = -vae.score(x, 7, seed=3, index=0)["log_likelihood"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(detector.anomaly_score(x[::-1])[::-1], found, rtol=1e-5)
    np.testing.assert_allclose(detector.anomaly_score(x[4:5]), found[4:5], rtol=1e-5)
    assert detector.threshold == pytest.approx(np.sort(expected)[27], rel=2e-4)  # 28 of 30
    assert detector.anomaly_score(x[:0]).shape == (0,)


def test_what_has_no_density_or_overflows_is_an_anomaly(make_vae, rng):
    counts = rng.poisson(3.0, (40, 8, 8, 1)).astype("float32")
    detector = calibrate(make_vae(likelihood="poisson"), counts, 0.1, num_samples=3)
    counts[[2, 5], 0, 0, 0] = [-1, 0.5]
    assert np.flatnonzero(np.isinf(detector.anomaly_score(counts))).tolist() == [2, 5]
    assert detector.is_anomaly(counts)[[2, 5]].all()
    huge = np.full((1, 8, 8, 1), 1e30, "float32")
    real = calibrate(make_vae(), simulated(rng, 20), 0.1, num_samples=3)
    assert real.is_anomaly(huge).tolist() == [True]


def test_bad_requests_are_refused_in_one_line(make_vae, rng):
    vae, x = make_vae(), simulated(rng, 20)
    detector = calibrate(vae, x, 0.1, num_samples=2)
    wrong = [
        (lambda: detector.is_anomaly(np.full_like(x, np.nan)), "NaN or infinite"),
        (lambda: detector.is_anomaly(x[:, :7]), r"x must have shape \(batch, 8, 8, 1\)"),
        (lambda: detector.is_anomaly(x, label=3), "this model knows none"),
        (lambda: calibrate(vae, x[:8], 0.1), "at least 9 held-out normal examples, got 8"),
        (lambda: calibrate(vae, x, 0.1, num_samples=0), "num_samples must be a whole number"),
        (lambda: calibrate(vae, x, 0.1, seed=2**63), "seed must be a whole number"),
        (lambda: replace(detector, threshold=np.inf), "threshold must be a finite number"),
        (lambda: replace(detector, examples=20.5), "examples must be a whole number, got 20.5"),
        (lambda: replace(detector, index=-1), "index must be one whole number"),
        (lambda: replace(detector, data=7), "data must be a name, or None, got 7"),
    ]
    for call, words in wrong:
        with pytest.raises(ValueError, match=words) as refused:
            call()
        assert "\n" not in str(refused.value)
    with pytest.raises(SupportError, match="Bernoulli is for"):  # normal examples have a density
        calibrate(make_vae(likelihood="bernoulli"), x, 0.1)


def test_what_is_told_of_a_detector_makes_it_again(make_vae, rng):
    detector = calibrate(make_vae(), simulated(rng, 20), 0.1, 2, seed=-(2**63), data="x.npy")
    told = json.loads(json.dumps(detector.to_json()))
    assert Detector.from_json(detector.vae, told) == detector
    for damaged in ({}, {**told, "more": 1}, {**told, "seed": "one"}, {**told, "threshold": None}):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            Detector.from_json(detector.vae, damaged)


@pytest.fixture(scope="module")
def normal(make_vae, exported_once):
    """A model that is exported by several tests, and converted by the first."""
    return make_vae()


BUNDLES = {
    "real": ({}, simulated),
    "conditional": ({"num_classes": 3}, simulated),
    "binary": (
        {"likelihood": "bernoulli"},
        lambda rng, count: rng.integers(0, 2, (count, 8, 8, 1)).astype("float32"),
    ),
}


@pytest.mark.only_on("tensorflow")  # it exports
@pytest.mark.parametrize("kind", BUNDLES)
def test_a_bundle_decides_as_keras_does(kind, normal, make_vae, rng, tmp_path):
    options, draw = BUNDLES[kind]
    vae, x, label = make_vae(**options) if options else normal, draw(rng, 300), None
    if "num_classes" in options:
        label = rng.integers(0, 3, 300)
    asked = {"num_samples": 9, "seed": -5, "data": "simulated", "label": label}
    detector = calibrate(vae, x, 0.2, **asked)
    vae.export(tmp_path / "bundle", detector=detector)
    bundle = OnnxVAE(tmp_path / "bundle")
    assert bundle.manifest["anomaly"] == detector.to_json()
    x = np.concatenate([x, draw(rng, 200), x[:5] - 3.5])  # the last are no binary ones
    label = None if label is None else np.resize(label, len(x))
    expected, found = detector.anomaly_score(x, label), bundle.anomaly_score(x, label)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    clear = ~(np.abs(expected - detector.threshold) < 1e-3)
    assert clear.mean() > 0.95
    decided = bundle.is_anomaly(x, label)
    assert decided.dtype == bool
    assert (decided == detector.is_anomaly(x, label))[clear].all()
    assert decided[-5:].all()
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "At most 20 % of normal examples are anomalies" in card
    assert "from 300 held-out examples (simulated)" in card


@pytest.mark.only_on("tensorflow")  # it exports
def test_equal_examples_raise_no_alarm_by_rounding(normal, rng, tmp_path):
    """Half of what is normal is one and the same example, whose score is the threshold."""
    x = simulated(rng, 1)
    detector = calibrate(normal, np.repeat(x, 20, axis=0), 0.1, num_samples=50)
    normal.export(tmp_path / "bundle", detector=detector)
    for model in (detector, OnnxVAE(tmp_path / "bundle")):
        for count in (1, 2, 33, 1025):
            assert not model.is_anomaly(np.repeat(x, count, axis=0)).any()


@pytest.mark.only_on("tensorflow")  # it exports
def test_a_bundle_without_a_threshold_says_how_to_get_one(normal, make_vae, rng, tmp_path):
    x = simulated(rng, 20)
    normal.export(tmp_path / "bundle")
    assert "anomaly" not in json.loads((tmp_path / "bundle/manifest.json").read_bytes())
    words = r"bundle holds no threshold of anomalies: run python -m keras_vae calibrate .* again$"
    with pytest.raises(ValueError, match=words):
        OnnxVAE(tmp_path / "bundle").is_anomaly(x)
    detector = calibrate(normal, x, 0.1, num_samples=2)
    normal.export(tmp_path / "b", detector=detector, precision=["float16"], x=x, budget=1e3)
    with pytest.raises(ValueError, match=r"is one of float32 scores, .* 'float16': open it with"):
        OnnxVAE(tmp_path / "b", precision="float16").is_anomaly(x)
    with pytest.raises(ValueError, match="calibrated for another model"):
        make_vae(seed=1).export(tmp_path / "other", detector=detector)
    assert not (tmp_path / "other").exists()


@pytest.mark.only_on("tensorflow")  # it exports
def test_a_detector_of_lower_precision_is_refused(make_vae, rng, tmp_path):
    from export import convert  # it loads TensorFlow

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae = make_vae()
    finally:
        keras.config.set_dtype_policy(before)
    x = simulated(rng, 20)
    with pytest.raises(ValueError, match=r"calibrate export.convert.float32\(vae\), and export"):
        vae.export(tmp_path / "b", detector=calibrate(vae, x, 0.1, num_samples=2))
    full = convert.float32(vae)
    full.export(tmp_path / "b", detector=calibrate(full, x, 0.1, num_samples=2))
    assert OnnxVAE(tmp_path / "b").is_anomaly(x).sum() <= 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A shortly trained model of the digits."""
    out = tmp_path_factory.mktemp("anomaly") / "run"
    arguments = ["--epochs", "1", "--latent-dim", "2", *WHOLE, "--quiet", "--out", str(out)]
    assert main(["train", *arguments]) == 0
    return out


def test_the_command_calibrates_on_the_test_part(run, capsys):
    assert main(["calibrate", str(run), "--false-alarm-rate", "0.1", "--num-samples", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    folder = Run(run)
    detector, x = folder.detector(folder.open()), datasets.load("digits").x_test
    expected = calibrate(detector.vae, x, 0.1, num_samples=5, data="digits")
    assert detector.to_json() == expected.to_json()
    assert lines[0].startswith(f"an anomaly: log p(x) below {-detector.threshold:.2f} nats (5 dr")
    assert lines[1].startswith("false alarms: at most 10 % of normal examples, on average over ")
    assert lines[1].endswith("of one of 359 examples 10 % ± 1.58 %")
    assert "anomaly.json" in DERIVED  # so it goes with the model that it tells of


@pytest.mark.only_on("tensorflow")  # it exports
def test_the_export_takes_it_from_the_run_and_leaves_out_that_of_another(
    run, tmp_path, capsys, monkeypatch
):
    assert main(["calibrate", str(run), "--num-samples", "5"]) == 0
    assert export.cli.main([str(run), "--out", str(tmp_path / "a")]) == 0
    told = json.loads((run / "anomaly.json").read_bytes())
    digest = told.pop("model_sha256")
    assert json.loads((tmp_path / "a/manifest.json").read_bytes())["anomaly"] == told
    assert OnnxVAE(tmp_path / "a").is_anomaly(datasets.load("digits").x_test).mean() <= 0.05
    damaged = {"of another model": {**told, "model_sha256": "0" * 64}, "not what calibrate": []}
    damaged["not what calibrate wrote"] = {**told, "num_samples": 0, "model_sha256": digest}
    given = []  # one export is enough: what it would be given is seen
    monkeypatch.setattr("export.bundle.write", lambda *_, **told: given.append(told["detector"]))
    for words, content in damaged.items():
        (run / "anomaly.json").write_text(json.dumps(content))
        capsys.readouterr()
        assert export.cli.main([str(run), "--out", str(tmp_path / "a")]) == 0
        assert re.search(f"leaving out .*anomaly.json.*{words}", capsys.readouterr().out)
    assert given == [None] * len(damaged)
    (run / "anomaly.json").unlink()
    assert main(["calibrate", str(tmp_path / "a")]) == 2
    assert "is a bundle: calibrate the run that it was exported from" in capsys.readouterr().err


BAD = {
    "a rate": (["--false-alarm-rate", "0"], "false_alarm_rate must be a number between 0 and 1"),
    "too few": (["--false-alarm-rate", "0.002"], "needs at least 499 held-out normal examples"),
    "draws": (["--num-samples", "0"], "num_samples must be a whole number from 1"),
    "seed": (["--seed", str(2**63)], "seed must be"),
    "other data": (["--data", "LARGE"], "x must have shape (batch, 8, 8, 1)"),
    "no data": (["--data", "none.npz"], "none.npz: no such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_one_line_and_leave_nothing(run, case, tmp_path, capsys):
    arguments, words = BAD[case]
    large = tmp_path / "x.npz"
    np.savez(large, x_train=np.zeros((20, 9, 9)), x_test=np.zeros((20, 9, 9)))
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    given = [str(large) if argument == "LARGE" else argument for argument in arguments]
    assert main(["calibrate", str(run), *given]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_folder_without_a_model_is_refused(tmp_path, capsys):
    assert main(["calibrate", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: there is no file")


def test_it_is_reached_by_its_name():
    assert keras_vae.anomaly is anomaly
