// Draw: samples by seed, temperature and label.
import { seedOf } from "./bundle.js";
import { controls } from "./labels.js";
import { latest } from "./state.js";
import { tiles } from "./tiles.js";

const COUNT = 16;

export function draw(page) {
  const { bundle, state, view, fail, clear } = page;
  const form = document.querySelector("#draw"), { seed, temperature, what, shown } = form.elements;
  document.querySelector("#what").hidden = !bundle.has("generator");
  if (page.isTable && bundle.has("generator")) what.value = "draw"; // a mean of rows is none
  const label = controls(document.querySelector("#label"), bundle.covariates);

  async function show() {
    const asked = { seed: seedOf(seed.value), count: COUNT, temperature: Number(temperature.value) };
    const given = { ...asked, label: label(), draw: what.value === "draw" };
    const { z, x } = await bundle.sample(given);
    clear();
    const name = (i) => `sample ${i} of seed ${asked.seed}`;
    const choose = (i) => state.set({ z: z[i], label: given.label });
    tiles(document.querySelector("#samples"), x.map((row) => view(row, true)), name, choose);
    choose(0);
  }

  const again = latest(show, fail);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    again();
  });
  form.addEventListener("change", again);
  temperature.addEventListener("input", () => {
    shown.value = temperature.value;
    again();
  });
  return show();
}
