// A bundle in the browser: what its files are fed, and what they give.

import { beginning, covariatesOf } from "./labels.js";

const FORMAT = "keras-vae", VERSION = 2;
const LARGEST = 2n ** 63n;
const AT_ONCE = 2 ** 18; // numbers of x that are computed together, but for one example

/** What the manifest says; an error of one line if there is none. */
export async function manifestOf(place) {
  const answer = await fetch(`${place}manifest.json`).catch(() => null);
  const told = answer?.ok ? await answer.json().catch(() => null) : null;
  if (told?.format !== FORMAT) {
    throw new Error("no bundle is here: bundle/manifest.json is missing, or not of keras-vae");
  }
  if (told.format_version !== VERSION) {
    throw new Error(`the bundle has format version ${told.format_version}, and this page reads ${VERSION}`);
  }
  return told;
}

/** A seed as the graphs take it; an error of one line if it is none. */
export function seedOf(text) {
  const known = /^\s*[-−]?\d{1,19}\s*$/.test(text);
  const seed = known ? BigInt(text.trim().replace("−", "-")) : LARGEST;
  if (seed >= LARGEST || seed < -LARGEST) {
    throw new Error(`the seed must be a whole number from -2^63 to 2^63 - 1, got ${text.trim() || "nothing"}`);
  }
  return seed;
}

export class Bundle {
  #ort; #place; #say; #sessions = new Map(); #last = Promise.resolve();

  /**
   * @param ort onnxruntime-web
   * @param place the address of the folder, ending with a slash
   * @param manifest what `manifestOf` gave
   * @param say called with the name and the bytes of a file that is loaded, with nothing after it
   */
  constructor(ort, place, manifest, say) {
    [this.#ort, this.#place, this.#say, this.manifest] = [ort, place, say, manifest];
    this.shape = manifest.input_shape;
    this.size = this.shape.reduce((a, b) => a * b, 1);
    this.latentDim = manifest.latent_dim;
    this.covariates = covariatesOf(manifest);
    this.label = beginning(this.covariates); // where none is given
  }

  has(stem) {
    return `${stem}.onnx` in this.manifest.files;
  }

  /** z and x of samples, as rows: {z: [Float32Array], x: [Float32Array]}. */
  async sample({ seed, first = 0n, count, temperature = 1, label = this.label, draw = false }) {
    const feeds = { seed, first, count: BigInt(count) };
    for (const name in feeds) feeds[name] = this.#int64([feeds[name]], []);
    feeds.temperature = this.#float32([temperature], []);
    const [stem, name] = draw ? ["generator", "x"] : ["sampler", "x_hat"];
    const out = await this.#run(stem, { ...feeds, ...this.#labels([label], []) });
    return { z: rows(out.z, count), x: rows(out[name], count) };
  }

  /** x_hat of each row of z. */
  async decode(z, label = this.label) {
    const parts = await this.#inParts(z, async (some) => {
      const labels = this.#labels(some.map(() => label), [some.length]);
      const out = await this.#run("decoder", { z: this.#rows(some, [this.latentDim]), ...labels });
      return rows(out.x_hat, some.length);
    });
    return parts.flat();
  }

  /** z_mean and z_log_var of each row of x. */
  async encode(x) {
    const parts = await this.#inParts(x, async (some) => {
      const out = await this.#run("encoder", { x: this.#rows(some, this.shape) });
      return [rows(out.z_mean, some.length), rows(out.z_log_var, some.length)];
    });
    return { mean: parts.flatMap(([mean]) => mean), logVar: parts.flatMap(([, logVar]) => logVar) };
  }

  /** What `work` gives of some rows at a time: large images would take more memory than there is. */
  async #inParts(all, work) {
    const most = Math.max(1, Math.floor(AT_ONCE / this.shape.reduce((a, b) => a * b, 1))), parts = [];
    for (let i = 0; i < all.length; i += most) parts.push(await work(all.slice(i, i + most)));
    return parts;
  }

  /** elbo and log_likelihood of one x, in nats. */
  async score(x, label = this.label) {
    const { num_samples = 100, seed = "0", index = 0 } = this.manifest.anomaly ?? {};
    const out = await this.#run("scorer", {
      x: this.#rows([x], this.shape),
      num_samples: this.#int64([num_samples], []),
      seed: this.#int64([seed], []),
      index: this.#int64([index], [1]),
      ...this.#labels([label], [1]),
    });
    return { elbo: out.elbo.data[0], logLikelihood: out.log_likelihood.data[0], numSamples: num_samples };
  }

  /** Mean KL(q(z_j|x) ‖ N(0, 1)) of each dimension, in nats, over draws of the model, and its z. */
  async use(count = 64) {
    const { z, x } = await this.sample({ seed: 0n, count, draw: this.has("generator") });
    const { mean, logVar } = await this.encode(x);
    const kl = (i, j) => 0.5 * (mean[i][j] ** 2 + Math.exp(logVar[i][j]) - 1 - logVar[i][j]);
    const total = (j) => z.reduce((sum, _, i) => sum + kl(i, j), 0) / count;
    return { kl: Float64Array.from({ length: this.latentDim }, (_, j) => total(j)), z };
  }

  /** The largest difference of z from the manifest's known answer; an error if it is too large. */
  async check() {
    const known = this.manifest.known_answer;
    if (!known) return null;
    const { count, tolerance, label = this.label } = known;
    const { z } = await this.sample({
      seed: BigInt(known.seed), first: BigInt(known.first), count, label: [label].flat(),
    });
    const gaps = known.z.flatMap((row, i) => row.map((v, j) => Math.abs(Math.fround(v) - z[i][j])));
    const gap = gaps.reduce((a, b) => (b <= a ? a : b), 0); // NaN stays
    if (!(gap <= tolerance)) {
      throw new Error(`this browser draws other samples than the bundle's: z differs by ${gap}`);
    }
    return gap;
  }

  async #run(stem, feeds) {
    const session = await this.#session(stem);
    const ours = this.#last.then(() => session.run(feeds)); // one at a time
    this.#last = ours.catch(() => null);
    return ours;
  }

  #session(stem) {
    if (!this.#sessions.has(stem)) this.#sessions.set(stem, this.#load(`${stem}.onnx`));
    return this.#sessions.get(stem);
  }

  async #load(name) {
    this.#say(name, this.manifest.files[name]?.bytes);
    const answer = await fetch(this.#place + name).catch(() => null);
    if (!answer?.ok) throw new Error(`the bundle holds no ${name}`);
    const session = await this.#ort.InferenceSession.create(await answer.arrayBuffer());
    this.#say();
    return session;
  }

  #int64(values, dims) {
    return new this.#ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
  }

  #float32(values, dims) {
    return new this.#ort.Tensor("float32", Float32Array.from(values), dims);
  }

  #rows(rows, shape) {
    const size = shape.reduce((a, b) => a * b, 1), flat = new Float32Array(rows.length * size);
    rows.forEach((row, i) => flat.set(row, i * size));
    return new this.#ort.Tensor("float32", flat, [rows.length, ...shape]);
  }

  /** What the files take for these labels, of each a number for each of `this.covariates`. */
  #labels(labels, dims) {
    const y = labels.flat();
    if (this.manifest.num_classes) return { label: this.#int64(y, dims) };
    return y.length ? { label: this.#float32(y, [...dims, y.length / labels.length]) } : {};
  }
}

function rows(tensor, count) {
  const size = tensor.data.length / count;
  return Array.from({ length: count }, (_, i) => tensor.data.slice(i * size, (i + 1) * size));
}
