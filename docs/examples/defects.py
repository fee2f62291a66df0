# %% [markdown]
# # Anomalies: which picture is damaged, and where
#
# A model of sound pictures says how likely a picture is. The line beyond which it is an anomaly is
# drawn from sound pictures that the model has not seen: on average at most 5 % of new ones lie
# beyond.

# %%
import numpy as np

import keras_vae
from export.runtime import OnnxVAE

EPOCHS = 60

data = keras_vae.datasets.load("digits")
rng = np.random.default_rng(0)
held_out, new = np.split(rng.permutation(data.x_test), [179])
vae = keras_vae.VAE.from_architecture("mlp", (8, 8, 1), 8, likelihood="normal", seed=0)
vae.compile(optimizer="adam")
vae.fit(data.x_train, epochs=EPOCHS, batch_size=32, verbose=0)
detector = keras_vae.anomaly.calibrate(vae, held_out, false_alarm_rate=0.05)
vae.export("defects-onnx", format="onnx", detector=detector)

# %% [markdown]
# The bundle holds the line too. In each of 180 digits that nobody has seen so far, 2×2 pixels are
# turned into their negative:

# %%
damaged, places = new.copy(), rng.integers(0, 7, (len(new), 2))
for picture, (row, column) in zip(damaged, places, strict=True):
    picture[row : row + 2, column : column + 2] = 1 - picture[row : row + 2, column : column + 2]
bundle = OnnxVAE("defects-onnx")
print(f"alarms of sound pictures: {bundle.is_anomaly(new).mean():.2f}")
print(f"alarms of damaged ones: {bundle.is_anomaly(damaged).mean():.2f}")

# %% [markdown]
# log p(x|z) is a sum over the pixels, and its least terms say where the damage is:

# %%
terms = vae.element_log_prob(damaged)
worst = np.stack(np.unravel_index(terms[..., 0].reshape(len(new), -1).argmin(axis=1), (8, 8)), 1)
inside = ((worst >= places) & (worst < places + 2)).all(axis=1)
print(f"the least likely pixel is a damaged one: {inside.mean():.2f}")
strange = np.clip(-terms[:8] / -terms[:8].min(axis=(1, 2, 3), keepdims=True), 0, 1)
shown = np.concatenate([new[:8], damaged[:8], strange.astype("float32")])
keras_vae.plotting.save(keras_vae.plotting.images(shown, columns=8), "defects.png")

# %% [markdown]
# ![sound digits, the same with a damaged square, and how unlikely each pixel is](defects.png)
#
# What is promised of the rate, and what is not, stands in [Anomalies](../anomalies.md).
