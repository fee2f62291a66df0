# %% [markdown]
# # Digits: a model of each label, from fit to onnxruntime
#
# The 8×8 digits that scikit-learn carries, with their labels. The model is conditional, p(x|z, y):
# the label says which digit, z how it is written.

# %%
import numpy as np

import keras_vae
from export.runtime import OnnxVAE

EPOCHS = 60

data = keras_vae.datasets.load("digits")
vae = keras_vae.VAE.from_architecture(
    "mlp", (8, 8, 1), latent_dim=8, likelihood="normal", num_classes=10, seed=0
)
vae.compile(optimizer="adam")
vae.fit(data.x_train, data.y_train, epochs=EPOCHS, batch_size=32, verbose=0)

# %% [markdown]
# `score` is an estimate of log p(x|y) for each example, of 100 draws of z, in nats. Its mean over
# test images has an error bar, the standard error over the images.

# %%
score = vae.score(data.x_test, num_samples=100, label=data.y_test)
print("log p(x|y):", keras_vae.evaluation.estimate(score["log_likelihood"]), "nats")

# %% [markdown]
# One z, ten labels: noise i of a seed is the same whatever the label, so each row below is one way
# of writing.

# %%
rows = [vae.sample(10, seed=1, label=label) for label in range(10)]
styles = np.stack(rows, axis=1).reshape(100, 8, 8, 1)
keras_vae.plotting.save(keras_vae.plotting.images(styles, columns=10), "digits.png")

# %% [markdown]
# ![ten ways of writing ten digits](digits.png)
#
# Exported, the label is an input of the graph, and z is that of Keras to the bit. The images are
# the same numbers up to rounding, here without Keras:

# %%
vae.export("digits-onnx", format="onnx")
sevens = OnnxVAE("digits-onnx").sample(10, seed=1, label=7)
print("largest difference from Keras:", float(np.abs(sevens - rows[7]).max()))
