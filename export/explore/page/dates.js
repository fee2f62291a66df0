// Dates as a column writes them, by strftime's format; in UTC, whatever the browser's zone is.

const DAY = 86400e3;
const PARTS = { S: 1e3, M: 60e3, H: 3600e3 };
const LETTERS = { Y: "YYYY", m: "MM", d: "DD", H: "hh", M: "mm", S: "ss" };
const ISO = "%Y-%m-%d %H:%M:%S"; // in place of a format that this page does not know
const FIRST = Date.parse("0001-01-01"), LAST = Date.parse("9999-12-31T23:59:59Z");

/** The text of so many days since the column's origin, to the smallest part that it writes. */
export function dateText(column, days) {
  const format = formatOf(column);
  const part = Object.entries(PARTS).find(([letter]) => format.includes(`%${letter}`))?.[1] ?? DAY;
  const time = Date.parse(column.origin) + part * Math.round((days * DAY) / part);
  const [Y, m, d, H, M, S] = new Date(Math.min(LAST, Math.max(FIRST, time))).toISOString().match(/\d+/g);
  const held = { Y, m, d, H, M, S };
  return format.replace(/%(.)/g, (_, letter) => held[letter]);
}

/** The days since the column's origin; NaN if the text is no such date. */
export function daysOf(column, text) {
  const letters = [];
  const pattern = formatOf(column).replace(/%(.)|[^\w\s]/g, (literal, letter) => {
    if (!letter) return `\\${literal}`;
    letters.push(letter);
    return letter === "Y" ? "(\\d{4})" : "(\\d{1,2})";
  });
  const found = new RegExp(`^${pattern}$`).exec(text);
  if (!found) return NaN;
  const held = Object.fromEntries(letters.map((letter, i) => [letter, found[i + 1]]));
  const { Y, m, d, H = 0, M = 0, S = 0 } = held, two = (part) => String(part).padStart(2, "0");
  const time = Date.parse(`${Y}-${two(m)}-${two(d)}T${two(H)}:${two(M)}:${two(S)}Z`);
  const exists = new Date(time).getUTCDate() === Number(d); // some browsers read February 31
  return exists ? (time - Date.parse(column.origin)) / DAY : NaN;
}

/** The column's format as people write it: DD.MM.YYYY. */
export const dateForm = (column) => formatOf(column).replace(/%(.)/g, (_, letter) => LETTERS[letter]);

function formatOf({ format }) {
  const letters = Array.from(format.matchAll(/%(.?)/g), ([, letter]) => letter);
  const known = letters.every((letter) => letter in LETTERS) && new Set(letters).size === letters.length;
  return known && ["Y", "m", "d"].every((letter) => letters.includes(letter)) ? format : ISO;
}
