// Walk: the straight line from one z to another.
import { latest } from "./state.js";
import { tiles } from "./tiles.js";

const STEPS = 8;

/** Returns the function that keeps the current z as "a" or "b". */
export function walk({ bundle, state, view, fail }) {
  const ends = {};
  let told = ""; // the label of what is shown
  const t = document.querySelector("#t"), place = document.querySelector("#steps");
  const at = (share) => ends.a.map((value, j) => (1 - share) * value + share * ends.b[j]);
  const go = (share) => {
    t.value = share;
    state.set({ z: at(share) });
  };
  const show = latest(async () => {
    told = String(state.label);
    const shares = Array.from({ length: STEPS }, (_, i) => i / (STEPS - 1));
    const x = await bundle.decode(shares.map(at), state.label);
    const name = (i) => `step ${i + 1} of ${STEPS} from A to B`;
    tiles(place, x.map((row) => view(row, true)), name, (i) => go(shares[i]));
  }, fail);

  function keep(end) {
    ends[end] = Float32Array.from(state.z);
    document.querySelector(`#keep-${end}`).textContent = `Keep this z as ${end.toUpperCase()} instead`;
    if (!ends.a || !ends.b) return;
    document.querySelector("#between").hidden = false;
    t.value = end === "a" ? 0 : 1;
    show();
  }

  for (const end of ["a", "b"]) document.querySelector(`#keep-${end}`).onclick = () => keep(end);
  state.addEventListener("change", () => {
    if (ends.a && ends.b && String(state.label) !== told) show();
  });
  t.addEventListener("input", () => go(Number(t.value)));
  return keep;
}
