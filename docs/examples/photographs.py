# %% [markdown]
# # Your own photographs
#
# A folder of pictures of one size is a data set. To have one, this example cuts the two
# photographs that scikit-learn carries into squares of 16×16 pixels; with pictures of your own,
# begin at `load`.

# %%
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

import keras_vae

EPOCHS = 30

folder = Path("squares")
folder.mkdir(exist_ok=True)
for name, photograph in zip(("temple", "flower"), load_sample_images().images, strict=True):
    for row in range(0, photograph.shape[0] - 16, 16):
        for column in range(0, photograph.shape[1] - 16, 16):
            square = Image.fromarray(photograph[row : row + 16, column : column + 16])
            square.save(folder / f"{name}-{row:03}-{column:03}.png")

data = keras_vae.datasets.load(folder)
print(f"{len(data.x_train)} squares to train on, {len(data.x_test)} to test on")

# %% [markdown]
# A pixel has three whole numbers from 0 to 255, so its likelihood is a probability and not a
# density: a mixture of discretized logistics. Mirrored pictures are as good as given ones, and are
# more.

# %%
vae = keras_vae.VAE.from_architecture(
    "resnet",
    (16, 16, 3),
    latent_dim=32,
    likelihood="mixture_of_discretized_logistics",
    augment=keras.layers.RandomFlip("horizontal"),
    width=16,
    seed=0,
)
vae.compile(optimizer=keras.optimizers.Adam(0.002))
vae.fit(data.x_train, epochs=EPOCHS, batch_size=32, verbose=0)

# %% [markdown]
# Bits per dimension are what a number of a pixel would take in a file that the model compresses;
# the same squares as PNG files need more.

# %%
score = vae.score(data.x_test[:200], num_samples=20)
bits = -score["log_likelihood"] / (16 * 16 * 3 * np.log(2))
print("bits per dimension:", keras_vae.evaluation.estimate(bits))

# %% [markdown]
# What z holds of a picture is what a reconstruction shows: light and colour at first, edges later.
# Here are the squares of the most contrast.

# %%
x = data.x_test[np.argsort(-data.x_test.std(axis=(1, 2, 3)))[:16]]
shown = keras_vae.plotting.reconstructions(x, vae.reconstruct(x))
keras_vae.plotting.save(shown, "photographs.png")
vae.export("photographs-onnx", format="onnx")

# %% [markdown]
# ![squares of photographs, and below each its reconstruction](photographs.png)
