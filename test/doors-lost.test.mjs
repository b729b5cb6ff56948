// Connections that are lost: restarts of the server, and clients that all go at once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, fresh, newest } from "./support/clients.mjs";
import { Cuttable } from "./support/cuttable.mjs";
import { within } from "./support/deadline.mjs";
import { StreamClient, TextClient, ticketFor } from "./support/doors.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const env = { JWT_SECRET: SECRET };
const websocket = newest[1];

describe("a restart", () => {
  for (const [how, end] of Object.entries({ "in order": (server) => server.stop(), "without a word": (server) => server.kill() })) {
    test(`${how}: every kind of client comes back and is heard again`, async (t) => {
      const server = await useServer({ t, env });
      const room = fresh("room");
      const chat = await connect(t, server, websocket, {
        namespace: "/chat", auth: { token: tokenOf("1") }, reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200,
      });
      await chat.ask("join_room", room);
      const ws = await TextClient.rooms(t, server);
      const tap = await TextClient.open(t, server, "/tap");
      const stream = await StreamClient.events(t, server);

      await end(server);
      assert.ok([1001, 1006].includes((await ws.end()).code));
      await tap.end();
      await chat.next("disconnect");
      await server.start();

      await chat.connected();
      assert.deepEqual(await chat.ask("join_room", room), [{ ok: true }]);
      const again = await TextClient.rooms(t, server);
      again.send({ type: "join", room }, { type: "message", room, content: "back" });
      assert.equal((await chat.next("message"))[0].content, "back");

      // The EventSource comes back by itself, some seconds later.
      const greeting = await stream.next("the second greeting");
      assert.equal(greeting.type, "connected");
      const source = await TextClient.open(t, server, "/tap");
      source.send({ connectionId: "after" });
      assert.equal((await stream.next()).data, '{"connectionId":"after"}');
    });
  }

  test("in order tells plain websockets with 1001, and streams by their end", async (t) => {
    const server = await useServer({ t, env });
    const ws = await TextClient.rooms(t, server);
    const res = await fetch(`${server.url}/events`);
    await server.stop();
    assert.equal((await ws.end()).code, 1001);
    await within(res.text(), "the end of the stream");
    await server.start();
  });
});

describe("a connection that is cut", () => {
  test("is told to the room at once, and the ticket of the one who was cut still opens", async (t) => {
    const server = await useServer({ t, env });
    const way = await Cuttable.open(t, server);
    const room = fresh("room");
    const token = tokenOf("7");
    const ticket = await ticketFor(server, token);
    const witness = await connect(t, server, websocket, { namespace: "/chat", auth: { token: tokenOf("w") } });
    await witness.ask("join_room", room);

    const ws = await TextClient.rooms(t, way, { token });
    ws.send({ type: "join", room });
    await witness.next("user_joined");
    const notify = async () => {
      const note = await TextClient.open(t, way, `/notification?token=${ticket}`, { json: false });
      note.send({ type: "jwt", token });
      assert.deepEqual(await note.take(2), ["connection established", "authentication successfull"]);
      return note;
    };
    const note = await notify();
    way.cut();
    assert.equal((await ws.end()).code, 1006);
    await note.end();
    assert.equal((await witness.next("user_left"))[0].userId, "7");
    await notify();
  });

  // A client on polling may have no connection at that moment, and then loses nothing.
  for (const row of newest.filter((row) => row.transports.includes("websocket"))) {
    test(`${row.name}: /chat comes back by itself`, async (t) => {
      const server = await useServer({ t, env });
      const way = await Cuttable.open(t, server);
      const room = fresh("room");
      const witness = await connect(t, server, websocket, { namespace: "/chat", auth: { token: tokenOf("w") } });
      await witness.ask("join_room", room);
      const client = await connect(t, way, row, { namespace: "/chat", auth: { token: tokenOf("7") }, reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 });
      await client.ask("join_room", room);
      await witness.next("user_joined");
      way.cut();
      await client.next("disconnect");
      await client.connected();
      await client.ask("join_room", room);
      await witness.ask("message", { roomId: room, content: "welcome back" });
      assert.equal((await client.next("message"))[0].content, "welcome back");
    });
  }
});

test("a crowd that is cut off at once leaves nobody behind", async (t) => {
  const server = await useServer({ t, env });
  const room = fresh("room");
  const witness = await connect(t, server, websocket, { namespace: "/chat", auth: { token: tokenOf("w") } });
  await witness.ask("join_room", room);
  const crowd = await Promise.all(Array.from({ length: 100 }, () => TextClient.rooms(t, server)));
  for (const [userId, c] of crowd.entries()) c.send({ type: "authenticate", userId }, { type: "join", room });
  await witness.until(() => witness.got("user_joined").length === 100, "100 joins");
  for (const c of crowd) c.ws.terminate();
  await witness.until(() => witness.got("user_left").length === 100, "100 leaves");
  assert.deepEqual(new Set(witness.got("user_left").map(([m]) => m.userId)).size, 100);
  const [{ users, nameless }] = await witness.ask("presence", { roomId: room });
  assert.deepEqual([users.map((u) => u.userId), nameless], [["w"], 0]);
});

test("streams that are cut are forgotten", async (t) => {
  const server = await useServer({ t, env: { ...env, CONSOLE: "true", ADMIN_TOKEN: "what only operators know" } });
  const open = async () => {
    const res = await fetch(`${server.url}/console/stats`, { headers: { Authorization: "Bearer what only operators know" } });
    return (await res.json()).streams;
  };
  const endings = [];
  for (let n = 0; n < 30; n++) {
    const ending = new AbortController();
    endings.push(ending);
    await within(fetch(`${server.url}/events`, { signal: ending.signal }), "/events");
  }
  assert.equal(await open(), 30);
  for (const ending of endings) ending.abort();
  const tap = await TextClient.open(t, server, "/tap");
  // A write to each shows the server those that are gone, where the system has not told it yet.
  await within((async () => { while ((await open()) > 0) tap.send({ connectionId: 1 }); })(), "the streams to go");
});

test("a client that stops reading holds up nobody, and is ended", async (t) => {
  const server = await useServer({ t, env: { ...env, MAX_OUTBOX_BYTES: "1MB" } });
  const room = fresh("room");
  const [slow, quick, sender] = [await TextClient.rooms(t, server), await TextClient.rooms(t, server), await TextClient.rooms(t, server)];
  for (const c of [slow, quick, sender]) {
    c.send({ type: "join", room }, { type: "ping" });
    await c.inbox.until((all) => all.some((m) => m.type === "pong"), "pong");
  }
  slow.ws.pause();
  const content = "x".repeat(50_000);
  const ended = (all) => all.some((m) => m.type === "user_left");
  // The systems on both sides hold some megabytes before anything waits in the server.
  for (let n = 0; n < 1000 && !ended(sender.inbox.all); n++) {
    sender.send({ type: "message", room, content: { n, content } });
    await quick.inbox.until((all) => all.some((m) => m.content?.n === n), `message ${n}`);
  }
  await sender.inbox.until(ended, "the end of the slow one");
  slow.ws.resume();
  await slow.end();
});
