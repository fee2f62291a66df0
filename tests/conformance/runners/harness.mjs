// What the runners in JavaScript share: run the requests, compare, return the report.
// The requests are described in expected.py, the report in harness.py.

const ARRAYS = { float32: Float32Array, int64: BigInt64Array };
const BUDGET = 1000; // milliseconds of timing, and at least three runs
const ROUNDING = 1e-4; // what differs by more is another value

/**
 * @param ort the module, onnxruntime-node or onnxruntime-web
 * @param place where the requests are: a path or an address that ends with a slash
 * @param read function of a file's name to its bytes, an ArrayBuffer
 */
export async function answer(ort, place, read) {
  const sessions = {}, load_seconds = {}, results = {};
  for (const { number, graph, input, output, unit } of await requests(ort, read)) {
    try {
      if (!sessions[graph]) {
        const started = performance.now();
        sessions[graph] = await ort.InferenceSession.create(place + graph);
        load_seconds[graph] = (performance.now() - started) / 1000;
      }
      results[number] = await result(sessions[graph], input, output, unit);
    } catch (error) {
      results[number] = { error: String(error?.message ?? error).slice(0, 300) };
    }
  }
  return { load_seconds, results };
}

async function requests(ort, read) {
  const data = await read("arrays.bin");
  const text = new TextDecoder().decode(await read("requests.tsv"));
  const found = new Map();
  for (const line of text.trim().split("\n").slice(1)) {
    const [number, graph, , role, name, type, shape, offset, bytes] = line.split("\t");
    if (!found.has(number)) found.set(number, { number, graph, input: {}, output: {}, unit: {} });
    const values = new ARRAYS[type](data.slice(+offset, +offset + +bytes));
    const dims = shape === "-" ? [] : shape.split(",").map(Number);
    found.get(number)[role][name] = new ort.Tensor(type, values, dims);
  }
  return found.values();
}

async function result(session, input, output, unit) {
  const names = Object.keys(output);
  if (!names.length) return { seconds: await medianSeconds(() => session.run(input)) };
  const computed = await session.run(input);
  const compared = (name) => [name, compare(computed[name], output[name], unit[name].data)];
  return Object.fromEntries(names.map(compared));
}

async function medianSeconds(run) {
  await run();
  const times = [];
  for (let sum = 0; sum < BUDGET || times.length < 3; sum += times.at(-1)) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[times.length >> 1] / 1000;
}

function compare(computed, expected, unit) {
  if (computed.type !== expected.type || String(computed.dims) !== String(expected.dims)) {
    return { identical: false, difference: null, share: 1 };
  }
  const [a, b] = [bytes(computed.data), bytes(expected.data)];
  let difference = 0, other = 0;
  const size = expected.data.length;
  for (let i = 0; i < size; i++) {
    const gap = Math.abs(computed.data[i] - expected.data[i]) / unit[i % unit.length];
    if (!(gap <= difference)) difference = gap; // NaN too, which JSON writes as null
    if (!(gap <= ROUNDING)) other++;
  }
  const share = other / Math.max(1, size);
  return { identical: a.every((byte, i) => byte === b[i]), difference, share };
}

function bytes(array) {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
