// onnxruntime-web in headless Chromium: node chromium.mjs MODULES CHROMIUM FOLDER
// A page from a server here, isolated by its headers so that WebAssembly may take threads.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";
import { text } from "node:stream/consumers";

const [modules, chromium, folder] = process.argv.slice(2);
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
  "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync",
];
const ROOTS = {
  modules: join(modules, "node_modules"), requests: folder, runners: import.meta.dirname,
};
const TYPES = { ".html": "text/html", ".mjs": "text/javascript" };
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

async function serve(request, response) {
  const [, root, ...rest] = new URL(request.url, "http://localhost").pathname.split("/");
  const base = resolve(ROOTS[root] ?? folder);
  const path = resolve(base, ...rest);
  const body = path.startsWith(base + sep) ? await readFile(path).catch(() => null) : null;
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  response.writeHead(body ? 200 : 404, { ...ISOLATED, "Content-Type": type }).end(body ?? "");
}

/** What the page posts, or why it did not. */
async function posted(server, profile) {
  const home = { HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile };
  const page = `http://127.0.0.1:${server.address().port}/runners/page.html`;
  const browser = spawn(chromium, [...FLAGS, `--user-data-dir=${profile}`, page], {
    env: { ...process.env, ...home },
  });
  const ended = once(browser, "close"); // the last of its processes has let go of the pipes
  for (const pipe of [browser.stdout, browser.stderr]) pipe.resume();
  const answer = new Promise((done) => {
    server.on("request", (request, response) => {
      if (request.method === "POST") done(text(request));
      else serve(request, response);
    });
    const silent = ([code]) => done(`ended with status ${code} before it answered`);
    ended.then(silent, (error) => done(String(error)));
  });
  const report = await answer;
  browser.kill();
  await ended.catch(() => null);
  return report;
}

const profile = await mkdtemp(join(folder, "profile-"));
const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const answer = await posted(server, profile);
await rm(profile, { recursive: true, force: true });
if (!answer.startsWith("{")) {
  console.error(answer);
  process.exit(1);
}
const about = execFileSync(chromium, ["--version"], { encoding: "utf8", stdio: "pipe" });
const report = JSON.parse(answer);
const version = `${report.version}, ${about.split(" ").slice(0, 2).join(" ")}`;
console.log(JSON.stringify({ ...report, version }));
process.exit();
