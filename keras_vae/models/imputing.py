"""Impute: draws of what is missing, given what is there."""

from keras import ops

from keras_vae import noise
from keras_vae.distributions import drawing
from keras_vae.models.arrays import check_batch_size, checked_array
from keras_vae.models.scoring import Scoring, as_arrays, rows_at_once


class Imputing(Scoring):
    """What a trained VAE says of entries that are missing."""

    def impute(self, x, num_samples=100, seed=0, index=None, batch_size=None, label=None):
        """x with its gaps filled by a draw from p(missing | observed).

        Of `num_samples` draws z_k from q(z|x), with weights p(x, z_k) / q(z_k|x) of what is
        observed, one is chosen by its weight; what is missing is drawn from p(x|z) there. This is
        sampling importance resampling, exact as `num_samples` grows. Another seed gives another
        draw. What is computed from the data is computed from each of, say, 20 imputations, and
        their spread is part of its error.

        Args:
            x: `(B, *input_shape)`, NaN where an entry is missing.
            num_samples: draws of z for each example, K, at least 1.
            seed: integer in [-2**63, 2**63).
            index: of each example, `(B,)`, whose noise it gets, as in `score`; None: 0, 1, 2, ….
            batch_size: how many z are decoded at once; None: as many as are fast. Those of one
                example are decoded at once in any case, since one of them is chosen.
            label: for a conditional model: one, or one each, `(B,)`.

        Returns:
            float32, `(B, *input_shape)`; what was observed is as it was.

        Raises:
            ValueError: the likelihood has no gaps, `x` has another shape or holds other values, or
                another argument is out of range.

        References: Mattei & Frellsen, MIWAE: Deep Generative Modelling and Imputation of Incomplete
        Data Sets, 2019, section 4.3; Rubin, Multiple Imputation for Nonresponse in Surveys, 1987.
        """
        if not self.likelihood.missing:
            raise ValueError(
                f"{type(self.likelihood).__name__} knows no gaps: train a model of a table, with "
                "keras_vae.tables.Columns as its likelihood"
            )
        x = checked_array("x", x, self.input_shape).astype("float32")
        self.likelihood.check(x)
        labels = self.labels.checked(label, len(x))
        noise.check_score(num_samples, seed)
        index = noise.checked_index(index, len(x))
        batch_size = rows_at_once(self.decoder) if batch_size is None else batch_size
        check_batch_size(batch_size)
        size = max(1, batch_size // num_samples)
        run = self._programs.of(self._imputed, len(x) * num_samples, size)
        result, shape = x.copy(), self.likelihood.noise_shape(self.input_shape)
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            epsilon = noise.draws(seed, index[rows], 0, num_samples, self.latent_dim)
            u = noise.filling(seed, index[rows], shape)
            given = x[rows], epsilon, *u, *(label[rows] for label in labels)
            (result[rows],) = as_arrays(run(*given))
        return result

    def _imputed(self, x, epsilon, u, u_of_x, label=None):
        densities, x_params = self._drawn(x, epsilon, label)
        return (self.filled(x, densities.log_w, x_params, u, u_of_x),)

    def filled(self, x, log_w, x_params, u, u_of_x):
        """x with its gaps filled, by one of K draws of q(z|x).

        Args:
            log_w: the log importance weights of the draws, `(K, B)`.
            x_params: what the decoder makes of them, `(K, B, ...)`.
            u: ~ U(0, 1), `(B,)`, chooses the draw.
            u_of_x: ~ U(0, 1), `(B, *noise_shape)`.
        """
        chosen = ops.transpose(drawing.one_of_many(ops.transpose(log_w), u))  # (K, B)
        x_params = ops.sum(ops.expand_dims(chosen, -1) * x_params, axis=0)
        return ops.where(ops.isnan(x), self.likelihood.draw(x_params, u_of_x), x)
