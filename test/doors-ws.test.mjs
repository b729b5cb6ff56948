// Rooms over the plain WebSocket /ws, and the same rooms seen from /chat and from streams.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, fresh, newest } from "./support/clients.mjs";
import { StreamClient, TextClient, publish } from "./support/doors.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const KEY = "the key of the backends";
const server = await useServer({ env: { JWT_SECRET: SECRET, API_KEY: KEY } });
const open = (t, options) => TextClient.rooms(t, server, options);
const websocket = newest[1];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Opens clients who have said who they are and have joined a room; their joins are taken. */
async function inRoom(t, room, ...ids) {
  const clients = [];
  for (const userId of ids) {
    const c = await open(t);
    await c.enter(room, { type: "authenticate", userId });
    for (const other of clients) assert.deepEqual(await other.next("user_joined"), { type: "user_joined", userId, room });
    clients.push(c);
  }
  return clients;
}

describe("rows of the table", () => {
  test("connect", async (t) => {
    const [a, b] = [await open(t), await open(t)];
    assert.deepEqual(a.hello, { type: "connected", clientId: a.id });
    assert.match(a.id, UUID);
    assert.notEqual(a.id, b.id);
  });

  test("ping", async (t) => {
    const a = await open(t);
    a.send({ type: "ping" });
    assert.deepEqual(await a.next(), { type: "pong" });
  });

  test("join and message before authenticate have no user", async (t) => {
    const room = fresh("room");
    const [a] = await inRoom(t, room, "A");
    const b = await open(t);
    b.send({ type: "join", room }, { type: "message", room, content: "hi" });
    assert.deepEqual(await a.next(), { type: "user_joined", room });
    const { timestamp, ...rest } = await a.next();
    assert.deepEqual(rest, { type: "message", content: "hi" });
    assert.equal(typeof timestamp, "number");
    assert.ok(Math.abs(Date.now() - timestamp) < 60_000);
  });

  for (const id of [1, "1", "ünï", 0, -1.5]) {
    test(`a userId of ${JSON.stringify(id)} keeps its type`, async (t) => {
      const room = fresh("room");
      const [a, b] = await inRoom(t, room, "A", id);
      b.send({ type: "message", room, content: { any: ["JSON", null, 1.5] } }, { type: "leave", room });
      const { timestamp, ...rest } = await a.next();
      assert.deepEqual(rest, { type: "message", from: id, content: { any: ["JSON", null, 1.5] } });
      assert.deepEqual(await a.next(), { type: "user_left", userId: id, room });
      assert.ok(timestamp);
    });
  }

  test("the sender gets nothing of its own, and only members hear", async (t) => {
    const room = fresh("room");
    const [a, b] = await inRoom(t, room, "A", "B");
    const outside = await open(t);
    outside.send({ type: "join", room: fresh("room") });
    a.send({ type: "message", room, content: 1 });
    assert.equal((await b.next()).content, 1);
    for (const c of [a, outside]) assert.deepEqual(await c.quiet(), []);
  });

  test("only a member may send", async (t) => {
    const room = fresh("room");
    const [a] = await inRoom(t, room, "A");
    const outside = await open(t);
    outside.send({ type: "message", room, content: "let me in" });
    assert.equal((await outside.next()).type, "error");
    assert.deepEqual(await a.quiet(), []);
  });

  test("close and cut tell every room", async (t) => {
    const [one, two] = [fresh("room"), fresh("room")];
    for (const end of ["close", "terminate"]) {
      const [a, b] = await inRoom(t, one, "A", "B");
      for (const c of [a, b]) {
        c.send({ type: "join", room: two });
        assert.deepEqual((await c.quiet()).filter((m) => m.type !== "user_joined"), []);
      }
      b.ws[end]();
      const left = [];
      while (left.length < 2) {
        const m = await a.next("user_left of both rooms");
        if (m.type === "user_left") left.push(m);
      }
      assert.deepEqual(left.map((m) => m.room).sort(), [one, two].sort());
      assert.ok(left.every((m) => m.userId === "B"));
      a.ws.close();
      await a.end();
    }
  });

  test("joining twice tells once, leaving a room one is not in tells nobody", async (t) => {
    const room = fresh("room");
    const [a, b] = await inRoom(t, room, "A", "B");
    b.send({ type: "join", room });
    assert.deepEqual(await b.quiet(), []);
    const outside = await open(t);
    outside.send({ type: "leave", room });
    await outside.next("error");
    assert.deepEqual(await a.quiet(), []);
  });
});

test("what cannot be read is ignored, and the socket stays", async (t) => {
  const a = await open(t);
  a.send("{", "null", "7", '"join"', "[]", "{}", "", '{"type":"nothing"}', '{"type":null}', '{"type":["join"]}', '{"type":{"x":1}}', "\u0000", Buffer.from([0xff, 0x00]), "[".repeat(5000));
  assert.deepEqual(await a.quiet(), []);
});

