"""python -m keras_vae evaluate: what a model is worth on the test part of its data."""

import json

import numpy as np

from keras_vae import evaluation, plotting, runs
from keras_vae.files import atomic_write, output_folder
from keras_vae.models import VAE, load_model


def evaluate(*, run, data, data_dir, num_samples, examples, seed, out):
    """Prints what a trained model is worth; with `num_samples` all of it, and JSON beside it.

    A bundle is scored by its scorer.onnx.
    """
    out = report_path(run, num_samples, out)
    vae = open_model(run)
    test = runs.load_test_set(vae, run, data, data_dir).first(examples)
    if num_samples is None:
        print(describe(test_metrics(vae, test, seed)))
        return
    protocol = {"data": test.data, "binarization": test.binarization, "split": "test"}
    of_run = isinstance(vae, VAE)
    report_on = evaluation.report if of_run else evaluation.bundle_report
    with output_folder(out.parent):
        report = report_on(vae, test.x, num_samples, seed, test.label, **protocol)
        print(report)
        (write_report if of_run else write_json)(report, out)


def report_path(run, num_samples, out):
    """Where the report goes: `out`, else into the run, or beside a bundle."""
    folder = run.resolve()
    if out is None:
        beside = folder.with_name(f"{folder.name}.evaluation.json")
        return beside if is_bundle(run) else run / "evaluation.json"
    if num_samples is None:
        raise ValueError("--out is for the report that --num-samples K asks for: give both")
    if out.suffix != ".json":
        raise ValueError(f"--out must end in .json, got {out}")
    if is_bundle(run) and folder in out.resolve().parents:
        raise ValueError(
            f"--out {out} is inside the bundle, which holds nothing but its own files: choose "
            "another folder"
        )
    return out


def is_bundle(run):
    """Whether the folder is what `python -m export` wrote, rather than `train`."""
    return (run / "manifest.json").is_file() and not (run / "model.keras").exists()


def open_model(run):
    """The model that a folder holds: a `VAE`, or of a bundle an `OnnxVAE`."""
    if not is_bundle(run):
        return load_model(run / "model.keras")
    from export.runtime import OnnxVAE

    return OnnxVAE(run)


def write_report(report, out):
    """Writes a report as JSON and the picture of its convergence beside it: both or neither."""
    picture, found = out.with_suffix(".png"), report.importance
    with atomic_write(out) as path, atomic_write(picture) as picture_path:
        path.write_text(report_json(report))
        plotting.save(plotting.convergence(found.convergence, found.elbo), picture_path)
    print(f"wrote {out} and {picture}")


def write_json(report, out):
    """Writes a report that has no convergence to picture."""
    with atomic_write(out) as path:
        path.write_text(report_json(report))
    print(f"wrote {out}")


def report_json(report):
    """The text of a report's file."""
    return json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n"


def test_metrics(vae, test, seed):
    """The test ELBO with its error bar, and its two terms: nats per example, one draw of z each."""
    score = vae.score(test.x, num_samples=1, seed=seed, label=test.label)
    elbo = evaluation.estimate(score["elbo"])
    return {
        "elbo": elbo.mean,
        "standard_error": None if np.isnan(elbo.standard_error) else elbo.standard_error,
        "reconstruction_loss": float(score["reconstruction_loss"].mean()),
        "kl_loss": float(score["kl_loss"].mean()),
        "examples": len(test.x),
        "seed": seed,
    }


def describe(test):
    """One line about the test ELBO."""
    error = "" if test["standard_error"] is None else f" ± {test['standard_error']:.2f}"
    return (
        f"test ELBO {test['elbo']:.2f}{error} nats per example (reconstruction_loss "
        f"{test['reconstruction_loss']:.2f}, kl_loss {test['kl_loss']:.2f}; "
        f"{test['examples']} examples, one draw of z each, seed {test['seed']})"
    )
