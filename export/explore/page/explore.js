// The latent explorer: opens the bundle beside this page, and puts the parts together.
import { Bundle, manifestOf } from "./bundle.js";
import { draw } from "./draw.js";
import { given } from "./given.js";
import { map } from "./map.js";
import { isPicture, viewer } from "./show.js";
import { decoded, ranked, sliders } from "./sliders.js";
import { State } from "./state.js";
import { walk } from "./walk.js";

const THREADS = Math.min(4, navigator.hardwareConcurrency ?? 1);
const element = (id) => document.getElementById(id);
const say = (text) => { element("status").textContent = text; };

function fail(error) {
  element("error").textContent = String(error?.message ?? error).replace(/\s+/g, " ").slice(0, 300);
  element("error").hidden = false;
}

function clear() {
  element("error").hidden = true;
}

/** onnxruntime-web, with threads where this page may have them. */
async function runtime() {
  if (!canCompute()) {
    throw new Error("this browser has no WebAssembly with threads and SIMD: use a newer one");
  }
  const ort = await import("./runtime/ort.wasm.bundle.min.mjs").catch(() => {
    throw new Error("onnxruntime-web is missing: its files belong into runtime/ beside this page");
  });
  ort.env.wasm.numThreads = crossOriginIsolated ? THREADS : 1;
  return ort;
}

/** Whether a module with shared memory and a vector is valid here. */
function canCompute() {
  if (typeof WebAssembly !== "object") return false;
  return WebAssembly.validate(Uint8Array.of(
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0], // a function ...
    ...[5, 4, 1, 3, 1, 1], // ... and shared memory:
    ...[10, 16, 1, 14, 0, 65, 0, 254, 16, 2, 0, 26, 65, 0, 253, 15, 26, 11], // i32.atomic.load, i8x16.splat
  ));
}

function about({ manifest, shape, latentDim }) {
  const kind = manifest.columns ? "rows of a table" : isPicture(manifest) ? "images" : "arrays";
  const data = manifest.metrics?.data ? `, of ${manifest.metrics.data}` : "";
  element("about").textContent =
    `A variational autoencoder of ${kind} (${shape.join(" × ")})${data}: latent size ${latentDim}, ` +
    `likelihood ${manifest.likelihood.class_name}, prior ${manifest.prior?.class_name ?? "unknown"}.`;
}

async function start() {
  say("loading onnxruntime-web (14 MB) and the manifest");
  const [ort, manifest] = await Promise.all([runtime(), manifestOf("bundle/")]);
  let ready = "computing";
  const loading = (name, bytes) => say(name ? `loading ${name}, ${Math.round(bytes / 1000)} kB` : ready);
  const bundle = new Bundle(ort, "bundle/", manifest, loading);
  const page = { bundle, state: new State(), view: viewer(manifest), isTable: !!manifest.columns, fail, clear };
  about(bundle);
  for (const id of ["samples", "steps"]) element(id).classList.toggle("small", !page.isTable);
  await draw(page);
  document.querySelector("main").hidden = false;
  document.documentElement.dataset.firstImage = Math.round(performance.now());
  decoded(page);
  given(page, walk(page));
  const gap = await bundle.check();
  const use = await bundle.use(), rank = ranked(use);
  sliders(page, use, rank);
  map(page, rank);
  page.state.set({});
  const threads = crossOriginIsolated ? `${THREADS} threads` : "one thread, since the host does not isolate this page (COOP, COEP)";
  const known = gap === null ? "" : gap ? "; z as in the manifest, to rounding" : "; z as in the manifest, to the bit";
  say(ready = `onnxruntime-web ${ort.env.versions.web}, ${threads}${known}; nothing leaves this page`);
  document.documentElement.dataset.ready = "";
}

start().catch((error) => {
  say("stopped");
  fail(error);
});
