// x in its own unit, and as it is shown: pixels from 0 to 1, values as text.

const DAY = 86400e3;

/** The manifest's preprocessing, x ↦ (x - location) / scale, as functions of one example. */
export function preprocessing({ preprocessing: told, input_shape: shape }) {
  if (!told) return { seen: (x) => x, own: (x) => x };
  const location = spread(told.location, shape), scale = spread(told.scale, shape);
  return {
    seen: (x) => x.map((value, i) => (value - location(i)) / scale(i)),
    own: (x) => x.map((value, i) => value * scale(i) + location(i)),
  };
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
  const date = new Date(Date.parse(`${column.origin}Z`) + value * DAY);
  return Number.isNaN(+date) ? String(value) : date.toISOString().slice(0, 10);
}

/** The text of one example, as the page takes it back. */
export function text(manifest, x) {
  const columns = entries(manifest);
  return Array.from(x, (value, i) => columns ? written(columns[i], value) : short(value)).join(", ");
}

/** One example from its text; an error of one line if it is none. */
export function parsed(manifest, values) {
  const parts = values.split(/[,;\t\n]/).map((part) => part.trim());
  const size = manifest.input_shape.reduce((a, b) => a * b, 1);
  if (parts.length !== size) throw new Error(`x must be ${size} values with commas between, got ${parts.length}`);
  const columns = entries(manifest);
  const gaps = manifest.x?.missing !== undefined;
  return Float32Array.from(parts, (part, i) => {
    const value = columns ? read(columns[i], part) : Number(part || NaN);
    if (Number.isNaN(value) && !(gaps && part === "")) {
      throw new Error(`${columns ? columns[i].name : `value ${i + 1}`} must be ${kindOf(columns?.[i])}, got ${part || "nothing"}`);
    }
    return value;
  });
}

function read(column, part) {
  if (part === "") return NaN;
  if (column.kind === "category") {
    const place = column.categories.map(String).indexOf(part);
    return place < 0 ? NaN : place;
  }
  return column.kind === "date" ? (Date.parse(part) - Date.parse(`${column.origin}Z`)) / DAY : Number(part);
}

function kindOf(column) {
  if (column?.kind !== "category") return column?.kind === "date" ? "a date" : "a number";
  return `one of ${column.categories.slice(0, 8).join(", ")}`;
}

/** A float32 with the digits that tell it from all others. */
export const short = (value) => String(Number(value.toPrecision(9)));
