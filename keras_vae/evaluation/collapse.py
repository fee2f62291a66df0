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
    over `x`, and `kl_z0`, `kl_z1`, …: the mean of KL(q(z_j|x) ‖ N(0, 1)) in nats, of a hierarchy
    `kl_z_1`, `kl_z_2`, … for its groups. A posterior that
    equals the prior whatever x is has collapsed: the decoder then ignores z. An active unit may
    still tell little, since a variance of 0.01 is worth 0.005 nats; `kl` says how much. See
    `plotting.kl_per_dimension` for a picture of `kl`.

    Args:
        x: some examples, `(N, *input_shape)`: a few hundred of the validation data will do.
        patience: the number of epochs in a row after which there is a warning, if in each of them
            fewer than half of the units were active, or none.

    Attributes:
        kl: what was logged: for each epoch one array `(latent_dim,)`, or `(groups,)`.

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
        self.kl.append(np.array(list(use.kl_by_group.values())))
        if logs is not None:
            logs["active_units"] = active
            logs.update({f"kl_{name}": kl for name, kl in use.kl_by_group.items()})
        used = use.used
        few = used.sum() < max(1, len(used) / 2) and np.isfinite(use.kl).all()  # else: diverged
        self.in_a_row = self.in_a_row + 1 if few else 0
        if self.in_a_row == self.patience:
            what = "latent dimensions" if use.groups is None else "groups of latents"
            message = collapse_message(int(used.sum()), len(used), epoch + 1, what)
            warnings.warn(message, stacklevel=2)


def collapse_message(active, count, epoch, units="latent dimensions"):
    """What has collapsed, and what to try.

    Example:

    >>> print(collapse_message(1, 8, epoch=3))
    After epoch 3, 7 of 8 latent dimensions are not used (the variance of their posterior mean...
    """
    what = "the posterior has collapsed: the decoder ignores z"
    if active:
        what = f"{count - active} of {count} {units} are not used"
    sign = "variance of their posterior mean <= 0.01"
    sign = sign if units == "latent dimensions" else "KL divergence of each < 0.05 nats"
    return f"After epoch {epoch}, {what} (the {sign}). {ADVICE}"
