// A small Socket.IO client, so that this page needs nothing but its server. It sends JSON, shows binary that comes, and answers
// no acknowledgement that the server asks for. Applications use npm's socket.io-client.
// Rule: https://socket.io/docs/v4/socket-io-protocol/
import { Engine } from "./engine.js";

const CONNECT = 0, DISCONNECT = 1, EVENT = 2, ACK = 3, CONNECT_ERROR = 4, BINARY_EVENT = 5, BINARY_ACK = 6;
const RETRY_MS = 1000;
const MAX_RETRY_MS = 5000;

/**
 * A client in one namespace, on a connection of its own, which it makes again when it is lost. on() hears "connect", "upgrade",
 * "connect_error" with an Error, "disconnect" with a reason, and the server's events; onAny() the latter only.
 */
export class Socket {
  id;
  connected = false;
  /** Reports whether it connects again by itself. */
  active = true;

  #address;
  #transports;
  #auth;
  #engine = null;
  #listeners = new Map();
  #any = [];
  #answers = new Map(); // by id, who waits for the answer
  #lastID = 0;
  #partial = null; // a packet whose attachments are on their way
  #tries = 0;
  #retry = 0; // the timer of the next try

  /** Connects to a namespace such as "/chat", of this server or with the origin of another one in front. */
  constructor(namespace, { transports = ["polling", "websocket"], auth = {} } = {}) {
    this.#address = new URL(namespace, globalThis.location?.href);
    this.#transports = transports;
    this.#auth = auth;
    this.#open();
  }

  /** The transport in use: "polling" or "websocket". */
  get transport() {
    return this.#engine?.transport;
  }

  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  onAny(listener) {
    this.#any.push(listener);
  }

  /** Sends an event; without a connection it is dropped. */
  emit(event, ...args) {
    if (this.connected) this.#write(EVENT, "", [event, ...args]);
  }

  /** Sends an event and resolves with the arguments of the answer; rejects where none comes in time. */
  ask(event, args, ms = 10_000) {
    const id = ++this.#lastID;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#answers.delete(id);
        reject(new Error("no answer"));
      }, ms);
      this.#answers.set(id, (answer) => (clearTimeout(timer), resolve(answer)));
      if (this.connected) this.#write(EVENT, id, [event, ...args]);
    });
  }

  /** Leaves, for good. */
  disconnect() {
    if (this.connected) this.#write(DISCONNECT, "");
    this.#leave("disconnect", "io client disconnect");
  }

  #open() {
    // What an engine says that was left is not heard.
    const heard = (act) => (value) => this.#engine === engine && act(value);
    const engine = new Engine(this.#address.origin, this.#transports, {
      opened: heard(() => this.#write(CONNECT, "", this.#auth)),
      message: heard((data) => this.#read(data)),
      upgraded: heard(() => this.#tell("upgrade")),
      closed: heard((reason) => this.#lost(reason)),
    });
    this.#engine = engine;
  }

  // leave ends the connection for good, and tells why where it was there or refused.
  #leave(event, reason) {
    const tells = this.connected || event === "connect_error";
    clearTimeout(this.#retry);
    this.active = false;
    this.connected = false;
    this.#engine?.close();
    this.#engine = null;
    if (tells) this.#tell(event, reason);
  }

  #lost(reason) {
    const was = this.connected;
    this.connected = false;
    this.#engine = null;
    this.#partial = null;
    this.#retry = setTimeout(() => this.#open(), Math.min(RETRY_MS * 2 ** this.#tries++, MAX_RETRY_MS) * (0.5 + Math.random()));
    if (was) this.#tell("disconnect", reason);
    else this.#tell("connect_error", new Error(reason));
  }

  #write(type, id, data) {
    const namespace = this.#address.pathname === "/" ? "" : `${this.#address.pathname},`;
    this.#engine.send(`${type}${namespace}${id}${data === undefined ? "" : JSON.stringify(data)}`);
  }

  #read(data) {
    if (typeof data !== "string") {
      this.#partial?.attachments.push(data);
    } else {
      const [, type, count, id, json] = /^(\d)(?:(\d+)-)?(?:\/[^,]*,)?(\d*)(.*)$/s.exec(data);
      this.#partial = { type: Number(type), count: Number(count ?? 0), id: Number(id), json, attachments: [] };
    }
    const packet = this.#partial;
    if (!packet || packet.attachments.length < packet.count) return;
    this.#partial = null;
    const whole = (_, value) => (value?._placeholder === true ? packet.attachments[value.num] : value);
    this.#handle(packet, packet.json ? JSON.parse(packet.json, packet.count ? whole : undefined) : undefined);
  }

  #handle({ type, id }, data) {
    switch (type) {
      case CONNECT:
        this.id = data.sid;
        this.connected = true;
        this.#tries = 0;
        this.#tell("connect");
        break;
      case DISCONNECT:
        this.#leave("disconnect", "io server disconnect");
        break;
      case EVENT:
      case BINARY_EVENT:
        for (const listener of this.#any) listener(...data);
        this.#tell(...data);
        break;
      case ACK:
      case BINARY_ACK:
        this.#answers.get(id)?.(data);
        this.#answers.delete(id);
        break;
      case CONNECT_ERROR:
        this.#leave("connect_error", new Error(data.message));
        break;
    }
  }

  #tell(event, ...args) {
    for (const listener of this.#listeners.get(event) ?? []) listener(...args);
  }
}
