import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { serverCommand } from "./build.mjs";
import { within } from "./deadline.mjs";

// The runner ends a file that takes too long by a signal. The servers that it started must end with it.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const START_MS = 20_000;
const STOP_MS = 15_000;

// What no log line of a healthy server holds.
const CRASH = /\bpanic\b|DATA RACE|fatal error:|^goroutine \d+ \[/im;

/**
 * Starts a server for the whole test file, or for one test when its context t is given, and stops it at the end. The file
 * or test fails if the server does not end with exit code 0, or has reported a panic or a data race at any time. With
 * CLUSTER=<n> the server is n nodes of a cluster, and clients are spread over them.
 */
export async function useServer({ t, ...options } = {}) {
  const server = clustered ? await startNodes(options) : await Server.start(options);
  const stop = () => server.stop();
  if (t) t.after(stop);
  else after(stop);
  return server;
}

const clustered = Number(process.env.CLUSTER ?? 0);

async function startNodes({ env }) {
  const { Rotation } = await import("./cluster.mjs"); // it is made of what is in this file
  return Rotation.start(clustered, env);
}

/** One process of the server under test, on a loopback port of its own. */
export class Server {
  /**
   * Starts a server with these settings, where a value may be a function of its port; command, as [program, arguments, folder], replaces the server under test, and started
   * is the path that tells that it has started.
   */
  static async start({ env = {}, command = serverCommand(), started } = {}) {
    const server = new this(await freePort(), env, command);
    if (started) server.started = started;
    try {
      await server.start();
    } catch (err) {
      server.signal("SIGKILL");
      throw err;
    }
    return server;
  }

  constructor(port, env, command) {
    this.port = port;
    this.command = command;
    this.url = `http://127.0.0.1:${port}`;
    this.env = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, typeof value === "function" ? value(port) : value]));
    this.stdio = ["ignore", "pipe", "pipe"];
    /** What answers 200 once the server has started. */
    this.started = "/readyz";
    /** Everything the server wrote, over restarts. */
    this.output = "";
  }

  async start() {
    const [program, args, folder] = this.command;
    // A folder of its own and no inherited settings: a .env or a variable of the developer's must not change a result.
    const dir = mkdtempSync(path.join(tmpdir(), "signalbox-run-"));
    const { PATH, HOME, GORACE } = process.env;
    const child = spawn(program, args, {
      cwd: folder ?? dir,
      env: { PATH, HOME, GORACE, HOST: "127.0.0.1", PORT: String(this.port), LOG_FORMAT: "json", ...this.env },
      stdio: this.stdio,
      serialization: "advanced",
      // A group of its own: a signal reaches what a shell has started, too.
      detached: true,
    });
    this.child = child;
    const kill = () => {
      this.signal("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    };
    process.once("exit", kill);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => (this.output += text));
    }
    this.exited = new Promise((resolve) => {
      child.once("error", (err) => resolve({ err }));
      child.once("close", (code, signal) => resolve({ code, signal }));
    }).finally(() => {
      process.off("exit", kill);
      rmSync(dir, { recursive: true, force: true });
    });
    await this.#ready();
  }

  async #ready() {
    let ended = false;
    this.exited.then(() => (ended = true));
    const until = Date.now() + START_MS;
    while (!(await isReady(this.url, this.started))) {
      if (ended) throw new Error(`the server ended at start:\n${this.output}`);
      if (Date.now() > until) throw new Error(`${this.started} was not 200 within ${START_MS} ms:\n${this.output}`);
      await pause(20);
    }
  }

  /** Ends the process as a host does, by SIGTERM, and checks that it went well. */
  async stop() {
    this.signal("SIGTERM");
    let end;
    try {
      end = await within(this.exited, "the server to end after SIGTERM", STOP_MS);
    } catch (err) {
      this.signal("SIGKILL");
      throw new Error(`${err.message}\n${tail(this.output)}`);
    }
    this.assertHealthy();
    assert.deepEqual(end, { code: 0, signal: null }, `exit of the server:\n${tail(this.output)}`);
  }

  /** Ends the process without a word. */
  async kill() {
    this.signal("SIGKILL");
    await within(this.exited, "the server to end after SIGKILL", STOP_MS);
    this.assertHealthy();
  }

  /** Sends a signal to the process and all it started, if it still runs. */
  signal(name) {
    if (this.child.pid === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return;
    try {
      process.kill(-this.child.pid, name);
    } catch (err) {
      // It has ended, and that has not been noticed yet.
      if (err.code !== "ESRCH") throw err;
    }
  }

  /** Fails when the server has reported a panic or a data race so far. */
  assertHealthy() {
    const at = this.output.search(CRASH);
    if (at >= 0) assert.fail(`the server reported:\n${this.output.slice(Math.max(0, at - 500), at + 4000)}`);
  }

  /** The log lines that are JSON objects, parsed. */
  logLines() {
    return this.output.split("\n").flatMap((line) => {
      try {
        const value = JSON.parse(line);
        return value && typeof value === "object" ? [value] : [];
      } catch {
        return [];
      }
    });
  }
}

/** Resolves with whether /readyz of a server, or another path, is 200. */
export function isReady(url, path = "/readyz") {
  return new Promise((resolve) => {
    const req = http.get(url + path, { agent: false, timeout: 2000 }, (res) => {
      res.resume();
      resolve(res.statusCode === 200);
    });
    req.on("timeout", () => req.destroy());
    req.on("error", () => resolve(false));
  });
}

/**
 * Returns a loopback port below the range that systems give to outgoing connections, so that it is still free when a test
 * starts its server a second time on it.
 */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = net.createServer();
    const free = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => probe.close(resolve));
    if (free) return port;
  }
}

const tail = (text) => text.slice(-4000);
