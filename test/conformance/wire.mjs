// A client that writes bytes and takes down what comes back, for the comparison of two servers.

import { randomBytes } from "node:crypto";
import net from "node:net";
import { request } from "../support/raw.mjs";
import { within } from "../support/deadline.mjs";

// What of an answer's header matters to clients, browsers and caches. signalbox has Cache-Control on every answer, Node on polls;
// Node allows an origin where none was sent, and on websockets, where no browser looks at it.
const HEADERS = ["content-type", "content-encoding", "set-cookie"];
const FOR_PAGES = ["access-control-allow-origin", "access-control-allow-credentials"];
const POLLED = ["cache-control"];
const QUIET_MS = 3000; // for an answer that does not come
const SETTLED = `pong ${Buffer.from("settle").toString("hex")}`;

/** One server's side of a case: requests are made through it, and lines has what came back. */
export class Talk {
  constructor(server) {
    this.server = server;
    this.lines = [];
    this.ids = new Map();
    this.polls = [];
  }

  /** Closes what still polls: a server that stops would wait for it. */
  end() {
    return Promise.all(this.polls.map((poll) => this.http("POST", poll.path, { body: poll.close ?? "1", mute: true })));
  }

  /** Takes a line down; ids that differ from run to run are numbered in the order of their appearance,
   * and users that are a case's own have one name. */
  say(line) {
    this.lines.push(
      line.replaceAll(/(?<="sid":"|io=|\["|"id":")[\w-]{20}(?=["; ])/g, (id) => {
        if (!this.ids.has(id)) this.ids.set(id, `<id ${this.ids.size + 1}>`);
        return this.ids.get(id);
      }).replaceAll(/(?<=UserId":")(websocket|polling)\d+/g, "me"),
    );
  }

  /** Sends a request and takes the answer down. */
  async http(method, path, { headers, body, mute } = {}) {
    let res;
    try {
      res = await within(request(this.server, path, { method, headers, body }), "an answer", QUIET_MS);
    } catch (err) {
      if (!mute) this.say(`${method}: ${err.code ?? "no answer"}`);
      return { text: "" };
    }
    const wanted = [...HEADERS, ...(headers?.origin ? FOR_PAGES : []), ...(method === "GET" && res.status === 200 ? POLLED : [])];
    const header = wanted.flatMap((name) => (res.headers[name] ? `${name}: ${res.headers[name]}` : []));
    if (!mute) this.say([`${method}: ${res.status}`, ...header, text(res.bytes)].join(" | "));
    return res;
  }

  /** Opens a websocket and takes the handshake's answer down. */
  async websocket(path = "/socket.io/?EIO=4&transport=websocket", headers = {}) {
    const ws = new Wire(this);
    await ws.open(this.server.port, path, headers);
    return ws;
  }

  /** Begins a session that polls, in the namespace "/" where join says so. */
  async polling({ join = true, query = "EIO=4&transport=polling" } = {}) {
    const { text } = await this.http("GET", `/socket.io/?${query}`);
    const poll = new Poll(this, JSON.parse(text.slice(1)).sid);
    this.polls.push(poll);
    if (join) {
      await poll.post("40");
      await poll.get();
    }
    return poll;
  }
}

class Poll {
  constructor(talk, sid) {
    this.talk = talk;
    this.sid = sid;
    this.path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  }

  post(body, headers = { "content-type": "text/plain;charset=UTF-8" }) {
    return this.talk.http("POST", this.path, { headers, body });
  }

  get() {
    return this.talk.http("GET", this.path);
  }

  /** Takes down the packets of as many polls as it takes, up to one that begins with end, a close packet or an error. */
  async until(end) {
    const packets = [];
    for (;;) {
      const res = await this.talk.http("GET", this.path, { mute: true });
      if (res.status !== 200) {
        packets.push(res.status ? `${res.status} ${res.text}` : "no answer");
        break;
      }
      const these = res.text.split("\x1e");
      packets.push(...these.filter((p) => p !== "6"));
      if (these.some((p) => p.startsWith(end) || p === "1")) break;
    }
    this.talk.say(`polled: ${packets.join(" ")}`);
  }
}

