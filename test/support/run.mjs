// `npm test`: builds the server once, then runs the *.test.mjs against it. With LONG=1 it runs all of them, and then those that
// are about clients once more against three nodes of a cluster that stand for one server. Arguments go on to `node --test`,
// names of test files included: `npm test -- broker.test.mjs`, with CLUSTER=3 against nodes. Tests in a browser need chromium
// and those of clusters a Redis; both are installed where that can be done, else see browser.mjs and redis-server.mjs.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { provideBrowser } from "./browser.mjs";
import { build, here, onReference, remove } from "./build.mjs";
import { long } from "./long.mjs";
import { miniredis, provideRedis } from "./redis-server.mjs";

const NODES = 3;

const args = process.argv.slice(2);
const named = args.some((a) => a.endsWith(".test.mjs"));
// What needs a browser, nginx or another build is for long runs.
const needsMore = /^(browser|cluster-(streams|upgrade)|deploy|doors-browser|languages|nginx)/;
const every = readdirSync(here).filter((f) => f.endsWith(".test.mjs") && (long || !needsMore.test(f))).sort();
// The reference has the broker and the chat, and a Node server that joins clusters.
const single = every.filter((f) => !(onReference && /^(doors|browser|cluster-(?!mixed))/.test(f)));
// What is about starting and stopping one server, about its limits or about the wire is the same in a cluster.
const clients = every.filter((f) => /^(broker|chat|doors-(?!browser|lost)|msgpack|order|ownership|relay|usage)/.test(f));

const env = { ...process.env };
// Here and not in the tests: an installation may take longer than a test may.
const wants = (word) => (named ? args : every).some((a) => a.includes(word));
if (!onReference && wants("browser")) env.CHROMIUM = provideBrowser() ?? "none";
if (env.CLUSTER || wants("cluster") || wants("eio3")) {
  env.REDIS_SERVER = provideRedis() ?? "none";
  if (env.REDIS_SERVER === "none") env.MINIREDIS_BIN = miniredis();
}
let built;
if (!onReference && !env.SIGNALBOX_BIN) {
  built = build();
  env.SIGNALBOX_BIN = built;
}

let runner;
/** Runs test files; resolves with the exit code. */
function run(files, more = {}, flags = []) {
  runner = spawn(
    process.execPath,
    ["--test", "--test-concurrency=2", "--test-timeout=120000", "--test-reporter=spec", ...flags, ...args, ...files],
    { cwd: here, env: { ...env, ...more }, stdio: "inherit" },
  );
  return new Promise((resolve) => runner.on("exit", (code) => resolve(code ?? 1)));
}

// An interrupt reaches the runner as well; this process stays to remove what it built.
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    interrupted = true;
    runner.kill(signal);
  });
}

process.exitCode = await run(named ? [] : env.CLUSTER ? clients : single);
if (long && !named && !onReference && !interrupted) {
  console.log("\nThe oldest clients:");
  process.exitCode = (await run(["eio3.test.mjs"], { EIO3: "oldest" }, ["--test-force-exit"])) || process.exitCode;
}
if (long && !named && !env.CLUSTER && !onReference && !interrupted) {
  console.log(`\nThe tests of clients again, spread over ${NODES} nodes:`);
  process.exitCode = (await run(clients, { CLUSTER: NODES })) || process.exitCode;
}
if (built) remove(built);
