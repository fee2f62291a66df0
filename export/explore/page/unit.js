// x in its own unit, and as it is shown: pixels from 0 to 1, values as text.

import { dateForm, dateText, daysOf } from "./dates.js";

/** The manifest's preprocessing, x ↦ (x - location) / scale, as functions of one example. */
export function preprocessing({ preprocessing: told, input_shape: shape }) {
  if (!told) return { seen: (x) => x, own: (x) => x };
  const location = spread(told.location, shape), scale = spread(told.scale, shape);
  return {
    seen: (x) => x.map((value, i) => (value - location(i)) / scale(i)),
    own: (x) => x.map((value, i) => value * scale(i) + location(i)),
  };
}

const WHITES = [1, 255, 65535];

/**
 * Pixels from 0 to 1, as they are shown, of x in its own unit, and back: {seen, own}.
 *
 * A preprocessing that only scales says what white is. Where it centres the pixels, location + scale
 * is at most somewhat larger than white, as `white_of` of the runtime has it.
 */
export function pixels(manifest) {
  const told = manifest.preprocessing, flat = (list) => [list].flat(Infinity);
  if (!told || flat(told.location).every((value) => value === 0)) return preprocessing(manifest);
  const size = manifest.input_shape.reduce((a, b) => a * b, 1);
  const location = spread(told.location, manifest.input_shape), scale = spread(told.scale, manifest.input_shape);
  let reach = -Infinity;
  for (let i = 0; i < size; i++) reach = Math.max(reach, location(i) + Math.abs(scale(i)));
  const white = WHITES.find((value) => reach <= 1.25 * value) ?? reach;
  return { seen: (x) => x.map((value) => value / white), own: (x) => x.map((value) => value * white) };
}

/** Nested lists that broadcast against the shape, as a function of the place in one example. */
function spread(nested, shape) {
  const depth = (list) => (Array.isArray(list) ? 1 + depth(list[0]) : 0);
  const axes = shape.slice(shape.length - depth(nested));
  const strides = axes.map((_, i) => axes.slice(i + 1).reduce((a, b) => a * b, 1));
  const inner = (list, place, axis) => !Array.isArray(list) ? list
    : inner(list[list.length === 1 ? 0 : Math.floor(place / strides[axis]) % axes[axis]], place, axis + 1);
  return (place) => inner(nested, place, 0);
}

/** The columns of a table that are entries of x. */
export const entries = (manifest) => manifest.columns?.filter((column) => !column.label);

/** One value of a table as text. */
export function written(column, value) {
  if (Number.isNaN(value)) return "";
  if (column.kind === "category") return String(column.categories[Math.round(value)] ?? value);
  if (column.kind === "count") return String(Math.round(value));
  if (column.kind === "number") return value.toFixed(Math.min(20, Math.max(0, column.decimals ?? 0)));
  return dateText(column, value);
}

/** The text of one example, as the page takes it back. */
export function text(manifest, x) {
  const columns = entries(manifest);
  return Array.from(x, (value, i) => columns ? quoted(written(columns[i], value)) : short(value)).join(", ");
}

function quoted(part) {
  return /[,;\t\n"]|^\s|\s$/.test(part) ? `"${part.replaceAll('"', '""')}"` : part;
}

/** One example from its text; an error of one line if it is none. */
export function parsed(manifest, values) {
  const parts = split(values), size = manifest.input_shape.reduce((a, b) => a * b, 1);
  if (parts.length !== size) throw new Error(`x must be ${size} values with commas between, got ${parts.length}`);
  const columns = entries(manifest);
  const gaps = manifest.x?.missing !== undefined;
  return Float32Array.from(parts, (part, i) => {
    return gaps && part === "" ? NaN : entry(columns?.[i] ?? { name: `value ${i + 1}`, kind: "number" }, part);
  });
}

/** Values with commas between; one that holds a comma stands in quotes, and a quote in it twice. */
function split(values) {
  const part = /[^\S\t\n]*(?:"((?:[^"]|"")*)"[^\S\t\n]*(?=[,;\t\n]|$)|([^,;\t\n]*))([,;\t\n]|$)/y;
  const parts = [];
  for (let end = null; end !== "";) {
    const [, within, plain, next] = part.exec(values);
    parts.push(within?.replaceAll('""', '"') ?? plain.trim());
    end = next;
  }
  return parts;
}

/** One value of a column from its text; an error of one line if it is none. */
export function entry(column, part) {
  const value = part === "" ? NaN : read(column, part);
  if (!Number.isFinite(Math.fround(value))) {
    throw new Error(`${column.name} must be ${kindOf(column)}, got ${part || "nothing"}`);
  }
  return value;
}

function read(column, part) {
  if (column.kind === "date") return daysOf(column, part);
  if (column.kind !== "category") return Number(part);
  const place = column.categories.map(String).indexOf(part);
  return place < 0 ? NaN : place;
}

function kindOf(column) {
  if (column.kind === "date") return `a date, ${dateForm(column)}`;
  return column.kind === "category" ? `one of ${column.categories.slice(0, 8).join(", ")}` : "a number";
}

/** A float32 with the digits that tell it from all others. */
export const short = (value) => String(Number(value.toPrecision(9)));
