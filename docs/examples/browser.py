# %% [markdown]
# # In a browser
#
# A trained model becomes a page that draws, encodes and walks, with no server of its own:
# WebAssembly computes, and the noise is that of Python to the bit.

# %%
from pathlib import Path

import keras_vae
from export.runtime import OnnxVAE

EPOCHS = 40

data = keras_vae.datasets.load("digits")
vae = keras_vae.VAE.from_architecture("conv", (8, 8, 1), 4, likelihood="normal", seed=0)
vae.compile(optimizer="adam")
vae.fit(data.x_train, epochs=EPOCHS, batch_size=32, verbose=0)
vae.export("browser-onnx", format="onnx")

# %% [markdown]
# The [latent explorer](../explorer.md) is a whole page, to be served by any host of files:
#
# ```
# npm install onnxruntime-web
# python -m export.explore browser-onnx --out page
# python -m http.server --directory page
# ```
#
# A page of your own needs one file and one call. The graph takes a seed, the index of the first
# sample, a count and a temperature, and gives images:

# %%
page = """<!doctype html>
<title>digits</title>
<canvas id="digit" width="8" height="8" style="width: 256px; image-rendering: pixelated"></canvas>
<button id="next">next</button>
<script type="module">
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
const sampler = await ort.InferenceSession.create("./browser-onnx/sampler.onnx");
const integer = (n) => new ort.Tensor("int64", BigInt64Array.of(BigInt(n)), []);
let first = 0;
async function draw() {
  const feeds = { seed: integer(7), count: integer(1), first: integer(first++),
                  temperature: new ort.Tensor("float32", Float32Array.of(1), []) };
  const { x_hat } = await sampler.run(feeds);
  const pixels = Uint8ClampedArray.from(x_hat.data, (v) => 255 * v);
  const rgba = new Uint8ClampedArray(256).map((_, i) => (i % 4 == 3 ? 255 : pixels[i >> 2]));
  document.getElementById("digit").getContext("2d").putImageData(new ImageData(rgba, 8), 0, 0);
}
document.getElementById("next").addEventListener("click", draw);
await draw();
</script>
"""
Path("digits.html").write_text(page)

# %% [markdown]
# `npm install onnxruntime-web` and `python -m http.server` serve it from this folder, as
# `http://localhost:8000/digits.html`. What it will show is known here: sample 0 of seed 7.

# %%
bundle = OnnxVAE("browser-onnx")
x_hat = bundle.sample(1, seed=7)
print((255 * x_hat[0, :, :, 0].clip(0, 1)).astype("uint8"))
keras_vae.plotting.save(keras_vae.plotting.images(bundle.sample(32, seed=7)), "browser.png")

# %% [markdown]
# ![the first 32 digits of seed 7](browser.png)