test("rooms that are no text are refused", async (t) => {
  const a = await open(t);
  for (const room of [undefined, null, 1, true, [], ["x"], {}, "", "x".repeat(2000)]) {
    for (const type of ["join", "leave", "message"]) {
      a.send({ type, room, content: "x" });
      assert.equal((await a.next(`the refusal of ${type} ${JSON.stringify(room)?.slice(0, 20)}`)).type, "error");
    }
  }
});

test("binary frames with JSON count as text", async (t) => {
  const room = fresh("room");
  const [a] = await inRoom(t, room, "A");
  const b = await open(t);
  b.send(Buffer.from(JSON.stringify({ type: "join", room })));
  assert.deepEqual(await a.next(), { type: "user_joined", room });
});

test("200 messages from each of three arrive in order", async (t) => {
  const room = fresh("room");
  const clients = await inRoom(t, room, 0, 1, 2);
  for (const [from, c] of clients.entries()) for (let n = 0; n < 200; n++) c.send({ type: "message", room, content: { from, n } });
  for (const [me, c] of clients.entries()) {
    const got = (await c.take(400, "400 messages")).map((m) => m.content);
    for (const from of [0, 1, 2]) {
      const theirs = got.filter((m) => m.from === from).map((m) => m.n);
      assert.deepEqual(theirs, from === me ? [] : Array.from({ length: 200 }, (_, n) => n));
    }
  }
});

describe("one room, several doors", () => {
  /** A client of each kind in one room. */
  async function all(t) {
    const room = fresh("room");
    const token = tokenOf("9", { name: "Nine" });
    const socket = await connect(t, server, websocket, { namespace: "/chat", auth: { token } });
    assert.deepEqual(await socket.ask("join_room", room), [{ ok: true }]);
    const stream = await StreamClient.open(t, server, `/events/room/${room}`, ["user_joined", "user_left", "announcement"], { token });
    const ws = await open(t);
    await ws.enter(room, { type: "authenticate", userId: 5 });
    const joined = { userId: 5, userName: "5" };
    assert.deepEqual((await socket.next("user_joined"))[0], joined);
    const record = await stream.next("user_joined");
    assert.deepEqual([record.type, JSON.parse(record.data)], ["user_joined", joined]);
    return { room, socket, stream, ws };
  }

  test("what /ws says is heard on /chat and in the stream", async (t) => {
    const { room, socket, stream, ws } = await all(t);
    ws.send({ type: "message", room, content: { a: [1] } });
    const [message] = await socket.next("message");
    const { id, timestamp, ...rest } = message;
    assert.deepEqual(rest, { roomId: room, userId: 5, userName: "5", content: { a: [1] } });
    assert.match(id, UUID);
    assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const record = await stream.next("message");
    assert.deepEqual([record.type, JSON.parse(record.data)], ["message", message]);
    assert.deepEqual(await ws.quiet(), []);
  });

  test("what /chat says is heard on /ws and in the stream", async (t) => {
    const { room, socket, stream, ws } = await all(t);
    assert.deepEqual(await socket.ask("message", { roomId: room, content: "from chat", userId: 5, userName: "a lie" }), [{ ok: true }]);
    const { timestamp, ...rest } = await ws.next();
    assert.deepEqual(rest, { type: "message", from: "9", content: "from chat" });
    assert.equal(typeof timestamp, "number");
    assert.equal(JSON.parse((await stream.next()).data).userId, "9");
    await socket.ask("leave_room", room);
    assert.deepEqual(await ws.next(), { type: "user_left", userId: "9", room });
  });

  test("what a backend publishes for the room is heard by all, each in its own form", async (t) => {
    const { room, socket, stream, ws } = await all(t);
    const answer = await publish(server, KEY, `room:${room}`, { type: "announcement", data: { x: 1 } });
    assert.deepEqual([answer.status, answer.body], [200, { ok: true, delivered: 3 }]);
    assert.deepEqual(await socket.next("announcement"), [{ x: 1 }]);
    assert.deepEqual(await ws.next(), { type: "announcement", data: { x: 1 } });
    const record = await stream.next();
    assert.deepEqual([record.type, JSON.parse(record.data)], ["announcement", { x: 1 }]);
  });
});

describe("with a token", () => {
  test("one is who it says, from the start", async (t) => {
    const room = fresh("room");
    const [a] = await inRoom(t, room, "A");
    const b = await open(t, { token: tokenOf("77", { name: "Bea" }) });
    b.send({ type: "join", room });
    assert.deepEqual(await a.next(), { type: "user_joined", userId: "77", room });
    b.send({ type: "authenticate", userId: "somebody else" });
    assert.equal((await b.next()).type, "error");
    b.send({ type: "message", room, content: "hi" });
    assert.equal((await a.next()).from, "77");
  });

  test("rooms are those of its claim", async (t) => {
    const b = await open(t, { token: tokenOf("78", { rooms: ["tea", "team-*"] }) });
    b.send({ type: "join", room: "tea" }, { type: "join", room: "team-x" });
    assert.deepEqual(await b.quiet(), []);
    for (const room of ["te", "tea2", "Team-x", "team", "*", "team-*x".slice(0, 4)]) {
      b.send({ type: "join", room });
      assert.deepEqual(await b.next(), { type: "error", message: "Access denied", room });
    }
  });
});
