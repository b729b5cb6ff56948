// A Redis of the tests' own: redis-server, or miniredis where there is none.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import tls from "node:tls";
import { createClient } from "redis";
import { within } from "./deadline.mjs";
import { findProgram } from "./program.mjs";
import { findRedis, miniredis } from "./redis-server.mjs";
import { freePort } from "./server.mjs";

const START_MS = 15_000;
const STOP_MS = 10_000;

/** Reports whether the tests have a real Redis. */
export const realRedis = findRedis() !== undefined;

/** The option of describe and test that leaves out what miniredis cannot do. */
export const needsRealRedis = { skip: realRedis ? false : "there is no redis-server here, and miniredis cannot do this" };

/** The option of describe and test for Redis with TLS: that also takes openssl, to make a certificate. */
export const needsTLS = {
  skip: !realRedis ? needsRealRedis.skip : findProgram("openssl") ? false : "there is no openssl here to make a certificate with",
};

/** One Redis, on a loopback port of its own. It keeps nothing on disk. */
export class Redis {
  static async start({ secure = false, password } = {}) {
    const redis = new Redis(await freePort(), secure, password);
    try {
      await redis.start();
    } catch (err) {
      redis.signal("SIGKILL");
      throw err;
    }
    return redis;
  }

  constructor(port, secure, password) {
    this.port = port;
    this.secure = secure;
    this.password = password;
    this.output = "";
    this.clients = new Set();
    this.url = `${secure ? "rediss" : "redis"}://${password ? `:${encodeURIComponent(password)}@` : ""}127.0.0.1:${port}`;
    this.dir = mkdtempSync(path.join(tmpdir(), "signalbox-redis-"));
    if (secure) {
      execFileSync("openssl", [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=a redis of the tests", "-keyout", path.join(this.dir, "key.pem"), "-out", path.join(this.dir, "cert.pem"),
      ], { stdio: "ignore" });
    }
  }

  #command() {
    const program = findRedis();
    if (!program) return [miniredis(), ["-addr", `127.0.0.1:${this.port}`]];
    const args = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", this.dir];
    if (this.password) args.push("--requirepass", this.password);
    if (!this.secure) return [program, [...args, "--port", String(this.port)]];
    const files = { "--tls-cert-file": "cert.pem", "--tls-key-file": "key.pem", "--tls-ca-cert-file": "cert.pem" };
    for (const [flag, file] of Object.entries(files)) args.push(flag, path.join(this.dir, file));
    return [program, [...args, "--port", "0", "--tls-port", String(this.port), "--tls-auth-clients", "no"]];
  }

  /** Starts it, a second time on the same port and without what it knew. */
  async start() {
    const [program, args] = this.#command();
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    const kill = () => {
      this.signal("SIGKILL");
      rmSync(this.dir, { recursive: true, force: true });
    };
    process.once("exit", kill);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => (this.output += text));
    }
    let ended = false;
    this.exited = new Promise((resolve) => {
      child.once("error", resolve);
      child.once("close", resolve);
    }).finally(() => {
      ended = true;
      process.off("exit", kill);
    });
    const until = Date.now() + START_MS;
    while (!(await this.#answers())) {
      if (ended) throw new Error(`redis ended at start:\n${this.output}`);
      if (Date.now() > until) throw new Error(`redis did not answer within ${START_MS} ms:\n${this.output}`);
      await pause(10);
    }
  }

  #answers() {
    return new Promise((resolve) => {
      const to = { port: this.port, host: "127.0.0.1", rejectUnauthorized: false };
      const socket = this.secure ? tls.connect(to) : net.connect(to);
      socket.setTimeout(1000, () => socket.destroy());
      socket.once(this.secure ? "secureConnect" : "connect", () => socket.write("*1\r\n$4\r\nPING\r\n"));
      // A password that it asks for is an answer, too.
      socket.once("data", (data) => {
        resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()));
        socket.destroy();
      });
      socket.on("error", () => {});
      socket.once("close", () => resolve(false));
    });
  }

  /** Ends it in order; start brings it back, empty. */
  async stop() {
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    try {
      await within(this.exited, "redis to end after SIGTERM", STOP_MS);
    } catch (err) {
      this.signal("SIGKILL");
      throw new Error(`${err.message}\n${this.output.slice(-2000)}`);
    }
  }

  /** Stops its process in the middle of whatever it does; connections stay, and nothing is answered until resume. */
  pause() {
    this.signal("SIGSTOP");
  }

  resume() {
    this.signal("SIGCONT");
  }

  /** Ends it for good, and the clients that connect gave out. */
  async end() {
    await Promise.all([...this.clients].map((client) => client.disconnect().catch(() => {})));
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  signal(name) {
    if (this.child.pid === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(name);
  }

  /** Connects a client of the package redis; it is closed with this Redis. */
  async connect() {
    const client = createClient({ url: this.url, socket: { rejectUnauthorized: false, reconnectStrategy: () => 50 } });
    client.on("error", () => {}); // it comes back by itself
    this.clients.add(client);
    await within(client.connect(), "a client of redis");
    return client;
  }

  /** Sends one command and resolves with its answer. */
  async ask(...args) {
    this.asking ??= await this.connect();
    return within(this.asking.sendCommand(args.map(String)), `redis ${args[0]}`);
  }

  /**
   * Records what is published, on all channels that fit the pattern, from now on: [{channel, payload}] with payloads as
   * Buffers. A pattern is not counted by PUBSUB NUMSUB, so nobody waits for an answer from here.
   */
  async record(pattern = "*") {
    const client = await this.connect();
    const seen = [];
    await client.pSubscribe(pattern, (payload, channel) => seen.push({ channel: channel.toString(), payload }), true);
    return seen;
  }

  /** All keys with their type and remaining life in ms (-1: for ever). */
  async keys() {
    const keys = [];
    let cursor = "0";
    do {
      const [next, some] = await this.ask("SCAN", cursor, "COUNT", 1000);
      cursor = next;
      for (const key of some) keys.push({ key, type: await this.ask("TYPE", key), life: Number(await this.ask("PTTL", key)) });
    } while (cursor !== "0");
    return keys;
  }
}
