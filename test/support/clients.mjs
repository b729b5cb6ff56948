import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe } from "node:test";
import { io as esm } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { onReference } from "./build.mjs";
import { within } from "./deadline.mjs";
import { long } from "./long.mjs";

const require = createRequire(import.meta.url);

const current = require("socket.io-client").io;

const packed = (url, options) => current(url, { parser, ...options });

/** The newest client with socket.io-msgpack-parser, over a websocket. Of servers under test signalbox alone knows it. */
export const msgpack = { name: "socket.io-client 4.8.4 (msgpack), websocket", io: packed, transports: ["websocket"], msgpack: true };

/** The client builds that people have, name and the function that connects: one of each major version, and all of them in long runs. */
export const builds = [
  { name: "socket.io-client 3.1.3", io: require("socket.io-client-3").io },
  { name: "socket.io-client 4.8.4", io: current },
  ...(long
    ? [
        { name: "socket.io-client 4.0.1", io: require("socket.io-client-4.0").io },
        { name: "socket.io-client 4.8.4 (ESM)", io: esm },
        ...(onReference ? [] : [{ name: "socket.io-client 4.8.4 (msgpack)", io: packed, msgpack: true }]),
      ]
    : []),
];

/** The ways a client gets its connection. */
export const ways = [
  { name: "polling", transports: ["polling"] },
  { name: "websocket", transports: ["websocket"] },
  { name: "polling, then websocket", transports: ["polling", "websocket"] },
];

/** Every build over every way. */
export const matrix = builds.flatMap((build) =>
  ways.map((way) => ({ ...build, name: `${build.name}, ${way.name}`, transports: way.transports })),
);

/** The newest build over each way, for what does not depend on the build. */
export const newest = matrix.filter((row) => row.io === current);

/** Declares one describe block per kind of client. */
export function eachClient(rows, define) {
  for (const row of rows) describe(row.name, () => define(row));
}

let last = 0;

/** Returns an id that nothing else uses: letters and digits only. */
export const fresh = (prefix = "u") => `${prefix}${process.pid}n${++last}`;

/** Returns a number that nothing else in this file uses as an id. */
export const freshNumber = () => 1_000_000 + ++last;

/**
 * Connects a client and returns it once it is connected and, where it may upgrade, upgraded. It is disconnected when the
 * test t is done. Options of socket.io-client may be given; `early: true` returns before the upgrade.
 */
export async function connect(t, server, row, { namespace = "", early = false, ...options } = {}) {
  const client = new Client(server, row, namespace, options);
  t.after(() => client.socket.disconnect());
  await client.connected();
  if (!early) await client.upgraded();
  return client;
}

/** A socket.io-client that remembers what it got. */
export class Client {
  constructor(server, row, namespace = "", options = {}) {
    /** What came, in order: [event, ...args], and for answers to ask ["ack <event>", ...args]. */
    this.log = [];
    this.taken = new Set();
    this.waiting = new Set();
    this.mayUpgrade = row.transports.length > 1;
    this.socket = row.io(server.url + namespace, {
      transports: row.transports,
      forceNew: true,
      reconnection: false,
      ...options,
    });
    this.socket.onAny((...entry) => this.note(entry));
    this.socket.on("disconnect", (reason) => this.note(["disconnect", reason]));
  }

  note(entry) {
    this.log.push(entry);
    for (const look of this.waiting) look();
  }

  get id() {
    return this.socket.id;
  }

  /** The name of the transport in use. */
  get transport() {
    return this.socket.io.engine.transport.name;
  }

  async connected() {
    if (this.socket.connected) return;
    await within(
      new Promise((resolve, reject) => {
        this.socket.once("connect", resolve);
        this.socket.once("connect_error", reject);
      }),
      "connect",
    );
  }

