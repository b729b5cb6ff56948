// Clients of the doors without Socket.IO: plain WebSockets as `ws` makes them, and event streams as `eventsource` reads
// them.

import { EventSource } from "eventsource";
import WebSocket from "ws";
import { within } from "./deadline.mjs";

/** What came, in order, with a way to wait for more. */
class Inbox {
  all = [];
  #taken = 0;
  #looking = new Set();

  add(entry) {
    this.all.push(entry);
    for (const look of this.#looking) look();
  }

  /** Resolves with the next entry that nobody has waited for. */
  async next(what) {
    const [entry] = await this.take(1, what);
    return entry;
  }

  /** Resolves with the next n entries. */
  async take(n, what = "a message") {
    await this.until(() => this.all.length >= this.#taken + n, () => `${what}; got ${JSON.stringify(this.all)}`);
    this.#taken += n;
    return this.all.slice(this.#taken - n, this.#taken);
  }

  /** Resolves once suits(all) holds. */
  async until(suits, what) {
    let look;
    const met = new Promise((resolve) => (look = () => suits(this.all) && resolve()));
    this.#looking.add(look);
    look();
    try {
      await within(met, what);
    } finally {
      this.#looking.delete(look);
    }
  }

  /** Entries that came and nobody has waited for. */
  get rest() {
    return this.all.slice(this.#taken);
  }
}

/** A plain WebSocket that remembers what it got: JSON parsed with json: true, else texts. */
export class TextClient {
  /** Opens path; options are those of `ws`. It is cut when the test t is done. */
  static async open(t, server, path, { json = true, ...options } = {}) {
    const client = new TextClient(server, path, json, options);
    t.after(() => client.ws.terminate());
    await within(client.opened, `${path.split("?")[0]} to open`);
    return client;
  }

  /** Opens /ws and takes the greeting. */
  static async rooms(t, server, { token, ...options } = {}) {
    const client = await TextClient.open(t, server, token ? `/ws?token=${token}` : "/ws", options);
    const hello = await client.next();
    client.id = hello.clientId;
    client.hello = hello;
    return client;
  }

  constructor(server, path, json, options) {
    this.inbox = new Inbox();
    this.pings = new Inbox();
    this.ws = new WebSocket(server.url.replace("http", "ws") + path, options);
    this.opened = new Promise((resolve, reject) => {
      this.ws.once("open", resolve);
      this.ws.once("error", reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => this.ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() })));
    this.ws.on("error", () => {});
    this.ws.on("ping", () => this.pings.add("ping"));
    this.ws.on("message", (data, isBinary) => {
      const text = data.toString();
      this.inbox.add(isBinary ? data : json ? JSON.parse(text) : text);
    });
  }

  /** Sends values as JSON; strings and buffers go as they are. */
  send(...values) {
    for (const v of values) this.ws.send(typeof v === "string" || Buffer.isBuffer(v) ? v : JSON.stringify(v));
  }

  next(what) {
    return this.inbox.next(what);
  }

  take(n, what) {
    return this.inbox.take(n, what);
  }

  /** Proves that all sent so far was dealt with, and that nothing came before the answer: /ws only. */
  async quiet() {
    this.send({ type: "ping" });
    const rest = await this.next("pong");
    return rest.type === "pong" ? [] : [rest];
  }

  /** Proves the same, and resolves with all that came before the answer: /ws only. */
  async settle() {
    this.send({ type: "ping" });
    const before = [];
    for (;;) {
      const m = await this.next("pong");
      if (m.type === "pong") return before;
      before.push(m);
    }
  }

  /** Joins a room of /ws. On one node of several it may hear of those who have just joined before it on another one. */
  async enter(room, ...before) {
    this.send(...before, { type: "join", room });
    const heard = (await this.settle()).filter((m) => m.type !== "user_joined" || m.room !== room);
    if (heard.length > 0) throw new Error(`who enters a room hears ${JSON.stringify(heard)}`);
  }

  /** Resolves with {code, reason} once it is closed. */
  end() {
    return within(this.closed, "the websocket to close");
  }
}

/** An EventSource that remembers {type, data, id} of the events it is told to listen to, and of messages without a name. */
export class StreamClient {
  /** Opens a stream and waits until it is open. types are names of events; options are those of `eventsource`. */
  static async open(t, server, path, types = [], { token, lastEventId } = {}) {
    const client = new StreamClient(server, path, types, token, lastEventId);
    t.after(() => client.source.close());
    await within(client.opened, `the stream ${path.split("?")[0]}`);
    return client;
  }

  /** Opens /events and takes its greeting. */
  static async events(t, server, options) {
    const client = await StreamClient.open(t, server, "/events", ["connected", "update"], options);
    client.hello = await client.next("connected");
    return client;
  }

  constructor(server, path, types, token, lastEventId) {
    this.inbox = new Inbox();
    this.source = new EventSource(server.url + path, {
      fetch: (url, init) => {
        const headers = { ...init.headers };
        if (token) headers.Authorization = `Bearer ${token}`;
        if (lastEventId && !headers["Last-Event-ID"]) headers["Last-Event-ID"] = lastEventId;
        return fetch(url, { ...init, headers });
      },
    });
    this.opened = new Promise((resolve, reject) => {
      this.source.addEventListener("open", resolve, { once: true });
      this.source.addEventListener("error", (e) => e.code && reject(Object.assign(new Error(`status ${e.code}`), { status: e.code })), { once: true });
    });
    this.opened.catch(() => {});
    for (const type of ["message", ...types]) {
      this.source.addEventListener(type, (e) => this.inbox.add({ type, data: e.data, id: e.lastEventId }));
    }
  }

  next(what) {
    return this.inbox.next(what);
  }

  take(n, what) {
    return this.inbox.take(n, what);
  }
}

/** Publishes on a channel as a backend does; resolves with the answer's body. */
export async function publish(server, key, channel, message) {
  const res = await within(
    fetch(`${server.url}/api/publish/${encodeURIComponent(channel)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-API-Key": key },
      body: JSON.stringify(message),
    }),
    `publish ${channel}`,
  );
  return { status: res.status, body: await res.json() };
}

/** Changes a token for a ticket. */
export async function ticketFor(server, token) {
  const res = await within(fetch(`${server.url}/api/auth/token/ws`, { headers: { Authorization: `Bearer ${token}` } }), "a ticket");
  if (res.status !== 200) throw new Error(`no ticket: ${res.status}`);
  return (await res.json()).data.token;
}
