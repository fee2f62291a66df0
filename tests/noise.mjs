// The noise in JavaScript, written from the text at the head of keras_vae/noise.py alone. It
// imports nothing, so browsers run it too. Seeds, indices (and `example`, `first`) are BigInt.
//
//   const table = parseTable(await (await fetch("normal_table.npy")).arrayBuffer());
//   noise(table).latent(7n, 0n, 64, 16);  // epsilon of samples 0 to 63: Float32Array(64 * 16)

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];
const SCALE = new Float32Array(Uint32Array.of(0x3f3504f3).buffer)[0];
const low = (x) => Number(BigInt.asUintN(32, x));
const high = (x) => low(x >> 32n);

function within(name, value, end) {
  if (!(0 <= value && value < end)) throw new RangeError(`${name} is ${value}, not in [0, ${end})`);
}

/** Two words, integers in [0, 2^32), of (seed, index, position). */
export function words(seed, index, position) {
  within("index", index, 2 ** 44);
  within("position", position, 2 ** 20);
  const k = [low(seed), high(seed), low(seed) ^ high(seed) ^ 0x1bd11bda];
  let x0 = (low(index) + k[0]) | 0;
  let x1 = (high(index) * 2 ** 20 + position + k[1]) | 0;
  for (let i = 0; i < 20; i++) {
    const r = ROTATIONS[i % 8];
    x0 = (x0 + x1) | 0;
    x1 = ((x1 << r) | (x1 >>> (32 - r))) ^ x0;
    if (i % 4 !== 3) continue;
    const s = (i + 1) / 4;
    x0 = (x0 + k[s % 3]) | 0;
    x1 = (x1 + k[(s + 1) % 3] + s) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}

/** The seed (BigInt) that an example has of its own. */
export function exampleSeed(seed, example) {
  const [w0, w1] = words(seed, example, 2 ** 20 - 1).map(BigInt);
  return (w1 << 32n) | w0;
}

/** The word's number in (0, 1). */
export const uniform = (word) => ((word >>> 9) + 0.5) * 2 ** -23;

/** The number in (0, 1) of each index first, first + 1, ... that chooses a mixture component. */
export function component(seed, first, count) {
  const u = (_, row) => uniform(words(seed, first + BigInt(row), 2 ** 18)[0]);
  return Float32Array.from({ length: count }, u);
}

/** The `size` numbers in (0, 1) that x is drawn by, of each index first, first + 1, ...: count rows. */
export function event(seed, first, count, size) {
  within("size", size, 2 ** 20 - 1);
  const u = new Float32Array(count * size);
  for (let row = 0; row < count; row++) {
    for (let j = 0; j < size; j += 2) {
      const pair = words(seed, first + BigInt(row), 2 ** 19 + j / 2).map(uniform);
      u.set(pair.slice(0, size - j), row * size + j);
    }
  }
  return u;
}

/** T, all 65,536 entries, from the bytes (an ArrayBuffer) of normal_table.npy: its upper half. */
export function parseTable(npy) {
  const view = new DataView(npy);
  const start = npy.byteLength - 4 * 32768;
  if (start < 10 || start !== 10 + view.getUint16(8, true)) {
    throw new RangeError(`not 32768 float32 as .npy, version 1: ${npy.byteLength} bytes`);
  }
  const upper = (i) => view.getFloat32(start + 4 * i, true);
  const entry = (_, i) => (i < 32768 ? -upper(32767 - i) : upper(i - 32768));
  return Float32Array.from({ length: 65536 }, entry);
}

/** What needs the table: the normal number of a word, and noise as rows of latentDim. */
export function noise(table) {
  const normal = (word) =>
    Math.fround(Math.fround(table[word & 0xffff] + table[word >>> 16]) * SCALE);

  /** Indices first, first + 1, ...: count rows, one after the other. */
  function latent(seed, first, count, latentDim) {
    within("latentDim", latentDim, 2 ** 19 + 1);
    const epsilon = new Float32Array(count * latentDim);
    for (let row = 0; row < count; row++) {
      for (let j = 0; j < latentDim; j += 2) {
        const pair = words(seed, first + BigInt(row), j / 2).map(normal);
        epsilon.set(pair.slice(0, latentDim - j), row * latentDim + j);
      }
    }
    return epsilon;
  }

  /** Draws first, first + 1, ... for one example: count rows. */
  function draws(seed, example, first, count, latentDim) {
    return latent(exampleSeed(seed, example), first, count, latentDim);
  }

  return { normal, latent, draws };
}
