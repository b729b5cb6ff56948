// What docs/app-logic.md tells to paste works: a hook and a worker, and the client of both.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { here, onReference } from "./support/build.mjs";
import { DEADLINE_MS } from "./support/deadline.mjs";
import { freePort, Server } from "./support/server.mjs";

const page = readFileSync(path.join(path.dirname(here), "docs", "app-logic.md"), "utf8");
const blocks = [...page.matchAll(/^```js\n([^]+?)^```$/gm)].map(([, code]) => code);
const WORKER_KEY = "0123456789abcdef0123456789abcdef";

/** Runs a script in a folder that has socket.io-client; said resolves when its output matches. */
function run(type, code, env) {
  const child = spawn(process.execPath, [`--input-type=${type}`, "-e", code], { cwd: here, env: { ...process.env, ...env }, timeout: DEADLINE_MS });
  after(() => child.kill("SIGKILL"));
  let output = "";
  const said = (pattern) =>
    new Promise((resolve, reject) => {
      const look = (data = "") => {
        output += data;
        if (pattern.test(output)) resolve(output);
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.on("exit", () => reject(new Error(`it ended: ${output}`)));
      look();
    });
  return { child, said };
}

const client = blocks.find((code) => code.includes("require("));

/** The page's client meets the page's backend. */
async function meet(server) {
  const ann = run("commonjs", client.replaceAll("http://localhost:3000", server.url));
  await Promise.all([ann.said(/ann e4/), ann.said(/\{ ok: true \}/)]);
}

test("a hook, and its client", { skip: onReference && "not the reference's" }, async (t) => {
  const port = await freePort();
  const HOOKS_SECRET = `whsec_${randomBytes(32).toString("base64")}`;
  const server = await Server.start({ env: { HOOKS_SECRET, HOOKS_URL: `http://127.0.0.1:${port}/`, HOOKS_EVENTS: "/game:*", HOOKS_NOTIFY: "disconnect" } });
  t.after(() => server.stop());
  run("module", blocks.find((code) => code.includes("createServer")).replace("4000", port), { HOOKS_SECRET });
  await meet(server);
});

test("a worker, and its client", { skip: onReference && "not the reference's" }, async (t) => {
  const server = await Server.start({ env: { WORKER_KEY, WORKER_EVENTS: "/game:*" } });
  t.after(() => server.stop());
  const worker = blocks.find((code) => code.includes("/backend"));
  const backend = run("module", worker.replaceAll("http://localhost:3000", server.url), { WORKER_KEY });
  await backend.said(/handle \{ ok: true \}/);
  await meet(server);
});
