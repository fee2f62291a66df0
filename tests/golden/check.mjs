// node check.mjs NORMAL_TABLE VECTORS: compares noise.mjs to the bit with a file laid out as
// noise.json. Prints how many values of each kind agree; if some do not, it names up to three and
// ends with status 1.

import { readFileSync } from "node:fs";
import { component, event, exampleSeed, noise, parseTable, uniform, words } from "../noise.mjs";

const [tablePath, vectorsPath] = process.argv.slice(2);
const table = parseTable(Uint8Array.from(readFileSync(tablePath)).buffer);
const { normal, latent, draws } = noise(table);
const golden = JSON.parse(readFileSync(vectorsPath, "utf8"));

const hex = (word) => word.toString(16).padStart(8, "0");
const bits = (floats) => Array.from(new Uint32Array(Float32Array.from(floats).buffer), hex);
const agreed = {};
const wrong = [];

function compare(kind, where, got, want) {
  const same = got.length === want.length && got.every((value, i) => value === want[i]);
  if (same) agreed[kind] = (agreed[kind] ?? 0) + want.length;
  else wrong.push(`${kind} ${JSON.stringify(where)}: got ${got}, expected ${want}`);
}

for (const [i, want] of Object.entries(golden.table ?? {})) {
  compare("table", i, bits([table[i]]), [want]);
}
for (const { key, counter, words: want } of golden.known ?? []) {
  const [k0, k1, c0, c1] = [...key, ...counter].map((word) => parseInt(word, 16));
  const [seed, index] = [[k1, k0], [c1 >>> 20, c0]].map(([high, low]) => (BigInt(high) << 32n) | BigInt(low));
  compare("known", { key, counter }, words(seed, index, c1 % 2 ** 20).map(hex), want);
}
for (const { words: want, uniform: u, normal: n, ...at } of golden.vectors ?? []) {
  const pair = words(BigInt(at.seed), BigInt(at.index), at.position);
  compare("words", at, pair.map(hex), want);
  compare("uniform", at, bits(pair.map(uniform)), u);
  compare("normal", at, bits(pair.map(normal)), n);
}
for (const { epsilon, ...at } of golden.draws ?? []) {
  const got = draws(BigInt(at.seed), BigInt(at.example), BigInt(at.draw), 1, epsilon.length);
  compare("draws", at, bits(got), epsilon);
}
for (const { u, ...at } of golden.components ?? []) {
  compare("components", at, bits(component(BigInt(at.seed), BigInt(at.index), u.length)), u);
}
for (const { u, ...at } of golden.events ?? []) {
  compare("events", at, bits(event(BigInt(at.seed), BigInt(at.index), 1, u.length)), u);
}
for (const { u, ...at } of golden.fillings ?? []) {
  const own = exampleSeed(BigInt(at.seed), BigInt(at.example));
  const got = [...component(own, 0n, 1), ...event(own, 0n, 1, u.length - 1)];
  compare("fillings", at, bits(got), u);
}
for (const { epsilon, ...at } of golden.latent ?? []) {
  const got = latent(BigInt(at.seed), BigInt(at.first), at.count, epsilon.length / at.count);
  compare("latent", at, bits(got), epsilon);
}
console.log(JSON.stringify(agreed));
for (const line of wrong.slice(0, 3)) console.error(line);
process.exitCode = wrong.length ? 1 : 0;
