# %% [markdown]
# # Counts with a batch effect
#
# Cells of three kinds, counted in two batches, which count some genes differently. z is to say
# what a cell is, and not where it was counted: so the decoder is told the batch, as scVI does it.

# %%
import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

import keras_vae

EPOCHS = 60

rng = np.random.default_rng(0)
kind, batch = rng.integers(3, size=2000), rng.integers(2, size=2000)
rates = rng.gamma(0.5, 2.0, (3, 100))[kind]
rates = rates * np.exp(rng.normal(0, 0.7, (2, 100)))[batch] * rng.gamma(10, 0.1, (2000, 1))
x = rng.poisson(rates).astype("float32")
obs = {"batch": [f"batch {b + 1}" for b in batch]}

# %% [markdown]
# The likelihood is the negative binomial given the total of a cell, so that z does not have to say
# how deep a cell was sequenced. Of the two models one knows the batch and one does not.


# %%
def trained(**options):
    """A model of these counts, and z_mean of every cell."""
    likelihood = keras_vae.distributions.SizedCounts.of("negative_binomial", x)
    vae = keras_vae.VAE.from_architecture(
        "mlp", (100,), 4, likelihood=likelihood, seed=0, **options
    )
    vae.compile(optimizer=keras.optimizers.Adam(0.002))
    vae.fit(x, *([obs] if options else []), epochs=EPOCHS, batch_size=100, verbose=0)
    return vae, vae.encode(x)[0]


covariates, y = keras_vae.tables.covariates(obs)
knowing, z_knowing = trained(covariates=covariates)
blind, z_blind = trained()

# %% [markdown]
# What a linear classifier finds in z: the kind of a cell it should find, the batch it should not,
# where half is what guessing gets.


# %%
def found(z, what):
    """The accuracy of a classifier of z on the second half of the cells."""
    return LogisticRegression(max_iter=1000).fit(z[:1000], what[:1000]).score(z[1000:], what[1000:])


for name, z in {"with the batch": z_knowing, "without": z_blind}.items():
    print(f"{name}: kind {found(z, kind):.2f}, batch {found(z, batch):.2f}")

# %% [markdown]
# A cell of one batch, as the other would have counted it: z of the cell, the label of the other
# batch.

# %%
other = knowing.reconstruct(x[:5], label={"batch": "batch 2"})
knowing.export("counts-onnx", format="onnx")
