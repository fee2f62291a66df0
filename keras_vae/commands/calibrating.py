"""python -m keras_vae calibrate: a threshold of anomalies beside the model, for the export."""

from pathlib import Path

from keras_vae import anomaly
from keras_vae.commands import runs
from keras_vae.commands.testing import load_test_set
from keras_vae.files import checked


def calibrate(*, run, false_alarm_rate, data, data_dir, num_samples, seed, unseen):
    """Writes anomaly.json into a run, and prints what was found.

    The test part of the data is taken, all of which must be normal: the model was trained on the
    training part, and its epoch chosen by the validation part, so that new examples are stranger to
    it than either.
    """
    folder = runs.find(run)
    if isinstance(folder, runs.Bundle):
        raise ValueError(
            f"{run} is a bundle: calibrate the run that it was exported from, and export again"
        )
    vae = folder.open()
    test = load_test_set(vae, folder, data, data_dir, unseen)
    checked(folder.anomaly)  # before the work
    asked = false_alarm_rate, num_samples, seed, test.label
    detector = anomaly.calibrate(vae, test.x, *asked, data=Path(test.data).name)
    folder.write_detector(detector)
    print(*described(detector, folder), sep="\n")


def described(detector, folder):
    """What a detector is, in lines."""
    stated, mean, deviation = (f"{100 * share:.3g} %" for share in shares(detector))
    return (
        f"an anomaly: log p(x) below {-detector.threshold:.2f} nats ({detector.num_samples} draws "
        f"of z, seed {detector.seed})",
        f"false alarms: at most {stated} of normal examples, on average over calibration sets; of "
        f"one of {detector.examples} examples {mean} ± {deviation}",
        f"wrote {folder.anomaly}, which python -m export takes into the bundle",
    )


def shares(detector):
    """The rate that was asked for, and the mean and the deviation of what it comes to."""
    return detector.false_alarm_rate, *detector.expected
