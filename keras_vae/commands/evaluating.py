"""python -m keras_vae evaluate: what a model is worth on the test part of its data."""

import json

from keras_vae import evaluation, plotting
from keras_vae.commands import runs
from keras_vae.commands.testing import describe, load_test_set, test_metrics
from keras_vae.files import atomic_write, checked
from keras_vae.folders import output_folder


def evaluate(*, run, data, data_dir, num_samples, examples, seed, unseen, out):
    """Prints what a trained model is worth; with `num_samples` all of it, and JSON beside it.

    A bundle is scored by its scorer.onnx.
    """
    folder = runs.find(run)
    out = report_path(folder, num_samples, out)
    vae = folder.open()
    test = load_test_set(vae, folder, data, data_dir, unseen).first(examples)
    if num_samples is None:
        print(describe(test_metrics(vae, test, seed)))
        return
    protocol = {"data": test.data, "binarization": test.binarization, "split": "test"}
    with output_folder(out.parent):
        for path in (out, out.with_suffix(".png")):
            checked(path)  # before the work
        report = evaluation.report(vae, test.x, num_samples, seed, test.label, **protocol)
        print(report)
        write_report(report, out)


def report_path(folder, num_samples, out):
    """Where the report goes: `out`, else into the run, or beside a bundle."""
    if out is None:
        return folder.report
    if num_samples is None:
        raise ValueError("--out is for the report that --num-samples K asks for: give both")
    if out.suffix != ".json":
        raise ValueError(f"--out must end in .json, got {out}")
    folder.check_report(out)
    return out


def write_report(report, out):
    """Writes a report as JSON, and the picture of its convergence if it has one: all or nothing."""
    text = json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n"
    picture = out.with_suffix(".png")
    with atomic_write(out) as path:
        path.write_text(text)
        if report.importance is not None:
            figure = plotting.convergence(report.importance.convergence, report.elbo)
            plotting.save(figure, picture)
    print(f"wrote {out}" + ("" if report.importance is None else f" and {picture}"))