const KINDS = { 0: "more", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" };

/** A websocket by its bytes. */
class Wire {
  constructor(talk) {
    this.talk = talk;
    this.bytes = Buffer.alloc(0);
    this.waiting = [];
    this.over = false;
    this.last = "";
  }

  async open(port, path, headers) {
    const key = randomBytes(16).toString("base64");
    const all = {
      Host: `127.0.0.1:${port}`, Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
      ...headers,
    };
    const lines = Object.entries(all).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.on("data", (data) => {
      this.bytes = Buffer.concat([this.bytes, data]);
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.over = true;
      this.#wake();
    });
    this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    while (!this.over && !this.bytes.includes("\r\n\r\n")) await this.#more();
    const end = this.bytes.indexOf("\r\n\r\n");
    const head = this.bytes.subarray(0, end).toString().split("\r\n");
    this.bytes = this.bytes.subarray(end + 4);
    const wanted = head.slice(1).filter((line) => [...HEADERS, "sec-websocket-protocol"].includes(line.split(":")[0].toLowerCase()));
    const status = head[0].split(" ")[1];
    this.opened = status === "101";
    // A refused websocket has no body that anybody sees: browsers show neither status nor text.
    this.talk.say(["websocket", status, ...(this.opened ? wanted : [])].join(" | "));
    if (!this.opened) this.socket.destroy();
  }

  #wake() {
    for (const wake of this.waiting.splice(0)) wake();
  }

  #more() {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Sends text or binary messages. */
  send(...messages) {
    for (const message of messages) this.frame(typeof message === "string" ? 1 : 2, message);
  }

  /** Sends one frame. */
  frame(opcode, payload = "", { fin = true, rsv = 0, mask = true, length } = {}) {
    const data = Buffer.from(payload);
    const size = length ?? data.length;
    const head = [(fin ? 0x80 : 0) | rsv | opcode];
    if (size < 126) head.push((mask ? 0x80 : 0) | size);
    else if (size < 65536) head.push((mask ? 0x80 : 0) | 126, size >> 8, size & 255);
    else head.push((mask ? 0x80 : 0) | 127, 0, 0, 0, 0, ...Buffer.from([size >>> 24, size >>> 16, size >>> 8, size]));
    // A mask of nothing: the bytes are as they are written in the case.
    this.socket.write(Buffer.concat([Buffer.from(head), Buffer.alloc(mask ? 4 : 0), data]));
  }

  /** Takes down what comes, up to a frame that begins with an end or to the end of the connection. */
  until(...ends) {
    return this.#read((line) => ends.some((end) => line.startsWith(`text ${end}`)), true);
  }

  /** Takes down what comes until the other side has handled what was sent: it answers a ping behind that. */
  settle() {
    this.frame(9, "settle");
    return this.#read((line) => line === SETTLED, false);
  }

  async #read(stop, toTheEnd) {
    const quiet = setTimeout(() => {
      this.stuck = true;
      this.#wake();
    }, QUIET_MS);
    try {
      for (;;) {
        const line = this.#next();
        if (line) {
          if (line !== SETTLED) this.talk.say(line);
          if (line.startsWith("close")) this.frame(8, this.code);
          if (stop(line)) return;
        } else if (this.over) {
          return toTheEnd && this.talk.say("end");
        } else if (this.stuck) {
          this.stuck = false;
          return this.talk.say("nothing more");
        } else {
          await this.#more();
        }
      }
    } finally {
      clearTimeout(quiet);
    }
  }

  #next() {
    const b = this.bytes;
    if (b.length < 2) return undefined;
    if (b.subarray(0, 5).toString() === "HTTP/") {
      this.bytes = Buffer.alloc(0);
      return `HTTP ${b.subarray(9, 12)} where frames are due`;
    }
    let at = 2;
    let size = b[1] & 127;
    if (size === 126) [size, at] = b.length < 4 ? [Infinity, 4] : [b.readUInt16BE(2), 4];
    else if (size === 127) [size, at] = b.length < 10 ? [Infinity, 10] : [Number(b.readBigUInt64BE(2)), 10];
    if (b.length < at + size) return undefined;
    const payload = b.subarray(at, at + size);
    this.bytes = b.subarray(at + size);
    const kind = `${KINDS[b[0] & 15]}${b[0] & 0x80 ? "" : " unfinished"}${b[0] & 0x70 ? " rsv" : ""}`;
    if (kind !== "close") return `${kind} ${kind === "text" ? payload : payload.toString("hex")}`;
    this.code = payload.subarray(0, 2);
    return size < 2 ? "close 1005" : `close ${payload.readUInt16BE(0)}`; // the text behind the code is for people
  }

  end() {
    this.socket.destroy();
  }
}

const text = (bytes) => (Buffer.from(bytes.toString()).equals(bytes) ? bytes.toString() : bytes.toString("hex"));
