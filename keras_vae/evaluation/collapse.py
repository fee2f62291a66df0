"""A callback that sees the posterior collapse while there is still something to be done."""

import warnings

import keras
import numpy as np

from keras_vae.evaluation.latent import encoded, latent_use

ADVICE = (
    "Try KL warm-up (schedules.KLWarmup, --kl-warmup 10), free bits, a beta below 1, or a smaller "
    "decoder"
)


class PosteriorCollapse(keras.callbacks.Callback):
    """Logs what each latent dimension is used for after each epoch, and warns of collapse.

    Logs `active_units`, the number of dimensions whose posterior mean has a variance above 0.01
    over `x`, and `kl_z0`, `kl_z1`, …: the mean of KL(q(z_j|x) ‖ N(0, 1)) in nats. A posterior that
    equals the prior whatever x is has collapsed: the decoder then ignores z. An active unit may
    still tell little, since a variance of 0.01 is worth 0.005 nats; `kl` says how much. See
    `plotting.kl_per_dimension` for a picture of `kl`.

    Args:
        x: some examples, `(N, *input_shape)`: a few hundred of the validation data will do.
        patience: the number of epochs in a row after which there is a warning, if in each of them
            fewer than half of the units were active, or none.

    Attributes:
        kl: what was logged: for each epoch one array `(latent_dim,)`.

    Raises:
        ValueError: `x` holds no examples, or does not fit the model (when training begins).

    Example:

    >>> import numpy as np
    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> vae.compile(optimizer="adam")
    >>> x = np.zeros((32, 8, 8, 1))  # all the same: there is nothing for z to tell
    >>> history = vae.fit(x, epochs=1, callbacks=[PosteriorCollapse(x)], verbose=0)
    >>> history.history["active_units"]
    [0]

    Reference: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 3; Burda
    et al., Importance Weighted Autoencoders, 2016, section 5.1 (active units).
    """

    def __init__(self, x, patience=3):
        super().__init__()
        if patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, got {patience!r}")
        self.x, self.patience = x, patience

    def on_train_begin(self, logs=None):
        encoded(self.model, self.x[:1])  # data that do not fit are refused before training
        self.kl, self.in_a_row = [], 0

    def on_epoch_end(self, epoch, logs=None):
        use = latent_use(self.model, self.x)
        active = int(use.active.sum())
        self.kl.append(use.kl)
        if logs is not None:
            logs["active_units"] = active
            logs.update({f"kl_z{j}": float(kl) for j, kl in enumerate(use.kl)})
        few = active < max(1, len(use.kl) / 2) and np.isfinite(use.kl).all()  # else: diverged
        self.in_a_row = self.in_a_row + 1 if few else 0
        if self.in_a_row == self.patience:
            warnings.warn(collapse_message(active, len(use.kl), epoch + 1), stacklevel=2)


def collapse_message(active, latent_dim, epoch):
    """What has collapsed, and what to try.

    Example:

    >>> print(collapse_message(1, 8, epoch=3))
    After epoch 3, 7 of 8 latent dimensions are not used (the variance of their posterior mean...
    """
    what = "the posterior has collapsed: the decoder ignores z"
    if active:
        what = f"{latent_dim - active} of {latent_dim} latent dimensions are not used"
    return f"After epoch {epoch}, {what} (the variance of their posterior mean <= 0.01). {ADVICE}"
