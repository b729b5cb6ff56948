// Clients without a library between the test and the wire.

import assert from "node:assert/strict";
import http from "node:http";
import WebSocket from "ws";
import { within } from "./deadline.mjs";

/** Sends one HTTP request on a connection of its own; resolves with status, headers and the body's bytes as sent. */
export function request(server, path, { method = "GET", headers = {}, body } = {}) {
  const answer = new Promise((resolve, reject) => {
    const req = http.request(server.url + path, { method, headers, agent: false }, (res) => {
      const chunks = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: res.statusCode, headers: res.headers, bytes, text: bytes.toString("utf8") });
      });
    });
    req.on("error", reject);
    req.end(body);
  });
  return within(answer, `${method} ${path}`);
}

/** An Engine.IO connection over a websocket: frames in, frames out. Pings of the server are answered, not shown. */
export class RawSocket {
  /** Opens the websocket and reads the Engine.IO handshake. */
  static async open(t, server, { query = "", headers = {} } = {}) {
    const url = `${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket${query}`;
    const raw = new RawSocket(new WebSocket(url, { headers, perMessageDeflate: false }));
    t.after(() => raw.ws.terminate());
    await within(raw.opened, "the websocket to open");
    return raw;
  }

  /** Opens the websocket and connects to namespace "/". */
  static async connect(t, server, options) {
    const raw = await RawSocket.open(t, server, options);
    const open = await raw.next();
    assert.equal(open[0], "0", open);
    raw.handshake = JSON.parse(open.slice(1));
    raw.send("40");
    const connected = await raw.next();
    assert.match(connected, /^40\{"sid":"[\w-]+"\}$/);
    raw.sid = JSON.parse(connected.slice(2)).sid;
    return raw;
  }

  constructor(ws) {
    this.ws = ws;
    this.frames = [];
    this.waiting = [];
    this.opened = new Promise((resolve, reject) => {
      ws.once("open", resolve);
      ws.once("error", reject);
    });
    this.closed = new Promise((resolve) => ws.once("close", (code) => resolve(code)));
    this.opened.catch(() => {});
    ws.on("error", () => {});
    ws.on("message", (data, isBinary) => {
      if (!isBinary && data.toString() === "2") return ws.send("3");
      this.frames.push(isBinary ? data : data.toString());
      this.waiting.shift()?.();
    });
  }

  send(...frames) {
    for (const frame of frames) this.ws.send(frame);
  }

  /** Resolves with the next frame: a string, or a Buffer for a binary one. */
  async next() {
    while (this.frames.length === 0) {
      await within(
        Promise.race([
          new Promise((resolve) => this.waiting.push(resolve)),
          this.closed.then((code) => {
            if (this.frames.length === 0) throw new Error(`the websocket was closed with code ${code}`);
          }),
        ]),
        "a frame",
      );
    }
    return this.frames.shift();
  }

  /** Resolves with the close code once the websocket is closed. */
  async end() {
    return within(this.closed, "the websocket to close");
  }
}

/** Tries to open a websocket; resolves with the HTTP status of the answer: 101 when it opened. */
export function upgradeStatus(server, path, headers = {}) {
  const ws = new WebSocket(server.url.replace("http", "ws") + path, { headers });
  const status = new Promise((resolve, reject) => {
    ws.once("open", () => resolve(101));
    ws.once("unexpected-response", (_, res) => {
      res.resume();
      resolve(res.statusCode);
    });
    ws.once("error", reject);
  });
  return within(status, `the upgrade of ${path}`).finally(() => ws.terminate());
}

/** An Engine.IO connection over polling, one request at a time. */
export class RawPolling {
  /** Shakes hands and connects to namespace "/". */
  static async connect(anywhere, { headers = {} } = {}) {
    const server = anywhere.pick?.() ?? anywhere; // every request of a session goes to the same node
    const res = await request(server, "/socket.io/?EIO=4&transport=polling", { headers });
    assert.equal(res.status, 200, res.text);
    assert.equal(res.text[0], "0", res.text);
    const raw = new RawPolling(server, JSON.parse(res.text.slice(1)), headers);
    assert.equal((await raw.post("40")).text, "ok");
    const [connected] = await raw.poll();
    assert.match(connected, /^40\{"sid":"[\w-]+"\}$/);
    raw.sid = JSON.parse(connected.slice(2)).sid;
    return raw;
  }

  constructor(server, handshake, headers) {
    this.server = server;
    this.handshake = handshake;
    this.headers = headers;
    this.path = `/socket.io/?EIO=4&transport=polling&sid=${handshake.sid}`;
  }

  get(headers = {}) {
    return request(this.server, this.path, { headers: { ...this.headers, ...headers } });
  }

  post(body, headers = {}) {
    const type = { "content-type": "text/plain;charset=UTF-8" };
    return request(this.server, this.path, { method: "POST", headers: { ...this.headers, ...type, ...headers }, body });
  }

  /** Resolves with the packets of the next answer. */
  async poll() {
    const res = await this.get();
    assert.equal(res.status, 200, res.text);
    return res.text.split("\x1e");
  }

  /** Leaves, as a client does. */
  async leave() {
    await this.post("1");
  }
}
