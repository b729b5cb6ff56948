// What the README tells to paste works.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { here, onReference, serverCommand } from "./support/build.mjs";
import { DEADLINE_MS } from "./support/deadline.mjs";
import { findProgram } from "./support/program.mjs";
import { useServer } from "./support/server.mjs";

const server = await useServer();
const readme = readFileSync(path.join(path.dirname(here), "README.md"), "utf8");
const blocks = [...readme.matchAll(/^### (.+?)$(?:(?!^#)[^])*?^```js\n([^]+?)^```$/gm)].map(([, title, code]) => ({ title, code }));

/** Runs a script as `node` does with a file, in a folder that has socket.io-client installed. */
function run(code) {
  return new Promise((resolve) => {
    const args = ["--input-type=commonjs", "-e", code];
    execFile(process.execPath, args, { cwd: here, timeout: DEADLINE_MS }, (err, stdout, stderr) => resolve({ err, stdout, stderr }));
  });
}

test("there is one for the broker and one for the chat", () => {
  assert.deepEqual(blocks.map(({ title }) => title.split(":")[0]), ["Broker", "Chat"]);
  assert.equal(readme.match(/^```js$/gm).length, blocks.length, "all are run here");
});

for (const { title, code } of blocks) {
  test(title, async () => {
    assert.ok(code.includes("http://localhost:3000"), "it says where the server is");
    const { err, stdout, stderr } = await run(code.replaceAll("http://localhost:3000", server.url));
    assert.ifError(err);
    assert.equal(stderr, "");
    assert.match(stdout, /hello/);
  });
}

const curl = findProgram("curl");
test("the calls of a backend", { skip: onReference ? "not the reference's" : !curl && "there is no curl here" }, async () => {
  const [, calls] = /^### A backend[^]+?^```sh\n([^]+?)^```$/m.exec(readme);
  const [, key] = server.output.match(/Authorization: Bearer ([^']+)'/); // made up for the run, and printed
  const [bin] = serverCommand();
  const script = calls.replaceAll("http://localhost:3000", server.url).replaceAll(/^signalbox/gm, bin).replaceAll("curl ", "curl -sS -w '\\n' ");
  const env = { PATH: process.env.PATH, API_KEY: key, PORT: String(server.port) };
  const { err, stdout } = await new Promise((resolve) => {
    execFile("sh", ["-e", "-c", script], { cwd: tmpdir(), env, timeout: DEADLINE_MS }, (err, stdout) => resolve({ err, stdout }));
  });
  assert.ifError(err);
  const answers = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(answers, Array(4).fill({ ok: true, delivered: 0 }));
});
