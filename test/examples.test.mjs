// The backends of examples/, each as a hook and as a worker, behind the server; and the page of `make example` in a browser.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { io } from "socket.io-client";
import { findBrowser, launch, openPage } from "./support/browser.mjs";
import { here, onReference, serverCommand } from "./support/build.mjs";
import { DEADLINE_MS, happens, within } from "./support/deadline.mjs";
import { long, notRun } from "./support/long.mjs";
import { findProgram, isProgram } from "./support/program.mjs";
import { freePort, Server } from "./support/server.mjs";

const root = path.dirname(here);
const backends = path.join(root, "examples", "backends");
const HOOKS_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const WORKER_KEY = "0123456789abcdef0123456789abcdef";

/** Runs a program until the test ends; said resolves with what it wrote when that matches. */
function run(t, [program, ...args], env, options) {
  const child = spawn(program, args, { env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, detached: true, ...options });
  const kill = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {} // it has ended
  };
  process.once("exit", kill);
  t.after(kill);
  let output = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (output += data));
  const said = (pattern) =>
    within(
      new Promise((resolve, reject) => {
        const look = () => pattern.test(output) && resolve(output);
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        child.on("close", () => reject(new Error(`it ended: ${output}`)));
        look();
      }),
      () => `${pattern} in what ${args.at(-1) ?? program} says: ${output}`,
    );
  return { child, said };
}

/** Two clients play; who does not say who it is stays out; the backend hears of who leaves. */
async function play(t, server, said) {
  const join = (auth) => {
    const socket = io(`${server.url}/game`, { auth, forceNew: true, reconnection: false, transports: ["websocket"] });
    t.after(() => socket.close());
    return socket;
  };
  const nobody = join({});
  const [err] = await happens(nobody, "connect_error");
  assert.equal(err.message, "say who you are");
  const [ann, bob] = [join({ name: "ann" }), join({ name: "bob" })];
  await Promise.all([happens(ann, "connect"), happens(bob, "connect")]);
  const moved = happens(bob, "moved");
  assert.deepEqual(await ann.timeout(DEADLINE_MS).emitWithAck("move", "e4"), { ok: true });
  assert.deepEqual(await moved, ["ann", "e4"]);
  assert.deepEqual(await ann.timeout(DEADLINE_MS).emitWithAck("jump"), { ok: false, error: "there are only moves" });
  for (const [name, socket] of Object.entries({ ann, bob })) {
    socket.close();
    await said(new RegExp(`^disconnect ${name} client namespace disconnect$`, "m"));
  }
}

/** Each backend: how it is run as a hook and as a worker; undefined where the language is not here. */
function programs(kind) {
  const list = { node: [process.execPath, path.join(backends, "node", `${kind}.mjs`)] };
  if (!long) return list;
  const python = ["/usr/bin/python3", findProgram("python3")].find((program) => program && (kind === "hook" ? isProgram(program) : hasModule(program)));
  if (python) list.python = [python, path.join(backends, "python", `${kind}.py`)];
  else notRun(`the ${kind} in Python of examples/`, "there is no python3, or no python-socketio");
  const dir = mkdtempSync(path.join(tmpdir(), "signalbox-example-"));
  after(() => rmSync(dir, { recursive: true, force: true }));
  execFileSync("go", ["build", "-buildvcs=false", "-o", path.join(dir, kind), `./examples/backends/go/${kind}`], { cwd: root, stdio: "inherit" });
  list.go = [path.join(dir, kind)];
  return list;
}

function hasModule(python) {
  try {
    execFileSync(python, ["-c", "import socketio, requests, websocket"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("backends", { skip: onReference && "not the reference's" }, () => {
  const notify = { HOOKS_NOTIFY: "disconnect" };
  for (const [language, command] of Object.entries(programs("hook"))) {
    test(`a hook in ${language}`, async (t) => {
      const PORT = String(await freePort());
      const url = `http://127.0.0.1:${PORT}/`;
      const backend = run(t, command, { HOOKS_SECRET, PORT });
      const server = await Server.start({ env: { ...notify, HOOKS_SECRET, HOOKS_URL: url, HOOKS_EVENTS: "/game:*" } });
      t.after(() => server.stop());
      await play(t, server, backend.said);
      const forged = await fetch(url, { method: "POST", body: '{"events":[]}', headers: { "webhook-id": "1", "webhook-timestamp": String(Math.floor(Date.now() / 1000)), "webhook-signature": "v1,AAAA" } });
      assert.equal(forged.status, 401);
    });
  }
  for (const [language, command] of Object.entries(programs("worker"))) {
    test(`a worker in ${language}`, async (t) => {
      const server = await Server.start({ env: { ...notify, WORKER_KEY, WORKER_EVENTS: "/game:*" } });
      t.after(() => server.stop());
      let [program, ...args] = command;
      if (language === "node") { // where it finds socket.io-client
        const own = path.join(here, `.worker-${process.pid}.mjs`);
        copyFileSync(args[0], own);
        t.after(() => rmSync(own, { force: true }));
        args = [own];
      }
      const backend = run(t, [program, ...args], { WORKER_KEY, SIGNALBOX: server.url });
      await backend.said(/handle|"ok":true/);
      await play(t, server, backend.said);
    });
  }
});

test("make example: two windows with the page", { skip: !long || onReference || !findBrowser() ? "with LONG=1 and a browser" : false }, async (t) => {
  const [PORT, BACKEND_PORT] = [String(await freePort()), String(await freePort())];
  const example = run(t, [path.join(root, "examples", "run.sh")], { PORT, BACKEND_PORT, SIGNALBOX_BIN: serverCommand()[0] }, { cwd: here });
  await example.said(/open http/);
  await example.said(/signalbox/);
  const browser = await launch(findBrowser());
  t.after(() => browser.close());
  const windows = [];
  for (const name of ["ann", "bob"]) {
    const { page } = await openPage(browser.context, `http://127.0.0.1:${BACKEND_PORT}/`);
    await page.getByLabel("You are").fill(name);
    await page.getByRole("button", { name: "Join" }).click();
    await page.locator("#state", { hasText: "connected" }).and(page.locator("#state:not(:has-text('not'))")).waitFor();
    windows.push(page);
  }
  await windows[0].getByRole("button", { name: "e4", exact: true }).click();
  for (const page of windows) await page.locator("#moves li", { hasText: "ann: e4" }).waitFor();
});
