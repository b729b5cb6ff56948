// What any process says through the stream of @socket.io/redis-streams-adapter, as its emitter 0.1 writes it.

import { encode } from "@msgpack/msgpack";

const list = (names) => [names].flat();
const hasBytes = (value) =>
  ArrayBuffer.isView(value) || value instanceof ArrayBuffer || (typeof value === "object" && value !== null && Object.values(value).some(hasBytes));

export class StreamsEmitter {
  constructor(redis, stream, { namespace = "/", rooms = [], except = [], flags = {} } = {}) {
    Object.assign(this, { redis, stream, to_: { namespace, rooms, except, flags } });
  }

  #with(changes) {
    return new StreamsEmitter(this.redis, this.stream, { ...this.to_, ...changes });
  }

  of(name) {
    return this.#with({ namespace: name.startsWith("/") ? name : `/${name}` });
  }

  to(rooms) {
    return this.#with({ rooms: [...this.to_.rooms, ...list(rooms)] });
  }

  in(rooms) {
    return this.to(rooms);
  }

  except(rooms) {
    return this.#with({ except: [...this.to_.except, ...list(rooms)] });
  }

  get volatile() {
    return this.#with({ flags: { ...this.to_.flags, volatile: true } });
  }

  emit(...data) {
    const { namespace, rooms, except, flags } = this.to_;
    this.#add(3, { packet: { type: 2, data, nsp: namespace }, opts: { rooms, flags, except } });
  }

  socketsJoin(rooms) {
    this.#add(4, { opts: this.#opts(), rooms: list(rooms) });
  }

  socketsLeave(rooms) {
    this.#add(5, { opts: this.#opts(), rooms: list(rooms) });
  }

  disconnectSockets(close = false) {
    this.#add(6, { opts: this.#opts(), close });
  }

  serverSideEmit(...packet) {
    this.#add(9, { packet });
  }

  #opts() {
    return { rooms: this.to_.rooms, except: this.to_.except, flags: {} };
  }

  #add(type, data) {
    const text = hasBytes(data) ? Buffer.from(encode(data)).toString("base64") : JSON.stringify(data);
    const entry = { uid: "emitter", nsp: this.to_.namespace, type: `${type}`, data: text };
    this.redis.xAdd(this.stream, "*", entry, { TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: 10000 } });
  }
}
