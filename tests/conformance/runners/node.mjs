// onnxruntime-node, or onnxruntime-web in Node: node node.mjs MODULES PACKAGE FOLDER
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { answer } from "./harness.mjs";

const [modules, name, folder] = process.argv.slice(2);
const ort = createRequire(join(modules, "package.json"))(name);
const read = async (file) => new Uint8Array(await readFile(join(folder, file))).buffer;

const report = await answer(ort, folder + "/", read);
const { web, node } = ort.env.versions;
const version = `${web ?? node}, Node ${process.versions.node}`;
console.log(JSON.stringify({ version, ...report }));
process.exit(); // the threads of WebAssembly would keep it alive
