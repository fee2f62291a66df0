// One example as an element: a picture, the row of a table, or bars.
import { entries, pixels, written } from "./unit.js";

const SVG = "http://www.w3.org/2000/svg";
const BARS = { large: 256, small: 64 }; // at most

/** A function of x, and of whether there is little room, to an element. */
export function viewer(manifest) {
  const columns = entries(manifest), { seen } = pixels(manifest);
  if (columns) return (x, small) => (small ? line(columns, x) : table(columns, x));
  if (isPicture(manifest)) return (x) => picture(manifest.input_shape, seen(x));
  return (x, small) => bars(x, small ? BARS.small : BARS.large);
}

export const isPicture = (manifest) => manifest.input_shape.length === 3 && !manifest.columns;

function picture([height, width, channels], x) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * pixel + c] = Math.round(255 * x[pixel * channels + (channels === 3 ? c : 0)]);
    }
    image.data[4 * pixel + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function bars(x, most) {
  const shown = x.slice(0, most), low = Math.min(0, ...shown), high = Math.max(0, ...shown);
  const svg = document.createElementNS(SVG, "svg"), height = high - low || 1;
  svg.setAttribute("viewBox", `0 ${-high} ${shown.length} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  shown.forEach((value, i) => {
    const bar = document.createElementNS(SVG, "rect");
    const box = { x: i + 0.1, width: 0.8, y: -Math.max(0, value), height: Math.abs(value) };
    for (const name in box) bar.setAttribute(name, box[name]);
    svg.append(bar);
  });
  const title = document.createElementNS(SVG, "title");
  const cut = x.length > most ? `the first ${most} of ` : "";
  title.textContent = `${cut}${x.length} values from ${Math.min(...shown).toPrecision(3)} to ${Math.max(...shown).toPrecision(3)}`;
  svg.prepend(title);
  return svg;
}

function table(columns, x) {
  const made = document.createElement("table");
  columns.forEach((column, i) => {
    const row = made.insertRow(), name = document.createElement("th");
    name.textContent = column.name;
    row.append(name);
    row.insertCell().textContent = written(column, x[i]) || "missing";
  });
  return made;
}

function line(columns, x) {
  const made = document.createElement("span");
  made.textContent = columns.map((column, i) => written(column, x[i]) || "missing").join(" · ");
  return made;
}
