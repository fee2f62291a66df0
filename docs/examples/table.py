# %% [markdown]
# # A synthetic table, and what it is good for
#
# Rows that nobody owns, drawn from a model of rows that somebody does. The table is that of 178
# wines with 13 measured columns and the grower, which scikit-learn carries, as a CSV.

# %%
import numpy as np
import polars as pl
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_vae

EPOCHS = 600

wine = load_wine()
wines = pl.DataFrame(wine.data, schema=[name.replace("/", "_") for name in wine.feature_names])
wines = wines.with_columns(grower=pl.Series([f"grower {i + 1}" for i in wine.target]))
order = np.random.default_rng(0).permutation(len(wines))
train, test = wines[order[:118]], wines[order[118:]]
train.write_csv("wines.csv")

# %% [markdown]
# `read` finds what each column is, and the likelihood is made of that: a mixture for each number,
# which gives the last decimal a width, and probabilities for the growers.

# %%
table = keras_vae.tables.read("wines.csv")
for column in table.columns:
    print(column.name, column.kind)

vae = keras_vae.VAE.from_architecture(
    "mlp", table.x.shape[1:], latent_dim=4, likelihood=table.likelihood(), seed=0
)
vae.compile(optimizer="adam")
vae.fit(table.x, epochs=EPOCHS, batch_size=59, verbose=0)

# %% [markdown]
# The rows that are drawn hold the text of a CSV, decimals and all. They are useful if what is
# learned of them is true of real rows: here a classifier of the grower, beside one that learned on
# the real rows.

# %%
drawn = vae.sample(1000, seed=0, mean=False)
pl.DataFrame(keras_vae.tables.text(vae.likelihood, drawn)).write_csv("synthetic.csv")
synthetic = pl.read_csv("synthetic.csv")


def accuracy(rows):
    """Of a classifier that learned on these rows, on the real test rows."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(rows.drop("grower").to_numpy(), rows["grower"].to_numpy())
    return model.score(test.drop("grower").to_numpy(), test["grower"].to_numpy())


print(f"learned on real rows: {accuracy(train):.2f}")
print(f"learned on synthetic rows: {accuracy(synthetic):.2f}")

# %% [markdown]
# Side by side, column by column:

# %%
names = [column.name for column in table.columns]
real = keras_vae.tables.read(test, table.columns).x
keras_vae.plotting.save(keras_vae.plotting.histograms(drawn, real, names), "table.png")
vae.export("table-onnx", format="onnx")

# %% [markdown]
# ![histograms of synthetic wines and of real ones that the model has not seen](table.png)
#
# A synthetic row is no promise of privacy: [synthetic rows of real tables](../synthesis.md)
# measures how near they come to those that were trained on.
