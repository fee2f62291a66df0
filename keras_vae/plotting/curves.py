"""Curves of numbers: what training logged, and what an evaluation found."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def training_curves(history):
    """One panel for each logged quantity over the epochs, training and validation together.

    Args:
        history: a mapping of columns to values per epoch, as `History.history` of `fit`: `loss`,
            `val_loss`, `reconstruction_loss`, ... Losses are in nats per example. A column
            `epoch` is taken as the axis, numbered from 0 as Keras does.

    Raises:
        ValueError: there is no column, or no epoch.

    Example:

    >>> figure = training_curves({"loss": [130.0, 110.0], "val_loss": [120.0, 112.0]})
    """
    curves = {name: np.asarray(values, float) for name, values in history.items()}
    count = max((len(values) for values in curves.values()), default=0)
    epochs = curves.pop("epoch", np.arange(count)) + 1
    names = sorted({name.removeprefix("val_") for name in curves}, key=_panel_order)
    if not names or count == 0:
        raise ValueError("history must hold columns such as loss and val_loss, got no epoch")
    if not np.any(curves.get("skipped_steps")):
        names = [name for name in names if name != "skipped_steps"] or names
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 2.9 * rows + 0.3), layout="constrained")
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, i + 1)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in curves:
                axes.plot(epochs[: len(curves[key])], curves[key], label=label, **_line(count))
        _finish_panel(axes, name)
    return figure


def convergence(log_likelihoods, elbo=None):
    """The mean log-likelihood over the number of draws: still rising, or level by now.

    Args:
        log_likelihoods: `{K: (N,)}` in nats, as `ImportanceEstimate.convergence`.
        elbo: the evidence lower bound of each example, `(N,)`, for a line to compare with.

    Raises:
        ValueError: there is no estimate.

    Example:

    >>> figure = convergence({1: [-101.0, -99.0], 10: [-97.0, -96.0]}, elbo=[-100.0, -100.0])
    """
    if not log_likelihoods:
        raise ValueError("log_likelihoods must be {K: log-likelihoods}, got no estimate")
    means = {k: np.mean(values) for k, values in sorted(log_likelihoods.items())}
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(list(means), list(means.values()), marker=".", label="log-likelihood")
    if elbo is not None:
        axes.axhline(np.mean(elbo), color="grey", linestyle="--", linewidth=1, label="ELBO")
    axes.set_xscale("log")
    _finish_axes(axes, "importance-weighted estimate", "draws K", "nats per example")
    return figure


def kl_per_dimension(kl):
    """The KL divergence of each latent dimension: bars, or a curve each over the epochs.

    Args:
        kl: nats, `(latent_dim,)` as `LatentUse.kl`, or one row for each epoch,
            `(epochs, latent_dim)` as `PosteriorCollapse.kl`.

    Raises:
        ValueError: `kl` has another shape or is empty.

    Example:

    >>> figure = kl_per_dimension([2.1, 0.0, 1.3])
    """
    kl = np.asarray(kl, float)
    if kl.ndim not in (1, 2) or not kl.size:
        raise ValueError(
            f"kl must have shape (latent_dim,) or (epochs, latent_dim), got {kl.shape}"
        )
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    if kl.ndim == 1:
        axes.bar(range(len(kl)), kl, label="KL(q(z_j|x) ‖ N(0, 1))")
    else:
        for j, curve in enumerate(kl.T):
            label = f"z[{j}]" if j < 10 else None  # a longer legend hides the curves
            axes.plot(range(1, len(kl) + 1), curve, label=label, **_line(len(kl)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    where = "latent dimension" if kl.ndim == 1 else "epoch"
    _finish_axes(axes, "KL per latent dimension", where, "nats per example")
    return figure


def _panel_order(name):
    return name != "loss", not name.endswith("loss"), name


def _line(count):
    return {"marker": "." if count <= 30 else None, "linewidth": 1.5}


def _finish_panel(axes, name):
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    unit = "nats per example" if name.endswith("loss") else ""
    _finish_axes(axes, name.replace("_", " "), "epoch", unit)


def _finish_axes(axes, title, x_label, y_label):
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_ylabel(y_label, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="best", fontsize=8, frameon=False)  # unsaid, it warns when it takes long
