// Several servers on one Redis: signalbox nodes, and Node servers with the Redis adapter beside them.

import assert from "node:assert/strict";
import path from "node:path";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { here, onReference } from "./build.mjs";
import { within } from "./deadline.mjs";
import { long } from "./long.mjs";
import { Redis } from "./redis.mjs";
import { Server } from "./server.mjs";
import { SECRET } from "./tokens.mjs";

/** The key of the API of the nodes. */
export const KEY = "the key of the backends";

const NODE_SERVER = [process.execPath, [path.join(here, "reference", "cluster.mjs")]];

/** A Node server of reference/cluster.mjs. Tests run functions in it. */
export class NodeServer extends Server {
  #calls = new Map();
  #last = 0;

  constructor(...args) {
    super(...args);
    this.stdio = ["ignore", "pipe", "pipe", "ipc"];
  }

  async start() {
    const started = super.start();
    this.child.on("message", ({ id, value, error }) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(new Error(`in the Node server: ${error}`));
      else call?.resolve(value);
    });
    await started;
  }

  /**
   * Runs a function in the server and resolves with what it returns. It is called with what the server has there, and args;
   * it can use nothing else, since only its text is sent. Values are cloned on the way.
   */
  run(fn, ...args) {
    const id = ++this.#last;
    const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    this.child.send({ id, source: fn.toString(), args });
    return within(answer, () => `the Node server to run ${fn}`);
  }

  /** Resolves once the rooms that were joined so far are heard: with the sharded adapter that takes a moment. */
  subscribed() {
    return this.run(({ subscribed }) => subscribed());
  }

  /** Node ends at an exception that nobody catches, so that it runs is the better part of it; it has not complained either. */
  assertHealthy() {
    const complaint = this.output.split("\n").filter((line) => line && !line.startsWith("redis: "));
    assert.deepEqual(complaint, [], "what the Node server wrote");
    if (!this.mayLoseRedis) assert.ok(!this.output.includes("redis: "), this.output);
  }
}

/** The modes that a suite runs in. */
export const modes = ["classic", "sharded", ...(long ? ["streams"] : [])];

/** Starts a cluster for the whole test file, or for one test when its context t is given, and ends it at the end. */
export async function useCluster({ t, ...options } = {}) {
  const cluster = await Cluster.start(options);
  const stop = () => cluster.stop();
  if (t) t.after(stop);
  else after(stop);
  return cluster;
}

/** Servers on one Redis. Where the suite runs against the reference, its nodes are Node servers too. */
export class Cluster {
  /**
   * Starts nodes signalbox nodes and servers Node servers, all with these settings besides the usual ones. redis is one that
   * the caller has started, and ends unless ownsRedis is true; without it the cluster has its own. started is the path that
   * tells that a node has started, where it is not to wait for Redis.
   */
  static async start({ nodes = 3, servers = 0, mode = "classic", env = {}, redis, ownsRedis = !redis, started } = {}) {
    const cluster = new Cluster(redis ?? (await Redis.start()), mode, env);
    Object.assign(cluster, { ownsRedis, started });
    try {
      const started = await Promise.allSettled([
        ...Array.from({ length: nodes }, () => (onReference ? cluster.#server() : cluster.#node())),
        ...Array.from({ length: servers }, () => cluster.#server()),
      ]);
      const running = started.filter((s) => s.status === "fulfilled").map((s) => s.value);
      const failed = started.find((s) => s.status === "rejected");
      cluster.nodes = running.slice(0, nodes);
      cluster.servers = running.slice(nodes);
      if (failed) {
        for (const server of running) server.signal("SIGKILL");
        throw failed.reason;
      }
    } catch (err) {
      if (cluster.ownsRedis) await cluster.redis.end();
      throw err;
    }
    return cluster;
  }

  constructor(redis, mode, env) {
    this.redis = redis;
    this.mode = mode;
    this.env = { JWT_SECRET: SECRET, REDIS_URL: redis.url, REDIS_MODE: mode, ...env };
  }

  #node() {
    return Server.start({ env: { API_KEY: KEY, SHUTDOWN_TIMEOUT: "5s", HANDOVER_GRACE: "0s", DRAIN_SPREAD: "0s", ...this.env }, started: this.started });
  }

  #server() {
    return NodeServer.start({ env: this.env, command: NODE_SERVER });
  }

  /** Every server, nodes first. */
  get all() {
    return [...this.nodes, ...this.servers];
  }

  /** Ends all that still runs; every one of them has to end well, and to leave nothing in Redis that does not expire. */
  async stop() {
    try {
      await Promise.all(this.all.map((server) => server.stop()));
      const kept = (await this.redis.keys()).filter(({ life, type }) => life < 0 && type !== "stream"); // the one of the streams mode is bounded
      assert.deepEqual(kept, [], "keys that would stay in Redis for ever");
    } catch (err) {
      for (const server of this.all) server.signal("SIGKILL");
      throw err;
    } finally {
      if (this.ownsRedis) await this.redis.end();
    }
  }
}

/** Pairs of different servers, in both directions. */
export const pairs = (servers) => servers.flatMap((a) => servers.filter((b) => b !== a).map((b) => [a, b]));

/**
 * Resolves with what look returns once that is truthy. It is for what tells nobody when it changes: a page of metrics,
 * /readyz, the state of Redis.
 */
export async function eventually(look, what, ms) {
  let over = false;
  const seek = async () => {
    while (!over) {
      const found = await look();
      if (found) return found;
      await pause(50);
    }
  };
  try {
    return await within(seek(), what, ms);
  } finally {
    over = true;
  }
}

/** Several nodes that stand for one server: each use of url is another one of them. */
export class Rotation {
  static async start(count, env) {
    const rotation = new Rotation();
    rotation.cluster = await Cluster.start({ nodes: count, env });
    rotation.last = Math.floor(Math.random() * count);
    return rotation;
  }

  /** The next node. Who talks to one node in several requests, as polling does, stays with the one it picked. */
  pick() {
    const { nodes } = this.cluster;
    this.last = (this.last + 1) % nodes.length;
    return nodes[this.last];
  }

  get url() {
    return this.pick().url;
  }

  get port() {
    return this.pick().port;
  }

  get output() {
    return this.cluster.nodes.map((node) => node.output).join("\n");
  }

  logLines() {
    return this.cluster.nodes.flatMap((node) => node.logLines());
  }

  stop() {
    return this.cluster.stop();
  }
}
