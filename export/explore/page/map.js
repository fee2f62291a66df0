// Map: x_hat over two dimensions of z; the others are those of the current z.
import { MOST } from "./sliders.js";
import { latest } from "./state.js";
import { tiles } from "./tiles.js";

const CELLS = 9; // a side, as in explore.css

export function map({ bundle, state, view, isTable, fail }, { order, reach }) {
  const section = document.querySelector("#map-section"), place = document.querySelector("#map");
  if (order.length < 2 || isTable) return;
  section.hidden = false;
  const [across, up] = ["#across", "#up"].map((id) => document.querySelector(id));
  for (const select of [across, up]) for (const j of order.slice(0, MOST)) select.add(new Option(`z[${j}]`, j));
  up.selectedIndex = 1;
  let drawn = "";

  const show = latest(async () => {
    const [i, j] = [Number(across.value), Number(up.value)];
    const others = String([i, j, state.label, state.with({ [i]: 0, [j]: 0 })]);
    if (others === drawn) return; // only the two moved
    drawn = others;
    const along = (extent, k) => extent * ((2 * k) / (CELLS - 1) - 1);
    const z = Array.from({ length: CELLS ** 2 }, (_, cell) => state.with({
      [i]: along(reach[i], cell % CELLS),
      [j]: along(reach[j], CELLS - 1 - Math.floor(cell / CELLS)),
    }));
    const x = await bundle.decode(z, state.label);
    const name = (cell) => `z[${i}] ${z[cell][i].toFixed(1)}, z[${j}] ${z[cell][j].toFixed(1)}`;
    document.querySelector("#extent").textContent = `from −${reach[i]} to ${reach[i]}, and from −${reach[j]} to ${reach[j]}`;
    tiles(place, x.map((row) => view(row, true)), name, (cell) => state.set({ z: z[cell] }));
  }, fail);

  for (const select of [across, up]) select.addEventListener("change", show);
  state.addEventListener("change", show);
  show();
}
