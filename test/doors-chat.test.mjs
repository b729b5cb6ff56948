// Rooms over Socket.IO: the namespace /chat, with a token.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, connect as connectClient, eachClient, fresh, matrix, newest } from "./support/clients.mjs";
import { within } from "./support/deadline.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, badTokens, tokenOf } from "./support/tokens.mjs";

const server = await useServer({ env: { JWT_SECRET: SECRET } });
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const websocket = newest[1];

const connect = (t, row, sub, claims = {}) => connectClient(t, server, row, { namespace: "/chat", auth: { token: tokenOf(sub, claims) } });

/** Joins a room and takes its history. */
async function join(client, room) {
  assert.deepEqual(await client.ask("join_room", room), [{ ok: true }]);
  const [history] = await client.next("room_history", (h) => h.roomId === room);
  return history.messages;
}

/** What came of some events since the last call, without history and answers. */
const heard = (client) => client.log.filter(([e]) => !e.startsWith("ack ") && e !== "room_history");

eachClient(matrix, (row) => {
  test("join, message, typing, leave", async (t) => {
    const room = fresh("room");
    const ada = await connect(t, row, "1", { name: "Ada" });
    const bob = await connect(t, row, "2");
    assert.deepEqual(await join(ada, room), []);
    assert.deepEqual(await join(bob, room), []);
    assert.deepEqual(await ada.next("user_joined"), [{ userId: "2", userName: "2" }]);

    assert.deepEqual(await ada.ask("message", { roomId: room, content: "hi", userId: "2", userName: "Bob", id: "mine" }), [{ ok: true }]);
    const messages = [];
    for (const c of [ada, bob]) messages.push((await c.next("message"))[0]);
    assert.deepEqual(messages[0], messages[1]);
    const { id, timestamp, ...rest } = messages[0];
    assert.deepEqual(rest, { roomId: room, userId: "1", userName: "Ada", content: "hi" });
    assert.match(id, UUID);
    assert.equal(new Date(timestamp).toISOString(), timestamp);

    ada.emit("typing_start", room);
    assert.deepEqual(await bob.next("user_typing"), [{ userId: "1", userName: "Ada" }]);
    ada.emit("typing_stop", room);
    assert.deepEqual(await bob.next("user_stopped_typing"), [{ userId: "1" }]);
    assert.deepEqual(await ada.ask("leave_room", room), [{ ok: true }]);
    assert.deepEqual(await bob.next("user_left"), [{ userId: "1", userName: "Ada" }]);
    assert.deepEqual(heard(ada).map(([e]) => e), ["user_joined", "message"]);
  });
});

describe("connect", () => {
  for (const row of newest) {
    for (const [what, token] of Object.entries({ ...badTokens("1"), "no token": undefined, "an empty one": "", "an object": { sub: "1" }, "a number": 1 })) {
      test(`${row.name}: ${what} is refused`, async (t) => {
        const client = new Client(server, row, "/chat", { auth: { token } });
        t.after(() => client.socket.disconnect());
        const err = await within(new Promise((resolve) => client.socket.once("connect_error", resolve)), "connect_error");
        assert.equal(err.message, "Authentication failed");
        assert.equal(client.socket.connected, false);
      });
    }
  }

  test("the header will do, too", async (t) => {
    await connectClient(t, server, websocket, { namespace: "/chat", extraHeaders: { Authorization: `Bearer ${tokenOf("3")}` } });
  });

  test("a refused client may stay in the other namespace of its connection", async (t) => {
    const client = await connectClient(t, server, websocket, {});
    const chat = client.socket.io.socket("/chat", { auth: { token: "bad" } });
    const err = await within(new Promise((resolve) => chat.once("connect_error", resolve)), "connect_error");
    assert.equal(err.message, "Authentication failed");
    await client.join(fresh());
  });
});

