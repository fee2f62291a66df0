// One z: a slider for each dimension, those that carry most first, and z as numbers.
import { latest } from "./state.js";
import { short } from "./unit.js";

export const MOST = 64; // dimensions that are offered

export function decoded({ bundle, state, view, fail, clear }) {
  const place = document.querySelector("#decoded"), numbers = document.querySelector("#z");
  const show = latest(async () => {
    const [x] = await bundle.decode([state.z], state.label);
    place.replaceChildren(view(x, false));
  }, fail);
  state.addEventListener("change", show);
  state.addEventListener("change", () => {
    numbers.value = Array.from(state.z, short).join(", ");
  });
  numbers.addEventListener("change", () => {
    const z = numbers.value.split(/[\s,;[\]]+/).filter(Boolean).map(Number);
    if (z.length === bundle.latentDim && z.every(Number.isFinite)) {
      clear();
      state.set({ z });
    } else fail(new Error(`z must be ${bundle.latentDim} numbers, got ${z.length}: ${numbers.value.slice(0, 60)}`));
  });
}

/** The dimensions by their KL divergence, and the reach of each: {order, reach}. */
export function ranked({ kl, z }) {
  const order = Array.from(kl.keys()).sort((a, b) => kl[b] - kl[a]);
  const reach = Array.from(kl.keys(), (j) => Math.ceil(Math.max(3, ...z.map((row) => Math.abs(row[j])))));
  return { order, reach };
}

export function sliders({ state }, { kl }, { order, reach }) {
  const shown = order.slice(0, MOST), nats = (j) => `${kl[j].toFixed(2)} nats`;
  const made = shown.map((j) => slider(j, reach[j], nats(j), (value) => state.set({ z: state.with({ [j]: value }) })));
  document.querySelector("#sliders").replaceChildren(...made.map(({ label }) => label));
  document.querySelector("#order").textContent =
    `By KL(q(z_j|x) ‖ N(0, 1)) over 64 draws of the model, the largest first: z[${order[0]}] ${nats(order[0])}` +
    (order.length > 1 ? `, the last, z[${order.at(-1)}], ${nats(order.at(-1))}` : "") +
    (order.length > MOST ? `; ${MOST} of ${order.length} are shown.` : ".");
  const follow = () => made.forEach(({ set }, i) => set(state.z[shown[i]]));
  state.addEventListener("change", follow);
  follow();
}

function slider(j, reach, title, changed) {
  const label = document.createElement("label"), input = document.createElement("input");
  const output = document.createElement("output");
  Object.assign(input, { type: "range", min: -reach, max: reach, step: 0.05 });
  label.append(`z[${j}]`, input, output);
  label.title = title;
  input.addEventListener("input", () => changed(Number(input.value)));
  const set = (value) => {
    if (input !== document.activeElement || Number(input.value) !== value) input.value = value;
    output.value = value.toFixed(2);
  };
  return { label, set };
}
