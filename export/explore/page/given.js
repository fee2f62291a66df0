// Encode: an image or values of the user's, its reconstruction, and its score.
import { isPicture } from "./show.js";
import { latest } from "./state.js";
import { parsed, pixels, text } from "./unit.js";

export function given(page, keep) {
  const { bundle, state, fail, clear } = page, { manifest } = bundle;
  const pictured = isPicture(manifest), box = document.querySelector("#drop");
  const input = box.querySelector("input"), form = document.querySelector("#typed");
  let last = null, told = ""; // what was given, and the label of what is shown of it
  document.querySelector("#file").hidden = !pictured;
  form.hidden = pictured;
  input.addEventListener("change", () => take([...input.files]));
  input.addEventListener("click", () => { input.value = ""; }); // the same file again
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(() => encode({ x: parsed(manifest, form.elements.values.value), words: "" }));
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    box.addEventListener(name, (event) => {
      event.preventDefault();
      box.classList.toggle("over", name === "dragover");
      if (name === "drop") take([...event.dataTransfer.files]);
    });
  }
  const show = latest(rebuild, fail);
  state.addEventListener("change", () => {
    if (last && String(state.label) !== told) show();
  });
  if (!pictured) {
    bundle.sample({ seed: 0n, count: 1, draw: bundle.has("generator") })
      .then(({ x }) => { form.elements.values.value = text(manifest, x[0]); }, fail);
  }

  function take(files) {
    if (!pictured) return fail(new Error("this model is of no images: type the values of x"));
    return guarded(async () => {
      const read = await Promise.all(files.slice(0, 2).map((file) => imageOf(file, manifest)));
      for (const [i, one] of read.entries()) {
        await encode(one);
        if (read.length === 2) keep(["a", "b"][i]);
      }
    });
  }

  async function encode(one) {
    const { mean: [z] } = await bundle.encode([one.x]);
    state.set({ z });
    last = { ...one, z };
    await show();
  }

  async function rebuild() {
    const { x, z, words } = last, { label } = state;
    told = String(label);
    const [x_hat] = await bundle.decode([z], label);
    for (const [id, values] of [["#x", x], ["#x_hat", x_hat]]) {
      document.querySelector(id).replaceChildren(page.view(values, false));
    }
    document.querySelector("#given").hidden = false;
    document.querySelector("#score").textContent = words + (await scored(x, label));
  }

  async function scored(x, label) {
    if (!bundle.has("scorer")) return "";
    const { elbo, logLikelihood, numSamples } = await bundle.score(x, label);
    if (!Number.isFinite(logLikelihood)) return `No density: x must be ${manifest.likelihood.support}.`;
    const told = manifest.anomaly;
    const verdict = !told ? "" : -logLikelihood > told.threshold ? " An anomaly." : " Not an anomaly.";
    return `log p(x) ≈ ${logLikelihood.toFixed(2)} nats, ELBO ${elbo.toFixed(2)} nats, from ${numSamples} draws of z.${verdict}`;
  }

  async function guarded(work) {
    try {
      clear();
      await work();
    } catch (error) {
      fail(error);
    }
  }
}

/** The pixels of an image in the model's size and unit: {x, words}. */
async function imageOf(file, manifest) {
  const [height, width, channels] = manifest.input_shape;
  if (channels !== 1 && channels !== 3) {
    throw new Error(`an image has 1 or 3 channels, and this model's have ${channels}`);
  }
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) throw new Error(`${file.name} is no image that this browser reads`);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height); // what is transparent becomes black
  const seen = read(context.getImageData(0, 0, width, height).data, channels);
  const words = [];
  if (image.width !== width || image.height !== height) {
    words.push(`Resized from ${image.width} × ${image.height} to ${width} × ${height}. `);
  }
  if (manifest.likelihood.support.startsWith("binary")) {
    const grey = seen.some((value) => value !== 0 && value !== 1);
    if (grey) words.push("Made black and white, as the model's images are. ");
    seen.forEach((value, i) => { seen[i] = value < 0.5 ? 0 : 1; });
  }
  const levels = /^the (\d+) levels/.exec(manifest.likelihood.support)?.[1];
  if (levels && levels !== "256") {
    words.push(`Rounded to ${levels} levels, as the model's images have. `);
    seen.forEach((value, i) => { seen[i] = Math.round(value * (levels - 1)) / (levels - 1); });
  }
  return { x: pixels(manifest).own(seen), words: words.join("") };
}

function read(data, channels) {
  const grey = (i) => 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
  const value = (place) => {
    const pixel = 4 * Math.floor(place / channels);
    return (channels === 1 ? Math.round(grey(pixel)) : data[pixel + (place % 3)]) / 255;
  };
  return Float32Array.from({ length: (data.length / 4) * channels }, (_, i) => value(i));
}
