"""OnnxVAE: a bundle as an object."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import conditions, each, manifest, memory, pictures, sampler, sessions
from .checks import Label, check_draw, check_score, checked_index, checked_label, checked_rows
from .pool import cores, in_order

Floats = NDArray[np.float32]

CHUNK, CHUNK_VALUES = 1024, 2**17  # examples and their numbers, at once: benchmarks/sampling.py
SCORED = 16  # examples scored at once, each by all its draws
POSTERIOR = ["z_mean", "z_log_var"]
TERMS = "element_log_prob"
FILLED = "x_filled"
DECODED = 4096  # latents that are decoded at once to fill gaps
SCORES = ["elbo", "reconstruction_loss", "kl_loss", "log_likelihood"]
WORTH = 0.003  # seconds: two threads were slower at 1.4 ms of work, and faster at 4.4


class OnnxVAE:
    """x ~ p(x|z), z ~ p(z): a trained VAE, without Keras.

    It is meant for serving and for sharing, and starts in a fraction of a second. It loads each
    ONNX file when the file is first needed, after it has compared the checksum with that in the
    manifest. It refuses a version of onnxruntime that draws other samples than the model does.

    It computes in chunks, on as many threads as there are cores. A request that fits into one
    chunk and takes less than `WORTH` seconds is one run on the caller's thread.

    Args:
        path: the bundle, a folder written by `vae.export(path)` or `python -m export`.
        providers: onnxruntime's execution providers; the CPU if not given.
        precision: `"float32"`, or one that the bundle was exported in too: `"float16"`, `"int8"`.

    Raises:
        ValueError: the folder is missing, is no bundle, holds a damaged or foreign file, or
            none of that precision.

    Example:

    >>> import keras_vae, tempfile
    >>> folder = tempfile.mkdtemp() + "/bundle"
    >>> keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2).export(folder)
    >>> vae = OnnxVAE(folder)
    >>> vae.sample(3, seed=7).shape
    (3, 4, 4, 1)
    >>> mean = sum(x_hat.sum(0) for x_hat in vae.sample_stream(10000)) / 10000
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        providers: Sequence[sessions.Provider] | None = None,
        precision: str = "float32",
    ) -> None:
        self.path = Path(path)
        self.manifest = manifest.read(self.path)
        self.input_shape = tuple(self.manifest["input_shape"])
        self.latent_dim = self.manifest["latent_dim"]
        self.num_classes = self.manifest.get("num_classes")
        self.covariates = manifest.covariates(self.manifest)
        self.columns = self.manifest.get("columns")
        self._gaps = "missing" in self.manifest.get("x", {})
        self.precision = precision
        self.file("sampler")  # refuses a precision that is not there
        self._providers = providers or [sessions.CPU]
        self._workers = cores() if sessions.on_cpu(self._providers) else 1
        self._long = math.inf  # the least count that one thread took long to sample

    def sample(
        self,
        count: int,
        seed: int = 0,
        temperature: float = 1.0,
        first: int = 0,
        label: Label = None,
        mean: bool = True,
    ) -> Floats:
        """Draws `count` samples of the model: (count, *input_shape), float32.

        Sample i of a seed is always the same one, whatever `first` and `count` are.

        Args:
            count: how many samples.
            seed: integer in [-2**63, 2**63).
            temperature: the standard deviation of z; less than 1 draws more typical samples.
            first: index of the first sample.
            label: for a conditional model: what to draw, a whole number below `num_classes`, or a
                number for each of `covariates`; or by name, `{"sex": "female", "age": 31}`.
            mean: True: `x_hat`, the mean of p(x|z). False: x, drawn from p(x|z): binary pixels,
                counts, numbers with their noise.

        Raises:
            ValueError: an argument is out of range, or so many samples do not fit into memory.
        """
        drawn = self._drawing(count, seed, temperature, first, label, mean)
        size = 4 * count * math.prod(self.input_shape)
        memory.check_fits(count, size)
        if 0 < count <= self.chunk and count < self._long:
            return self._alone(drawn, count)
        try:
            result = np.empty((count, *self.input_shape), np.float32)
        except MemoryError as error:
            raise ValueError(memory.refusal(count, size)) from error
        chunks = list(self._chunks(count, self._share(count)))
        for rows, values in zip(chunks, in_order(drawn, chunks, self._workers), strict=True):
            result[rows] = values
        return result

    def sample_stream(
        self,
        count: int,
        seed: int = 0,
        temperature: float = 1.0,
        first: int = 0,
        label: Label = None,
        mean: bool = True,
    ) -> Iterator[Floats]:
        """Iterates over what `sample` draws, in order, in arrays (n, *input_shape), float32.

        A billion samples take no more memory than a thousand.

        Args:
            count, seed, temperature, first, label, mean: as in `sample`.

        Raises:
            ValueError: at once, if an argument is out of range.
        """
        drawn = self._drawing(count, seed, temperature, first, label, mean)
        return in_order(drawn, self._chunks(count), self._workers)

    def sample_at(
        self,
        index: ArrayLike,
        seed: int = 0,
        temperature: float = 1.0,
        label: Label = None,
        mean: bool = True,
    ) -> Floats:
        """Draws the samples of these indices: (B, *input_shape), float32.

        Each is the same to the bit whatever stands beside it, so that a job may be dealt out to any
        number of workers. `sample` draws the same z, and x to rounding, in less time.

        Args:
            index: (B,), whole numbers below 2**44. Runs draw 64 neighbours, so ranges cost least.
            seed, temperature, label, mean: as in `sample`.

        Raises:
            ValueError: an argument is out of range.

        Example:

        >>> import keras_vae, tempfile
        >>> folder = tempfile.mkdtemp() + "/bundle"
        >>> keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2).export(folder)
        >>> vae = OnnxVAE(folder)
        >>> bool((vae.sample_at([5, 2]) == vae.sample_at(range(10))[[5, 2]]).all())
        True
        """
        indices = checked_index(index, len(np.atleast_1d(np.asarray(index))))
        drawn = self._drawing(0, seed, temperature, 0, label, mean)
        return each.sample_each(lambda first, n: drawn(slice(first, first + n)), indices)

    def encode(self, x: ArrayLike) -> tuple[Floats, Floats]:
        """Returns z_mean, z_log_var of q(z|x): (B, latent_dim) each, float32.

        Args:
            x: examples, (B, *input_shape), as the training data were, in their unit.

        Raises:
            ValueError: `x` has another shape, holds no numbers, or a NaN.
        """
        given = checked_rows("x", x, self.input_shape, self._gaps)
        z_mean, z_log_var = self._run(
            self._encoder, POSTERIOR, len(given), lambda rows: {"x": given[rows]}
        )
        return z_mean, z_log_var

    def decode(self, z: ArrayLike, label: Label = None) -> Floats:
        """Returns x_hat, the mean of p(x|z): (B, *input_shape), float32.

        Args:
            z: latents, (B, latent_dim).
            label: for a conditional model: one for all, or one for each z, (B,) or (B, C).

        Raises:
            ValueError: `z` has another shape, holds no numbers, or a NaN.
        """
        z = checked_rows("z", z, (self.latent_dim,))
        given = {"z": z, **checked_label(label, self.covariates, len(z))}
        return self._run(self._decoder, ["x_hat"], len(z), lambda rows: _rows(given, rows))[0]

    def score(
        self,
        x: ArrayLike,
        num_samples: int = 100,
        seed: int = 0,
        index: ArrayLike | None = None,
        label: Label = None,
    ) -> dict[str, Floats]:
        """How well the model explains each example, from `num_samples` draws of z each.

        The numbers of `keras_vae.VAE.score`: the same seed and index give the same, whatever stands
        beside an example.

        Args:
            x: examples, (B, *input_shape), as the training data were, in their unit.
            num_samples: draws of z for each example, K, at least 1.
            seed: integer in [-2**63, 2**63).
            index: of each example, (B,), whole numbers below 2**44: its noise is that of its index.
                None: 0, 1, 2, ..., for data that are scored whole. One number for all makes the
                score a function of x alone, for ranking examples.
            label: for a conditional model, whose log p(x|y) it is: one, or one each, (B,) or
                (B, C); or by name, `{"sex": [...], "age": [...]}`.

        Returns:
            A dictionary of arrays (B,), float32, in nats: `elbo` = -`reconstruction_loss` -
            `kl_loss`, and `log_likelihood`, log (1/K) sum p(x, z_k) / q(z_k|x), z_k from q(z|x).

        Raises:
            ValueError: an argument is out of range, or an example has no density.
        """
        scores = self._scores(x, num_samples, seed, index, label)
        outside = np.isneginf(scores["log_likelihood"])
        if outside.any():
            raise ValueError(
                f"x[{outside.argmax()}] holds values without density: this model is for "
                f"{self.manifest['likelihood']['support']}"
            )
        return scores

    def score_each(
        self,
        x: ArrayLike,
        num_samples: int = 100,
        seed: int = 0,
        index: ArrayLike | None = None,
        label: Label = None,
    ) -> dict[str, Floats]:
        """As `score`, and the same to the bit whatever stands beside an example.

        Each example is computed alone, so that a job may be dealt out to any number of workers; of
        one that has no density the log-likelihood is -inf, and the others have theirs.

        Args:
            x, num_samples, seed, index, label: as in `score`.

        Raises:
            ValueError: an argument is out of range.
        """
        given, feeds = self._scoring(x, num_samples, seed, index, label)

        def run(rows):
            return self._scorer.run(SCORES, feeds(rows))

        return dict(zip(SCORES, each.score_each(run, len(given["x"])), strict=True))

    def is_anomaly(self, x: ArrayLike, label: Label = None) -> NDArray[np.bool_]:
        """Whether each example is an anomaly: booleans, (B,).

        Of normal examples at most the share `manifest["anomaly"]["false_alarm_rate"]` is, by a
        threshold from normal examples that were held out (see `keras_vae.anomaly.calibrate`).

        Args:
            x: examples, (B, *input_shape), as the training data were, in their unit.
            label: for a conditional model: one, or one each, (B,).

        Raises:
            ValueError: the bundle holds no threshold; an argument is out of range.
        """
        return self.anomaly_score(x, label) > np.float64(self._threshold()["threshold"])

    def anomaly_score(self, x: ArrayLike, label: Label = None) -> Floats:
        """Minus the estimated log p(x), (B,), in nats, by which `is_anomaly` decides.

        Infinite where x has no density. Arguments and errors are those of `is_anomaly`.
        """
        told = self._threshold()
        noise = told["num_samples"], int(told["seed"]), told["index"]
        log_p = self._scores(x, *noise, label)["log_likelihood"]
        return np.where(np.isnan(log_p), np.float32(np.inf), -log_p)

    def element_log_prob(
        self,
        x: ArrayLike,
        num_samples: int = 100,
        seed: int = 0,
        index: ArrayLike | None = None,
        label: Label = None,
    ) -> Floats:
        """Where an example is strange: the terms of log p(x|z) by element, in nats.

        The mean over the draws of `score`, so that their sum is -`reconstruction_loss`.

        Args:
            x, num_samples, seed, index, label: as in `score`.

        Returns:
            (B, *input_shape), float32; where the numbers on the last axis go together, as the
            colours of a pixel or the classes of a one-hot vector may, that axis has length 1.

        Raises:
            ValueError: an argument is out of range, or the bundle has no such file.
        """
        given, feeds = self._scoring(x, num_samples, seed, index, label)
        share = self._share(len(given["x"]), most=SCORED)
        return self._run(self._elements, [TERMS], len(given["x"]), feeds, share)[0]

    def impute(
        self,
        x: ArrayLike,
        num_samples: int = 100,
        seed: int = 0,
        index: ArrayLike | None = None,
        label: Label = None,
    ) -> Floats:
        """x with its gaps filled by a draw from p(missing | observed), as `keras_vae.VAE.impute`.

        Another seed gives another draw: what is computed from the data is computed from several.

        Args:
            x: examples, (B, *input_shape), NaN where an entry is missing.
            num_samples, seed, index, label: as in `score`.

        Returns:
            (B, *input_shape), float32; what was observed is as it was.

        Raises:
            ValueError: an argument is out of range, or the bundle is of data without gaps.
        """
        given, feeds = self._scoring(x, num_samples, seed, index, label)
        size = max(1, min(SCORED, DECODED // num_samples))
        return self._run(self._imputer, [FILLED], len(given["x"]), feeds, size)[0]

    def _threshold(self):
        return manifest.anomaly(self.manifest, self.path, self.precision)

    def _scores(self, x, num_samples, seed, index, label):
        given, feeds = self._scoring(x, num_samples, seed, index, label)
        share = self._share(len(given["x"]), most=SCORED)
        scored = self._run(self._scorer, SCORES, len(given["x"]), feeds, share)
        return dict(zip(SCORES, scored, strict=True))

    def _scoring(self, x, num_samples, seed, index, label):
        """The examples of a request, which is checked, and what the graph is fed for some rows."""
        x = checked_rows("x", x, self.input_shape, self._gaps)
        check_score(num_samples, seed)
        given = {"x": x, "index": checked_index(index, len(x))}
        given |= checked_label(label, self.covariates, len(x))
        scalars = {"num_samples": num_samples, "seed": seed}
        scalars = {name: np.array(value, np.int64) for name, value in scalars.items()}
        return given, lambda rows: _rows(given, rows) | scalars

    def as_seen(self, x: NDArray[Any]) -> NDArray[Any]:
        """x as it is shown: of images pixels from 0 to 1, of all else what the model sees.

        Args:
            x: in its own unit, (B, *input_shape); the graphs take and give it so.
        """
        told = self.manifest.get("preprocessing")
        if told is None:
            return x
        location, scale = (np.array(told[name], np.float32) for name in ("location", "scale"))
        if location.any() and len(self.input_shape) == 3:
            return x / pictures.white_of(location, scale)
        return (x - location) / scale

    @cached_property
    def chunk(self) -> int:
        """How many examples are computed at once: a power of two, the same on every machine."""
        fitting = max(1, CHUNK_VALUES // math.prod(self.input_shape))
        return min(CHUNK, 1 << fitting.bit_length() - 1)

    @cached_property
    def _encoder(self):
        posterior = dict.fromkeys(POSTERIOR, (self.latent_dim,))
        return self._session("encoder", x=self.input_shape, **posterior)

    @cached_property
    def _decoder(self):
        return self._session("decoder", z=(self.latent_dim,), x_hat=self.input_shape)

    @cached_property
    def _sampler(self):
        return self._drawer("sampler", x_hat=self.input_shape)

    @cached_property
    def _generator(self):
        name = self.file("generator")
        if name not in self.manifest["files"]:
            raise ValueError(
                f"{self.path} holds no {name}, because drawing one x takes more noise than there "
                "is: sample its mean"
            )
        return self._drawer("generator", x=self.input_shape)

    def _drawer(self, stem, **output):
        session = self._session(stem, z=(self.latent_dim,), **output)
        if "known_answer" in self.manifest:
            known = self.manifest["known_answer"]
            any_one = conditions.in_turn(self.covariates, [0])[0] if self.covariates else None
            label = checked_label(known.get("label", any_one), self.covariates)
            sampler.check_known_answer(session, known, self.path, **label)
        return session

    @cached_property
    def _elements(self):
        name = self.file("elements")
        if name not in self.manifest["files"]:
            raise ValueError(f"{self.path} holds no {name}: its likelihood has no terms by element")
        shape = self.manifest["files"][name].get("outputs", {}).get(TERMS, [None])[1:]
        return self._session("elements", x=self.input_shape, **{TERMS: tuple(shape)})

    @cached_property
    def _imputer(self):
        name = self.file("imputer")
        if name not in self.manifest["files"]:
            raise ValueError(f"{self.path} holds no {name}: its model knows no gaps")
        return self._session("imputer", x=self.input_shape, **{FILLED: self.input_shape})

    @cached_property
    def _scorer(self):
        return self._session("scorer", x=self.input_shape, **dict.fromkeys(SCORES, ()))

    def file(self, stem: str) -> str:
        """The name of the file that is used of `"encoder"`, `"decoder"`, and so on."""
        return manifest.file_name(self.manifest, stem, self.precision)

    def _session(self, stem, **shapes):
        name = self.file(stem)
        entry = self.manifest["files"].get(name, {})
        return sessions.load(self.path / name, entry, self._providers, shapes)

    def _drawing(self, count, seed, temperature, first, label, mean):
        """A function that computes some rows of a request, which is checked first."""
        check_draw(count, seed, temperature, first)
        given = checked_label(label, self.covariates)
        session = self._sampler if mean else self._generator

        def drawn(rows):
            size = rows.stop - rows.start
            return sampler.draw(session, seed, first + rows.start, size, temperature, **given)[1]

        return drawn

    def _alone(self, drawn, count):
        """All rows in one run on this thread; if that took long, the next such run is shared."""
        started = time.thread_time()
        result = drawn(slice(0, count))
        if time.thread_time() - started > WORTH:
            self._long = count
        return result

    def _run(self, session, names, count, feeds, size=None):
        """Runs a session on `feeds(rows)`, chunk by chunk, and returns the whole outputs."""
        results = [np.empty((count, *session.shapes[name]), np.float32) for name in names]
        chunks = list(self._chunks(count, size))
        values = in_order(lambda rows: session.run(names, feeds(rows)), chunks, self._workers)
        for rows, chunk in zip(chunks, values, strict=True):
            for result, value in zip(results, chunk, strict=True):
                result[rows] = value
        return tuple(results)

    def _share(self, count, most=None):
        """The size of equal chunks that keep every worker busy, at most `most` each."""
        rounds = max(1, -(-count // (self._workers * (most or self.chunk))))
        return max(1, -(-count // (self._workers * rounds)))

    def _chunks(self, count, size=None):
        size = size or self.chunk
        return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _rows(feeds, rows):
    return {name: array[rows] for name, array in feeds.items()}