  async upgraded() {
    if (!this.mayUpgrade || this.transport === "websocket") return;
    const engine = this.socket.io.engine;
    await within(
      new Promise((resolve, reject) => {
        engine.once("upgrade", resolve);
        engine.once("upgradeError", reject);
        engine.once("close", (reason) => reject(new Error(`closed before the upgrade: ${reason}`)));
      }),
      "the upgrade to websocket",
    );
    assert.equal(this.transport, "websocket");
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits with a callback and resolves with the arguments it is called with. */
  ask(event, ...args) {
    let answer;
    this.socket.emit(event, ...args, (...values) => {
      answer = values;
      this.note([`ack ${event}`, ...values]);
    });
    return this.until(() => answer, `the answer to ${event}`);
  }

  /**
   * Resolves with the arguments of the first event of that name that suits, one that came already included. An entry is
   * handed out once.
   */
  async next(event, suits = () => true) {
    const find = () => this.log.find((e) => e[0] === event && !this.taken.has(e) && suits(...e.slice(1)));
    const entry = await this.until(find, event, { evenGone: event === "disconnect" || undefined, claim: (e) => this.taken.add(e) });
    return entry.slice(1);
  }

  /**
   * Resolves with what look returns once that is truthy; look is called whenever something has come, and claim with what
   * it found, before anybody else looks. A disconnect ends the wait unless the client comes back by itself, or evenGone.
   */
  async until(look, what, { evenGone = this.socket.io.reconnection(), claim } = {}) {
    let watch;
    const met = new Promise((resolve, reject) => {
      watch = () => {
        const found = look();
        if (found) {
          this.waiting.delete(watch);
          claim?.(found);
          resolve(found);
        } else if (!evenGone && !this.socket.connected && this.log.at(-1)?.[0] === "disconnect") {
          reject(new Error(`disconnected while waiting for ${what}; got ${show(this.log)}`));
        }
      };
    });
    this.waiting.add(watch);
    watch();
    try {
      return await within(met, () => `${what}; got ${show(this.log)}`);
    } finally {
      this.waiting.delete(watch);
    }
  }

  /** Resolves with the reason once the client has seen its disconnect. */
  async gone() {
    const [reason] = await this.next("disconnect");
    return reason;
  }

  /** The entries of one event so far, without its name. */
  got(event) {
    return this.log.filter((e) => e[0] === event).map((e) => e.slice(1));
  }

  /** The names of what came so far, in order. */
  names() {
    return this.log.map((e) => e[0]);
  }

  /** Joins as a broker user. partial: Redis is away, so the answer must say that others may not know. */
  async join(id, { partial } = {}) {
    const answer = partial ? { ok: true, partial } : { ok: true };
    assert.deepEqual(await this.ask("join", { senderUserId: id, recipientUserId: -1 }), [answer]);
    this.log = this.log.filter((e) => e[0] !== "ack join");
    return this;
  }

  /** Logs in to a chat room and resolves with the user that the server made. */
  async login(name, room) {
    const [answer] = await this.ask("login", { name, room });
    assert.deepEqual(answer, { user: { id: this.id, name, room } });
    return answer.user;
  }
}

/**
 * Proves that receiver has got all that sender caused so far: a last message from sender, addressed to a user the receiver
 * is a socket of, has arrived. It leaves no trace in the receiver's log.
 */
export async function fence(sender, receiver, userId) {
  const mark = fresh("fence");
  sender.emit("fence", { recipientUserId: userId, mark });
  await receiver.next("fence", (data) => data.mark === mark);
  receiver.log = receiver.log.filter((e) => e[0] !== "fence" || e[1].mark !== mark);
}

/** Returns value with every binary value in it as { bytes: <hex> }, so that what came can be compared with what was sent. */
export function plain(value) {
  if (value instanceof ArrayBuffer) return { bytes: Buffer.from(value).toString("hex") };
  if (ArrayBuffer.isView(value)) {
    return { bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex") };
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  }
  return value;
}

const show = (log) => JSON.stringify(log.map(plain)).slice(0, 2000);