describe("access", () => {
  test("a claim of names and patterns opens those rooms and no others", async (t) => {
    const c = await connect(t, websocket, "1", { rooms: ["tea", "team-*"] });
    for (const room of ["tea", "team-", "team-red"]) await join(c, room);
    for (const room of ["te", "teas", "Tea", "team", "*", "xteam-"]) {
      assert.deepEqual(await c.ask("join_room", room), [{ ok: false, error: "Access denied" }], room);
      assert.deepEqual(await c.next("error"), [{ message: "Access denied" }]);
    }
  });

  test("an empty claim opens none", async (t) => {
    const c = await connect(t, websocket, "1", { rooms: [] });
    assert.deepEqual(await c.ask("join_room", "any"), [{ ok: false, error: "Access denied" }]);
  });

  test("a claim that is no list is no token", async (t) => {
    for (const rooms of ["tea", { tea: true }, [1], ["te*a"]]) {
      const client = new Client(server, websocket, "/chat", { auth: { token: tokenOf("1", { rooms }) } });
      t.after(() => client.socket.disconnect());
      await within(new Promise((resolve) => client.socket.once("connect_error", resolve)), "connect_error");
    }
  });

  test("only members send, type and read, and strangers hear nothing", async (t) => {
    const room = fresh("room");
    const [member, stranger] = [await connect(t, websocket, "1"), await connect(t, websocket, "2")];
    await join(member, room);
    const refused = { ok: false, error: "Not in this room" };
    assert.deepEqual(await stranger.ask("message", { roomId: room, content: "x" }), [refused]);
    for (const event of ["typing_start", "typing_stop", "leave_room"]) assert.deepEqual(await stranger.ask(event, room), [refused], event);
    assert.deepEqual(await stranger.ask("room_history_before", { roomId: room }), [refused]);
    await member.ask("message", { roomId: room, content: "private" });
    await stranger.ask("join_room", fresh("room"));
    assert.deepEqual(heard(stranger).filter(([e]) => e !== "error"), []);
    assert.deepEqual(heard(member).map(([e]) => e), ["message"]);
  });

  test("a room is text: nothing else reaches anybody", async (t) => {
    const room = fresh("room");
    const [a, b] = [await connect(t, websocket, "1"), await connect(t, websocket, "2")];
    await join(a, room);
    for (const odd of [[room], { room }, 1, null, true, "", "x".repeat(5000)]) {
      for (const event of ["join_room", "leave_room", "typing_start", "typing_stop"]) {
        assert.equal((await b.ask(event, odd))[0].ok, false, `${event} ${JSON.stringify(odd).slice(0, 30)}`);
      }
      assert.equal((await b.ask("message", { roomId: odd, content: "x" }))[0].ok, false);
    }
    assert.equal((await b.ask("join_room"))[0].ok, false);
    assert.equal((await b.ask("message"))[0].ok, false);
    assert.equal((await b.ask("no such event", room))[0].ok, false);
    assert.deepEqual(heard(a), []);
  });
});

describe("history", () => {
  test("who joins gets the last 50, oldest first, and pages back from there", async (t) => {
    const room = fresh("room");
    const a = await connect(t, websocket, "1", { name: "Ada" });
    await join(a, room);
    for (let n = 0; n < 120; n++) a.emit("message", { roomId: room, content: n });
    await a.next("message", (m) => m.content === 119);
    const live = a.got("message").map(([m]) => m);

    const b = await connect(t, websocket, "2");
    const history = await join(b, room);
    assert.deepEqual(history, live.slice(70));

    const page = async (before, limit) => {
      const [answer] = await b.ask("room_history_before", { roomId: room, before, limit });
      assert.equal(answer.ok, true);
      assert.equal(answer.roomId, room);
      return answer.messages.map((m) => m.content);
    };
    const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => from + n);
    assert.deepEqual(await page(history[0].id, 40), numbers(30, 70));
    assert.deepEqual(await page(live[30].id, 200), numbers(0, 30));
    assert.deepEqual(await page(live[0].id), []);
    assert.deepEqual(await page(undefined, 3), numbers(117, 120));
    assert.equal((await b.ask("room_history_before", { roomId: room, before: "not an id" }))[0].ok, false);
    for (const limit of [0, -1, 1.5, "x"]) {
      assert.equal((await b.ask("room_history_before", { roomId: room, limit }))[0].ok, false, `limit ${limit}`);
    }
  });

  test("who joins while others talk gets each message once", async (t) => {
    const room = fresh("room");
    const a = await connect(t, websocket, "1");
    await join(a, room);
    const joiners = await Promise.all(Array.from({ length: 5 }, (_, n) => connect(t, websocket, `j${n}`)));
    const total = 100;
    const done = joiners.map(async (c, n) => {
      await a.next("message", (m) => m.content === 10 * (n + 1));
      c.emit("join_room", room);
      await c.until(() => [...(c.got("room_history")[0]?.[0].messages ?? []), ...c.got("message").flat()].some((m) => m.content === total - 1), "the last message");
      const [[history]] = c.got("room_history");
      const all = [...history.messages, ...c.got("message").flat()].map((m) => m.content);
      const first = all[0];
      assert.deepEqual(all, Array.from({ length: total - first }, (_, i) => first + i));
    });
    for (let n = 0; n < total; n++) a.emit("message", { roomId: room, content: n });
    await Promise.all(done);
  });

  test("content keeps its bytes", async (t) => {
    const room = fresh("room");
    const a = await connect(t, websocket, "1");
    await join(a, room);
    for (const content of [null, false, 0, "", [], {}, { a: { b: [1, "☃", "\u0000"] } }, "x".repeat(10_000)]) {
      a.emit("message", { roomId: room, content });
      assert.deepEqual((await a.next("message"))[0].content, content);
    }
    assert.equal((await a.ask("message", { roomId: room, content: Buffer.from([1]) }))[0].ok, false);
  });
});

