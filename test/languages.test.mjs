// Clients that people write in other languages, and socket.io-client on other runtimes: each goes through the same steps, over
// polling, over websocket, and with the upgrade between them. Each is a program in languages/ that says what it has done. What
// cannot be had on this machine is named and not run.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { io } from "socket.io-client";
import { here, onReference } from "./support/build.mjs";
import { fresh } from "./support/clients.mjs";
import { notRun } from "./support/long.mjs";
import { canInstall, findProgram, install } from "./support/program.mjs";
import { Server } from "./support/server.mjs";

const inGoName = "zishang520's client in Go";
const POLLING_IN_GO = "over polling alone it sends nothing while a poll waits, so its first call times out, with Node's server as well (reference/server.mjs)";
const STEPS = ["connect", "ack", "binary", "rooms", "reconnect"];
const folder = path.join(here, "languages");
const attempt = (what, make) => {
  try {
    return make();
  } catch (err) {
    notRun(what, String(err.stderr ?? err.message ?? err).trim().split("\n").at(-1));
    return undefined;
  }
};
const run = (program, args, options) => execFileSync(program, args, { stdio: ["ignore", "pipe", "pipe"], timeout: 600_000, ...options });

/** Debian's python3-socketio, with what its two clients are built on. */
function python(script, ...modules) {
  const command = ["/usr/bin/python3", path.join(folder, script)];
  const there = () => run(command[0], ["-c", `import socketio, ${modules.join(", ")}`]);
  return attempt(`python3-socketio, ${script}`, () => {
    try {
      there();
    } catch (err) {
      if (!canInstall()) throw err;
      install("python3-socketio", "python3-aiohttp", "python3-websocket", "python3-requests");
      there();
    }
    return command;
  });
}

/** Another runtime, from PATH or from its npm package, which languages/package.json names. */
function runtime(name, ...args) {
  return attempt(`socket.io-client on ${name}`, () => {
    let program = findProgram(name);
    if (!program) {
      run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
      program = path.join(folder, "node_modules", ".bin", name);
    }
    run(program, ["--version"]);
    return [program, ...args, path.join(folder, "runtime.mjs")];
  });
}

/** The client in Go, a module of its own: the server must not depend on it. */
function inGo() {
  const dir = mkdtempSync(path.join(tmpdir(), "signalbox-languages-"));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return attempt("a client in Go", () => {
    const program = path.join(dir, "languages");
    run("go", ["build", "-buildvcs=false", "-o", program, "."], { cwd: path.join(folder, "go") });
    return [program];
  });
}

const clients = onReference
  ? {}
  : {
      "python-socketio with requests and websocket-client": python("python_sync.py", "requests", "websocket"),
      "python-socketio with aiohttp": python("python_aiohttp.py", "aiohttp"),
      "socket.io-client 4.8.4 on Bun": runtime("bun"),
      "socket.io-client 4.8.4 on Deno": runtime("deno", "run", "--allow-all", "--node-modules-dir=manual"),
      [inGoName]: inGo(),
    };

for (const [name, command] of Object.entries(clients)) {
  describe(name, { skip: command ? false : "it cannot be had here" }, () => {
    for (const way of ["polling", "websocket", "upgrade"]) {
      test(way, { skip: way === "polling" && name === inGoName && POLLING_IN_GO }, async (t) => {
        const server = await Server.start();
        t.after(() => server.stop());
        const [program, ...args] = command;
        const child = spawn(program, [...args, server.url, way, fresh(), fresh()], { stdio: ["ignore", "pipe", "pipe"] });
        t.after(() => child.kill("SIGKILL"));
        let said = "";
        let errors = "";
        let again;
        child.stdout.on("data", (data) => {
          said += data;
          // Sessions end with the process. A connection that is merely cut is opened again unnoticed by some pollers.
          if (/^restart$/m.test(said)) again ??= server.kill().then(() => server.start());
        });
        child.stderr.on("data", (data) => (errors += data));
        const [code] = await new Promise((resolve) => child.on("close", (...how) => resolve(how)));
        await again;
        assert.deepEqual([...said.matchAll(/^ok (\w+)/gm)].map(([, step]) => step), STEPS, errors);
        assert.equal(code, 0, errors);
      });
    }
  });
}

const worker = onReference ? undefined : python("python_worker.py", "requests", "websocket");

test("a worker in Python", { skip: worker ? false : "it cannot be had here" }, async (t) => {
  const key = "0123456789abcdef0123456789abcdef";
  const server = await Server.start({ env: { WORKER_KEY: key, WORKER_EVENTS: "/game:*" } });
  t.after(() => server.stop());
  const [program, ...args] = worker;
  const child = spawn(program, [...args, server.url, key], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`the worker ended with ${code}`)));
  });
  const open = (auth) => {
    const socket = io(`${server.url}/game`, { forceNew: true, auth });
    t.after(() => socket.disconnect());
    return socket;
  };
  const [ann, stranger] = [open({ name: "ann" }), open({})];
  assert.equal((await once(stranger, "connect_error"))[0].message, "who?");
  const moved = once(ann, "moved");
  assert.deepEqual(await ann.timeout(10_000).emitWithAck("move", "e4"), { ok: true });
  assert.deepEqual(await moved, ["ann", "e4"]);
});
