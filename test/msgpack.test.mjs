// Clients with socket.io-msgpack-parser, beside clients without it: the server finds out by itself.

import assert from "node:assert/strict";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Server as NodeServer } from "socket.io";
import parser from "socket.io-msgpack-parser";
import { WebSocket } from "ws";
import { here, onReference } from "./support/build.mjs";
import { Client, connect, eachClient, fresh, newest, plain } from "./support/clients.mjs";
import { KEY } from "./support/cluster.mjs";
import { Cuttable } from "./support/cuttable.mjs";
import { long } from "./support/long.mjs";
import { RawSocket, request } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const require = createRequire(import.meta.url);
const msgpack = createRequire(require.resolve("socket.io-msgpack-parser"))("notepack.io");
const skip = onReference && "Node speaks one parser for all";
const server = skip ? undefined : await useServer({ env: { JWT_SECRET: SECRET, API_KEY: KEY } });
const clustered = Boolean(process.env.CLUSTER);

/** What clients of the default parser would get of a value that JavaScript has, bytes as they are. */
function asJSON(value, inList = false) {
  if (value === undefined) return inList ? null : undefined;
  if (Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map((v) => asJSON(v, true));
  if (value && typeof value === "object" && !(value instanceof Date)) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, asJSON(v)]).filter(([, v]) => v !== undefined));
  }
  return JSON.parse(JSON.stringify(value));
}

const values = {
  text: ["", "a", "ä€😀", "\u0000\n\"\\", "x".repeat(31), "x".repeat(32), "x".repeat(255), "x".repeat(256), "x".repeat(65536)],
  whole: [0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -1, -32, -33, -128, -129, -32768, -32769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53)],
  other: [0.5, -1.5, 1e-7, 2 ** 53 + 2, // no more: from 2 ** 64 on notepack.io writes another number
    2 ** 63, NaN, Infinity, true, false, null],
  gone: { a: undefined, b: [undefined, 1], c: { d: undefined } },
  dates: [new Date(0), new Date("2023-11-14T22:13:20.123Z"), new Date(-1)],
  lists: [[], {}, [[[]]], Array.from({ length: 16 }, (_, i) => i), Array.from({ length: 300 }, () => 1)],
  object: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, i])),
  looksLike: { _placeholder: true, num: 0 },
};

/** Two clients that joined as the same broker user, the first with msgpack. */
async function pair(t, row, id = fresh()) {
  const packed = await (await connect(t, server, row, { parser })).join(id);
  const text = await (await connect(t, server, row)).join(id);
  return { id, packed, text, both: [packed, text] };
}