describe("those who go", () => {
  for (const [how, go] of Object.entries({ disconnect: (c) => c.socket.disconnect(), "a cut connection": (c) => c.socket.io.engine.transport.ws.terminate?.() ?? c.socket.io.engine.close() })) {
    test(`${how}: the others are told, and it types no more`, async (t) => {
      const rooms = [fresh("room"), fresh("room")];
      const [a, b] = [await connect(t, websocket, "1"), await connect(t, websocket, "2", { name: "Bob" })];
      for (const room of rooms) {
        await join(a, room);
        await join(b, room);
      }
      b.emit("typing_start", rooms[0]);
      await a.next("user_typing");
      go(b);
      assert.deepEqual(await a.next("user_stopped_typing"), [{ userId: "2" }]);
      for (const _ of rooms) assert.deepEqual(await a.next("user_left"), [{ userId: "2", userName: "Bob" }]);
      assert.deepEqual((await a.ask("presence", { roomId: rooms[0] }))[0].users.map((u) => u.userId), ["1"]);
    });
  }

  test("typing tells once", async (t) => {
    const room = fresh("room");
    const [a, b] = [await connect(t, websocket, "1"), await connect(t, websocket, "2")];
    await join(a, room);
    await join(b, room);
    assert.deepEqual(await b.ask("typing_stop", room), [{ ok: true }]);
    await b.ask("message", { roomId: room, content: "a fence" });
    await a.next("message");
    assert.deepEqual(a.got("user_stopped_typing"), []);
  });
});

test("presence tells who is there, at both doors", async (t) => {
  const room = fresh("room");
  const a = await connect(t, websocket, "1", { name: "Ada" });
  const again = await connect(t, websocket, "1", { name: "Ada" });
  await join(a, room);
  await join(again, room);
  const [answer] = await a.ask("presence", { roomId: room });
  assert.deepEqual(answer, { ok: true, roomId: room, users: [{ userId: "1", userName: "Ada", connections: 2, verified: true }], nameless: 0 });
  const someone = fresh();
  await connect(t, websocket, someone);
  const [online] = await a.ask("presence", { userIds: [someone, "nobody at all", "1"] });
  assert.deepEqual(online, { ok: true, online: [someone, "1"] });
});

test("fifty rooms do not mix", async (t) => {
  const rooms = Array.from({ length: 50 }, () => fresh("room"));
  const sender = await connect(t, websocket, "1");
  const odd = await connect(t, websocket, "2");
  for (const [n, room] of rooms.entries()) {
    await join(sender, room);
    if (n % 2) await join(odd, room);
  }
  for (const room of rooms) sender.emit("message", { roomId: room, content: room });
  await odd.next("message", (m) => m.roomId === rooms[49]);
  assert.deepEqual(odd.got("message").map(([m]) => m.content), rooms.filter((_, n) => n % 2));
});
