// The clients in the README work when pasted.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { here } from "./support/build.mjs";
import { DEADLINE_MS } from "./support/deadline.mjs";
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
  assert.deepEqual(blocks.map(({ title }) => title.split(":")[0]).slice(0, 2), ["Broker", "Chat"]);
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