describe("socket.io-msgpack-parser", { skip }, () => {
  eachClient(newest, (row) => {
    test("it shares a room with the default parser, and both hear the same", async (t) => {
      const { id, packed, text, both } = await pair(t, row);
      for (const from of both) {
        const [answer] = await from.ask("all", { recipientUserId: id, values });
        assert.deepEqual(answer, { ok: true, delivered: 2 });
        for (const to of both) {
          const [got] = await to.next("all");
          assert.deepEqual(got, { recipientUserId: id, values: asJSON(values) });
        }
      }
      assert.equal(packed.transport, text.transport);
    });

    test("bytes, events in order, and an answer with nothing", async (t) => {
      const { id, both } = await pair(t, row);
      for (const from of both) {
        const data = { recipientUserId: id, blobs: [Buffer.from([1, 2, 3]), Buffer.alloc(300, 7), Buffer.alloc(0)], big: Buffer.alloc(70_000, 1) };
        for (let n = 0; n < 20; n++) from.emit("n", { recipientUserId: id, n });
        from.emit("bytes", data);
        for (const to of both) {
          const [got] = await to.next("bytes");
          assert.deepEqual(plain(got), plain(data));
          assert.deepEqual(to.got("n").map(([d]) => d.n), Array.from({ length: 20 }, (_, i) => i));
          to.log = [];
        }
        assert.equal((await from.ask("ping"))[0], from.id);
      }
    });

    test("chat, namespaces with tokens, refusals and leaving", async (t) => {
      const { packed, text, both } = await pair(t, row);
      const [lobby, tea] = [fresh(), fresh("tea")];
      for (const client of both) await client.login(fresh(), lobby);
      packed.emit("roomMessage", "hello");
      for (const client of both) assert.equal((await client.next("roomMessage"))[0].message, "hello");

      const bare = new Client(server, row, "/chat", { parser });
      t.after(() => bare.socket.disconnect());
      await assert.rejects(bare.connected(), /Authentication failed/);
      const nowhere = new Client(server, row, "/nowhere", { parser });
      t.after(() => nowhere.socket.disconnect());
      await assert.rejects(nowhere.connected(), /Invalid namespace/);

      const auth = { token: tokenOf(fresh()) };
      const members = [
        await connect(t, server, row, { namespace: "/chat", auth, parser }),
        await connect(t, server, row, { namespace: "/chat", auth: { token: tokenOf(fresh()) } }),
      ];
      for (const client of members) {
        client.emit("join_room", tea);
        await client.next("room_history");
      }
      for (const from of members) {
        const content = fresh();
        from.emit("message", { roomId: tea, content });
        for (const client of members) await client.next("message", (m) => m.content === content);
      }
      members[0].socket.disconnect();
      assert.equal(await members[0].gone(), "io client disconnect");
      await members[1].next("user_left");
      assert.ok(text.socket.connected);
    });

    test("events of a backend, and its questions", async (t) => {
      const { id, both } = await pair(t, row);
      for (const client of both) client.socket.on("sum", ([a, b], done) => done(a + b, Buffer.from([a, b])));
      const res = await request(server, "/api/emit", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-API-Key": KEY },
        body: JSON.stringify({ users: [id], event: "sum", args: [[1, 2]], ack: true, timeoutMs: 5000 }),
      });
      const { answers, delivered } = JSON.parse(res.text);
      assert.equal(res.status, 200, res.text);
      assert.equal(delivered ?? answers.length, 2, res.text);
      for (const answer of answers) assert.equal((answer.args ?? answer)[0], 3, res.text);
    });
  });

  test("the bundle for browsers says the same", async (t) => {
    globalThis.WebSocket ??= WebSocket;
    const bundle = require(path.join(here, "node_modules/socket.io-client/dist/socket.io.msgpack.min.js"));
    const id = fresh();
    const client = await (await connect(t, server, { ...newest[1], io: bundle.io })).join(id);
    client.emit("x", { recipientUserId: id, values: asJSON(values) });
    assert.deepEqual((await client.next("x"))[0].values, asJSON(values));
  });

  const broken = { "no msgpack": Buffer.from([0xc1]), "no packet": msgpack.encode({ type: 2 }), "one cut off": msgpack.encode({ type: 2, nsp: "/", data: ["a"] }).subarray(0, 9) };
  for (const [what, bytes] of Object.entries(broken)) {
    test(`${what} closes the connection, as a bad packet of the default parser does`, async (t) => {
      const raw = await packedSocket(t, server.url);
      raw.send(bytes);
      assert.equal(await raw.end(), 1005);
    });
  }

  test("binary behind a CONNECT of the default parser closes the connection", async (t) => {
    const raw = await RawSocket.connect(t, server);
    raw.send(msgpack.encode({ type: 0, nsp: "/" }));
    assert.equal(await raw.end(), 1005);
  });

  test("by polling it is base64", async () => {
    const at = server.pick?.() ?? server;
    const open = await request(at, "/socket.io/?EIO=4&transport=polling");
    const path = `/socket.io/?EIO=4&transport=polling&sid=${JSON.parse(open.text.slice(1)).sid}`;
    const body = `b${msgpack.encode({ type: 0, data: undefined, nsp: "/" }).toString("base64")}`;
    assert.equal((await request(at, path, { method: "POST", body })).text, "ok");
    const { text } = await request(at, path);
    assert.equal(text[0], "b");
    const packet = msgpack.decode(Buffer.from(text.slice(1), "base64"));
    assert.deepEqual(Object.keys(packet), ["type", "data", "nsp"]);
    assert.deepEqual(Object.keys(packet.data), ["sid"]); // data: null would make the client throw
  });

  describe("byte for byte as Node with that parser", () => {
    let node, web;
    before(async () => {
      web = http.createServer();
      node = new NodeServer(web, { parser });
      node.on("connection", (socket) => {
        socket.on("x", (data) => socket.emit("x", data));
        socket.on("ping", (done) => done(socket.id));
      });
      await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
    });
    after(() => node.close());

    test("events and answers", async (t) => {
      const ours = await packedSocket(t, server.url);
      const theirs = await packedSocket(t, `http://127.0.0.1:${web.address().port}`);
      const id = fresh();
      ours.send(msgpack.encode({ type: 2, data: ["join", { senderUserId: id, recipientUserId: -1 }], id: 300, nsp: "/" }));
      assert.deepEqual(await ours.next(), msgpack.encode({ type: 3, data: [{ ok: true }], id: 300, nsp: "/" }));
      const random = generator(long ? undefined : 1);
      t.diagnostic(`seed ${random.seed}`);
      for (let n = 0; n < (long ? 5000 : 200); n++) {
        const data = { recipientUserId: id, value: random.value(4) };
        // Node sends dates and the like on as they are; what became of them in JSON comes first, so both begin with the same.
        const packet = { type: 2, data: ["x", asJSON(data)], nsp: "/" };
        ours.send(msgpack.encode({ ...packet, data: ["x", data] }));
        theirs.send(msgpack.encode(packet));
        const [got, want] = [await ours.next(), await theirs.next()];
        assert.equal(got.toString("hex"), want.toString("hex"), JSON.stringify(data));
      }
    });
  });

  describe("a cut", { skip: (clustered && "a client comes back to the node it was on") || (!long && "in long runs") }, () => {
    eachClient(newest, (row) => {
      test("it comes back as it was, with what it missed", async (t) => {
        const server = await useServer({ t, env: { RECOVERY: "true" } });
        const way = await Cuttable.open(t, server);
        const id = fresh();
        const quick = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 50, randomizationFactor: 0 };
        const ann = await connect(t, way, row, { ...quick, parser });
        const bob = await connect(t, server, row);
        await ann.join(id);
        ann.socket.on("connect", () => ann.note(["connect", ann.socket.recovered]));
        for (const round of [0, 1]) { // first without an offset: it has got nothing
          let gone = false;
          const noticed = ann.next("disconnect").then(() => (gone = true));
          while (!gone) {
            way.cut();
            await Promise.race([noticed, pause(10)]);
          }
          await bob.ask("n", { recipientUserId: id, round, bytes: Buffer.from([round]) });
          assert.deepEqual(await ann.next("connect"), [true]);
          const [got] = await ann.next("n");
          assert.deepEqual(plain(got), { recipientUserId: id, round, bytes: { bytes: `0${round}` } });
        }
      });
    });
  });
});

