"""All that decides a training: its flags, its files and its record are made from it."""

import dataclasses
import math
from dataclasses import dataclass

from keras_vae import names
from keras_vae.names import listed
from keras_vae.options import checked, flag, option

KEPT = ("best", "last")
SCHEDULES = ("constant", "cosine", "piecewise")
BY_DATA = "by kind and size of the data"


@dataclass(frozen=True)
class Settings:
    """What `train` does, but for where its files go. None: as the data or the other settings say.

    Raises:
        ValueError: a value has the wrong type, or lies outside its range.

    Example:

    >>> settings = Settings(data="mnist", epochs=20)
    >>> settings.save_every
    1
    >>> settings.as_flags()
    ['--data', 'mnist', '--epochs', '20']
    """

    data: str = option("digits", f"{', '.join(names.DATASETS)}, or a path")
    data_dir: str | None = option(None, f"folder of the files of {listed(names.DATASETS[1:])}")
    validation: float = option(
        0.1, "share of the training examples, below 1, that is held out to choose and to stop by"
    )
    binarize: str | None = option(
        None, "draw binary images: anew each time one is seen, or once", ("dynamic", "static")
    )
    conditional: bool = option(False, "give the decoder the labels of the data")
    label: str | None = option(
        None,
        "of a table or the obs of an .h5ad: the column that the decoder is given, or several, "
        "separated by commas",
        metavar="COLUMN",
        shown="none",
    )
    columns: str | None = option(
        None,
        "of a table: a columns.json that says what each column is; of an .h5ad, each of label",
        metavar="FILE",
        shown="as found from the data",
    )
    preprocessing: str | None = option(
        None,
        "of the data, in the model and all that is exported: standardize gives each column mean 0 "
        "and variance 1",
        ("none", "standardize"),
        shown=BY_DATA,
    )
    architecture: str | None = option(None, listed(names.ARCHITECTURES), shown=BY_DATA)
    hidden: tuple[int, ...] | None = option(
        None, "units of the hidden layers of mlp", metavar="N", shown="200 200"
    )
    gated: bool = option(False, "hidden layers of mlp that are multiplied by a gate")
    activation: str | None = option(None, "of the hidden layers", shown="its own")
    width: int | None = option(
        None,
        "channels of resnet or topdown at full size, units of topdown_mlp",
        metavar="N",
        shown="16, of topdown_mlp 200",
    )
    depth: int | None = option(
        None, "blocks of resnet or topdown at each size", metavar="N", shown="1"
    )
    num_groups: tuple[int, ...] | None = option(
        None,
        "groups of latents at each size of topdown, coarsest first",
        metavar="N",
        shown="2 1, of topdown_mlp 2",
    )
    groups: int | None = option(
        None, "of the channels that resnet normalizes together", metavar="N", shown="no such layer"
    )
    likelihood: str | None = option(None, listed(names.LIKELIHOODS), shown=BY_DATA)
    levels: int | None = option(
        None, "grey levels of a discretized likelihood", shown="256; digits have 17"
    )
    size_factor: str | None = option(
        None,
        "of counts: observed makes their total an input of the likelihood, which z need not tell",
        ("none", "observed"),
        shown="observed for sparse counts",
    )
    prior: str | None = option(None, listed(names.PRIORS), shown=BY_DATA)
    prior_components: int | None = option(
        None, "of mixture_of_normals or vamp", metavar="N", shown="100"
    )
    posterior: str = option(names.POSTERIORS[0], listed(names.POSTERIORS))
    latent_dim: int | None = option(
        None, "size of z; of topdown that of a group at one place", shown=BY_DATA
    )
    objective: str = option("elbo", listed(names.OBJECTIVES))
    num_samples: int | None = option(
        None, "draws of z for each example in a step", shown="elbo 1, iwae 5"
    )
    estimator: str = option("reparameterized", f"of the gradient: {listed(names.ESTIMATORS)}")
    beta: float = option(1.0, "weight of the KL divergence")
    free_bits: float | None = option(
        None, "KL divergence that elbo does not lower", metavar="NATS", shown="0"
    )
    kl_warmup: float | None = option(
        None,
        "epochs until the KL divergence has its weight",
        metavar="EPOCHS",
        shown="0, of topdown_mlp 4, of tables a tenth of epochs",
    )
    kl_cycles: int | None = option(
        None, "how often it rises anew, each time over kl_warmup", metavar="N", shown="1"
    )
    prior_warmup: float | None = option(
        None, "epochs until a learned prior has its weight", metavar="EPOCHS", shown="4"
    )
    epochs: int | None = option(None, "passes over the data", shown=BY_DATA)
    batch_size: int | None = option(None, "examples in a step", shown=BY_DATA)
    learning_rate: float | None = option(None, "of Adam, at its highest", shown=BY_DATA)
    schedule: str | None = option(
        None, f"of the learning rate: {listed(SCHEDULES)}", SCHEDULES, shown=BY_DATA
    )
    rate_warmup: float = option(
        0.0, "epochs in which the learning rate rises from 0; with cosine", metavar="EPOCHS"
    )
    clip_norm: float | None = option(
        None, "longest gradient of all weights together; longer ones are scaled", shown="none"
    )
    accumulate: int = option(1, "steps whose gradients are averaged before the weights change")
    ema: float | None = option(
        None,
        "momentum of an average of the weights, which is what is tested and kept",
        metavar="MOMENTUM",
        shown="no average",
    )
    keep: str | None = option(
        None,
        "which model is kept: the best by the validation loss, or the last",
        KEPT,
        shown="best, where there is validation",
    )
    patience: int | None = option(
        None, "epochs without a better validation loss after which training ends", shown="no end"
    )
    save_every: int = option(1, "epochs from one checkpoint to the next", metavar="EPOCHS")
    tensorboard: bool = option(False, "write what is logged for TensorBoard too")
    seed: int = option(0, "of weights, noise and order")

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)  # as a frozen class allows it
        for name in ("epochs", "batch_size", "accumulate", "save_every", "patience", "kl_cycles"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "clip_norm"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation must be from 0 to 1, without 1, got {self.validation}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema must lie between 0 and 1, got {self.ema}")
        if not 0 <= self.rate_warmup < (self.epochs or math.inf):
            raise ValueError(
                f"rate_warmup must be from 0 to epochs, without these {self.epochs}, got "
                f"{self.rate_warmup}"
            )
        if self.rate_warmup and self.schedule not in (None, "cosine"):
            raise ValueError(f"schedule {self.schedule} has no rate_warmup: cosine has")
        for name in ("kl_warmup", "prior_warmup"):
            if getattr(self, name) is not None and getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0 epochs, got {getattr(self, name)}")
        if self.kl_cycles is not None and self.kl_warmup is None:
            raise ValueError("kl_cycles needs kl_warmup, the epochs in which the weight rises")
        if not self.validation and (self.patience is not None or self.keep == "best"):
            name = "patience" if self.patience is not None else "keep best"
            raise ValueError(f"{name} needs validation data, and validation is 0: give a share")

    def as_flags(self):
        """The arguments of `train` that say the same, without those that are defaults."""
        flags = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            flags.append(flag(field.name))
            if isinstance(value, tuple):
                flags += map(str, value)
            elif value is not True:
                flags.append(str(value))
        return flags
