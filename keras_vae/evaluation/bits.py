"""Which data have bits per dimension: those whose numbers are discrete."""

import math
import textwrap

import numpy as np
from keras import ops

from keras_vae import conditions
from keras_vae.distributions.column import Column
from keras_vae.distributions.likelihoods import LIKELIHOODS
from keras_vae.distributions.sized import SizedCounts


def entries_of(vae):
    """How many discrete numbers an example holds; None if it has a density or is not known.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.

    Raises:
        ValueError: the manifest of a bundle is damaged.
    """
    likelihood = likelihood_of(vae)
    return likelihood and discrete_entries(likelihood, vae.input_shape)


def likelihood_of(vae):
    """The likelihood of a model; for a bundle, the one that its manifest describes.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.

    Returns:
        A `distributions.Likelihood`; None if a bundle's is a class of the user's own.

    Raises:
        ValueError: the manifest does not describe one.

    Example:

    >>> from types import SimpleNamespace
    >>> levels = {"class_name": "DiscretizedLogistic", "config": {"levels": 16}}
    >>> likelihood_of(SimpleNamespace(manifest={"likelihood": levels})).levels
    16
    """
    if hasattr(vae, "likelihood"):
        return getattr(vae.likelihood, "likelihood", vae.likelihood)  # of a `Transformed` its own
    try:
        described = vae.manifest["likelihood"]
        known = (*LIKELIHOODS.values(), SizedCounts)
        kind = {k.__name__: k for k in known}.get(described["class_name"])
        return kind and kind.from_config(described["config"])
    except (KeyError, TypeError, ValueError) as error:
        why = textwrap.shorten(str(error), 300)  # Keras shows the whole config, on many lines
        raise ValueError(
            f"the manifest was cut short or changed: it does not describe a likelihood ({why})"
        ) from error


def columns_of(vae):
    """The `Column`s of a model of a table, or None.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
    """
    if hasattr(vae, "likelihood"):
        return getattr(vae.likelihood, "table", None)
    told = vae.manifest.get("columns")
    return told and tuple(Column(**column) for column in told)


def covariates_of(vae):
    """The `Column`s that the label of a model holds, which is of no table; none without names.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
    """
    if columns_of(vae) is not None or not conditions.have_names(vae.covariates):
        return ()
    return tuple(Column(**column) for column in vae.covariates)


def discrete_entries(likelihood, shape):
    """How many discrete numbers an example of `shape` holds; None if it has a density.

    None too if its likelihood is given the total of x. Data are discrete if a number between their
    levels has no probability. A one-hot vector counts as one number; data are one-hot if a vector
    of zeros has no probability.

    Example:

    >>> from keras_vae.distributions import Bernoulli, Normal
    >>> discrete_entries(Bernoulli(), (28, 28, 1)), discrete_entries(Normal(), (28, 28, 1))
    (784, None)
    """

    if likelihood.missing:  # columns of many kinds, and some of them may be missing
        return None
    if isinstance(likelihood, SizedCounts):  # nats of x given its total are no code length of x
        return None

    def possible(value):
        x = np.full((1, *shape), value, "float32")
        return ops.convert_to_numpy(likelihood.in_support(x)).all()

    if possible(1 / math.pi):
        return None
    return math.prod(shape if possible(0) else shape[:-1])