// Node 20 may run in circles while it frees what there is, on a machine with much else to do, when all is over and nothing is
// open any more (Environment::CleanupHandles): it ends without that.
process.on("exit", () => process.exit());

/** A websocket that has connected to "/" with msgpack. */
async function packedSocket(t, url) {
  const raw = await RawSocket.open(t, { url });
  await raw.next();
  raw.send(msgpack.encode({ type: 0, data: undefined, nsp: "/" }));
  const connected = msgpack.decode(await raw.next());
  assert.equal(connected.type, 0);
  return raw;
}

/** Values of all kinds from a seed, but for those of which notepack.io writes something else than it reads. */
function generator(seed = Math.floor(Math.random() * 2 ** 31)) {
  let state = seed;
  const next = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = (list) => list[next(list.length)];
  const number = () => pick([
    () => next(256), () => -next(256), () => next(70_000), () => -next(70_000), () => next(2 ** 31) * 8, () => -next(2 ** 31) * 8,
    () => next(2 ** 31) * 2 ** 21, () => -next(2 ** 31) * 2 ** 21, () => next(1000) / 7, () => next(2 ** 31) * 1e-300,
  ])() || 0; // -0, which notepack.io writes as 0
  const text = () => Array.from({ length: pick([0, 1, 5, 31, 32, 40, 260]) }, () => pick(["a", "ä", "€", "😀", "\n", '"', "\u0001", "\u2028"])).join("");
  const count = (depth) => pick(depth > 0 ? [0, 1, 2, 3] : [0, 1, 5, 16, 17]);
  const list = (depth) => Array.from({ length: count(depth) }, () => value(depth));
  const object = (depth) => Object.fromEntries(Array.from({ length: count(depth) }, () => [text(), value(depth)]));
  const value = (depth) => pick([
    number, number, text, text, () => pick([true, false, null]), () => new Date(next(2 ** 31) * 1000), () => undefined,
    () => Buffer.alloc(pick([0, 1, 3, 255, 256]), next(256)),
    ...(depth > 0 ? [list, list, list, object, object, object] : []).map((make) => () => make(depth - 1)),
  ])();
  // At most 10 binary values in a packet, as clients of the default parser take.
  const few = (v, left) => {
    if (Buffer.isBuffer(v)) return left.n-- > 0 ? v : null;
    if (Array.isArray(v)) return v.map((e) => few(e, left));
    if (v && typeof v === "object" && !(v instanceof Date)) return Object.fromEntries(Object.entries(v).map(([k, e]) => [k, few(e, left)]));
    return v;
  };
  return { seed, value: (depth) => few(value(depth), { n: 10 }) };
}
