// Connection state recovery, with the client of today untouched: cuts, connections that stay half open, tokens.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";
import { connect, eachClient, fresh, newest } from "./support/clients.mjs";
import { Cuttable } from "./support/cuttable.mjs";
import { within } from "./support/deadline.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const server = await useServer({
  env: { RECOVERY: "true", JWT_SECRET: SECRET, API_KEY: "a key of sixteen bytes", ADMIN_TOKEN: "what only operators know", LOG_LEVEL: "debug" },
});
const BRIEF_MS = 1000;
/** One that soon forgets who is away. */
const brief = await useServer({ env: { RECOVERY: "true", RECOVERY_TIME: `${BRIEF_MS}ms` } });

const patient = { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 100, randomizationFactor: 0 };

/** Connects over a way that can be cut, as a client that comes back. */
async function phone(t, row, options = {}, to = server) {
  const way = await Cuttable.open(t, to);
  const client = await connect(t, way, row, { ...patient, ...options });
  client.way = way;
  client.connects = 0;
  client.socket.on("connect", () => {
    client.connects++;
    client.note(["connect", client.socket.recovered]);
  });
  return client;
}

/** Cuts until the client has noticed: between two polls there may be nothing to cut. */
async function cut(client) {
  let gone = false;
  const noticed = client.next("disconnect").then(() => (gone = true));
  while (!gone) {
    client.way.cut();
    await Promise.race([noticed, pause(10)]);
  }
}

/** Cuts, has meanwhile called while the client is away, and resolves with whether the client was recovered. */
async function blink(client, meanwhile = async () => {}) {
  await cut(client);
  await meanwhile();
  const [recovered] = await client.next("connect");
  return recovered;
}

/** The broker's events n of a client, without offsets. */
const numbers = (client) => client.got("n").map(([data]) => data.n);

/** A call of a backend. */
const api = (method, path, body) =>
  fetch(`${server.url}/api/${path}`, {
    method,
    headers: { authorization: "Bearer a key of sixteen bytes", "content-type": "application/json" },
    body: body && JSON.stringify(body),
  }).then((r) => r.json());

const send = (from, id, n) => from.ask("n", { recipientUserId: id, n }).then(([answer]) => answer);

eachClient(newest, (row) => {
  test("what was missed comes once and in order, before connect, over several cuts", async (t) => {
    const id = fresh();
    const ann = await (await phone(t, row)).join(id);
    const bob = await connect(t, server, row);
    const sid = ann.id;
    assert.deepEqual(await send(bob, id, 0), { ok: true, delivered: 1 });
    let n = 0;
    for (let round = 0; round < 3; round++) {
      const recovered = await blink(ann, async () => {
        const away = await send(bob, id, ++n);
        assert.ok(away.held === 1 && away.delivered === 0 || away.delivered === 1, JSON.stringify(away));
        await send(bob, id, ++n);
      });
      assert.equal(recovered, true);
      assert.equal(ann.id, sid);
      assert.deepEqual(numbers(ann), Array.from({ length: n + 1 }, (_, i) => i));
    }
    assert.deepEqual(await send(bob, id, ++n), { ok: true, delivered: 1 });
    await ann.until(() => numbers(ann).length === n + 1, "the last");
    assert.equal(typeof ann.got("n").at(-1)[1], "string"); // the offset is there for listeners too
  });

  test("a client that has heard nothing yet", async (t) => {
    const id = fresh();
    const ann = await phone(t, row);
    const bob = await connect(t, server, row);
    ann.emit("join", { senderUserId: id });
    await pause(50);
    assert.equal(await blink(ann, () => send(bob, id, 1)), true);
    assert.deepEqual(numbers(ann), [1]);
  });
});

describe("one client", () => {
  const row = newest[1];

  test("recovered, then disconnected by a backend, then cut before the first event", async (t) => {
    const user = fresh();
    const ann = await phone(t, row, { namespace: "/chat", auth: { token: tokenOf(user) } });
    const say = (n) => api("POST", `publish/user:${user}`, { type: "n", data: { n } });
    await say(1);
    await ann.until(() => numbers(ann).length === 1, "the first");
    assert.equal(await blink(ann, () => say(2)), true);
    assert.equal(await blink(ann, () => api("POST", `users/${user}/disconnect`)), false);
    const offset = ann.socket._lastOffset; // which a client never forgets
    assert.equal(await blink(ann, () => say(3)), true);
    assert.notEqual(ann.socket._lastOffset, offset);
    assert.deepEqual(numbers(ann), [1, 2, 3]);
  });

  test("who comes too late is a new one", async (t) => {
    const id = fresh();
    const ann = await (await phone(t, row, { reconnectionDelay: 2 * BRIEF_MS, reconnectionDelayMax: 2 * BRIEF_MS }, brief)).join(id);
    const bob = await connect(t, brief, row);
    await cut(ann);
    assert.deepEqual(await ann.next("connect"), [false]);
    assert.deepEqual(await send(bob, id, 1), { ok: true, delivered: 0 }); // it is nobody any more
  });

  test("a half-open connection is taken over, and what was on it comes again", async (t) => {
    const id = fresh();
    const ann = await (await phone(t, row)).join(id);
    const bob = await connect(t, server, row);
    await send(bob, id, 1);
    await ann.until(() => numbers(ann).length === 1, "the first");
    ann.way.swallow(); // the server notices nothing, and the client's engine is closed by the client
    const gone = ann.next("disconnect");
    assert.equal((await send(bob, id, 2)).delivered, 1);
    ann.socket.io.engine.close();
    await gone;
    assert.deepEqual(await ann.next("connect"), [true]);
    assert.deepEqual(numbers(ann), [1, 2]);
    assert.deepEqual(await send(bob, id, 3), { ok: true, delivered: 1 });
    await ann.until(() => numbers(ann).length === 3, "the third");
  });

  test("who says good-bye, and who is disconnected, does not come back", async (t) => {
    const ann = await phone(t, row);
    const sid = ann.id;
    ann.socket.disconnect().connect();
    assert.deepEqual(await ann.next("connect"), [false]);
    assert.notEqual(ann.id, sid);
  });

  test("the chat's list and notices do not flicker", async (t) => {
    const room = fresh("room");
    const bob = await connect(t, server, row);
    await bob.login("bob", room);
    const ann = await phone(t, row);
    await ann.login("ann", room);
    await bob.next("notification");
    const before = bob.log.length;
    assert.equal(await blink(ann, () => bob.emit("roomMessage", "hello")), true);
    await ann.next("roomMessage");
    await bob.next("roomMessage");
    assert.deepEqual(bob.log.slice(before).map((e) => e[0]), ["roomMessage"]);
  });

  test("a list says who is away, until they are back", async (t) => {
    const room = fresh("room");
    const bob = await connect(t, server, row);
    await bob.login("bob", room);
    const ann = await phone(t, row);
    await ann.login("ann", room);
    await bob.next("notification");
    const cid = await connect(t, server, row);
    await blink(ann, async () => {
      await cid.login("cid", room);
      await bob.until(() => bob.got("users").at(-1)[0].length === 3, "the list with cid");
      assert.deepEqual(bob.got("users").at(-1)[0].map((u) => u.away), [undefined, true, undefined]);
      const { users } = await api("GET", `rooms/${room}/users`);
      assert.deepEqual(users.map((u) => u.away), [undefined, true, undefined]);
    });
    for (const c of [bob, ann]) await c.until(() => c.got("users").at(-1)[0].every((u) => !u.away), "a list without anybody away");
    assert.equal(ann.got("users").at(-1)[0].length, 3);
  });

  test("after its time somebody has left the chat", async (t) => {
    const room = fresh("room");
    const bob = await connect(t, brief, row);
    await bob.login("bob", room);
    const ann = await phone(t, row, { reconnection: false }, brief);
    await ann.login("ann", room);
    await bob.next("notification");
    ann.way.cut();
    const [left] = await bob.next("notification");
    assert.match(left.description, /ann just left/);
  });

  test("/chat: rooms stay joined, presence says away, a token is verified again", async (t) => {
    const [user, room] = [fresh(), fresh("room")];
    const bob = await connect(t, server, row, { namespace: "/chat", auth: { token: tokenOf(fresh()) } });
    let token = tokenOf(user);
    const eve = await phone(t, row, { namespace: "/chat", auth: (send) => send({ token }) });
    const sid = eve.id;
    await eve.ask("join_room", room);
    await bob.ask("join_room", room);
    assert.equal(
      await blink(eve, async () => {
        await bob.ask("message", { roomId: room, content: "missed" });
        const [{ users }] = await bob.ask("presence", { roomId: room });
        const me = users.find((u) => u.userId === user);
        assert.ok(me, "in the room while away");
      }),
      true,
    );
    assert.equal(eve.id, sid);
    assert.equal(eve.got("message").filter(([m]) => m.content === "missed").length, 1);
    assert.deepEqual(bob.got("user_left"), []);
    token = tokenOf(fresh()); // somebody else
    assert.equal(await blink(eve), false);
    assert.notEqual(eve.id, sid);
    await eve.ask("join_room", room);
    token = tokenOf(user, { exp: Math.floor(Date.now() / 1000) - 1 });
    const refused = new Promise((resolve) => eve.socket.once("connect_error", resolve));
    await cut(eve);
    assert.match((await refused).message, /Authentication failed/);
  });

  test("a backend sees who is away, and disconnects them", async (t) => {
    const user = fresh();
    const way = await Cuttable.open(t, server);
    const ann = await connect(t, way, row, { namespace: "/chat", auth: { token: tokenOf(user) } });
    const where = async () => (await api("GET", `users/${user}`)).where;
    way.cut();
    await ann.gone();
    let places = [];
    while (!places[0]?.away) places = await where();
    assert.deepEqual(places.map((p) => p.away), [true]);
    await api("POST", `users/${user}/disconnect`);
    assert.deepEqual(await where(), []);
  });

  test("the console counts who came back, and who could not", async (t) => {
    const headers = { authorization: "Bearer what only operators know" };
    const figures = async () => (await (await fetch(`${server.url}/console/stats`, { headers })).json()).recovery;
    const before = await figures();
    const ann = await phone(t, row);
    await blink(ann);
    const bob = await phone(t, row);
    bob.socket._pid = "x".repeat(20); // of no session
    await blink(bob);
    let now;
    do now = await figures();
    while (now.recovered === before.recovered || now.failed.unknown === before.failed.unknown); // it is read four times a second
    assert.deepEqual(Object.keys(now), ["away", "messages", "bytes", "recovered", "failed"]);
    assert.ok(now.away > 0); // bob as he was
  });

  test("the secret is in no log", async (t) => {
    const ann = await phone(t, row);
    const pid = ann.socket._pid;
    assert.equal(pid.length, 20);
    await blink(ann);
    assert.ok(server.output.includes("session recovered"));
    assert.ok(!server.output.includes(pid));
  });
});

describe("/ws", () => {
  /** A plain WebSocket over a way that can be cut; messages are parsed. */
  async function plain(t, way, session, query = "") {
    const ws = new WebSocket(`${way.url.replace("http", "ws")}/ws${query}`);
    t.after(() => ws.close());
    const got = [];
    let look = () => {};
    ws.onmessage = (e) => {
      got.push(JSON.parse(e.data));
      look();
    };
    const until = (suits) =>
      within(new Promise((resolve) => (look = () => got.some(suits) && resolve(got.find(suits)))(look())), () => JSON.stringify(got));
    const closed = new Promise((resolve) => (ws.onclose = resolve));
    await within(new Promise((resolve) => (ws.onopen = resolve)), "open");
    const client = { ws, got, until, closed, say: (m) => ws.send(JSON.stringify(m)) };
    client.session = (await until((m) => m.type === "connected")).session;
    if (session) {
      client.say({ type: "resume", ...session });
      client.recovered = (await until((m) => m.type === "resumed")).recovered;
    }
    return client;
  }
  const contents = (c) => c.got.filter((m) => m.type === "message").map((m) => m.content);

  test("what was missed comes once, the room stays joined, and nobody hears of it", async (t) => {
    const room = fresh("room");
    const way = await Cuttable.open(t, server);
    const ann = await plain(t, way);
    assert.equal(ann.session.length, 20);
    const bob = await plain(t, server);
    ann.say({ type: "join", room });
    ann.say({ type: "ping" });
    await ann.until((m) => m.type === "pong");
    bob.say({ type: "join", room });
    await ann.until((m) => m.type === "user_joined");
    bob.say({ type: "message", room, content: 1 });
    const { offset } = await ann.until((m) => m.content === 1);
    way.cut();
    await ann.closed;
    bob.say({ type: "message", room, content: 2 });
    bob.say({ type: "message", room, content: 3 });
    bob.say({ type: "ping" });
    await bob.until((m) => m.type === "pong");
    const back = await plain(t, way, { session: ann.session, offset });
    assert.equal(back.recovered, true);
    assert.deepEqual(contents(back), [2, 3]);
    assert.equal(back.got.at(-1).type, "resumed");
    back.say({ type: "message", room, content: 4 });
    await bob.until((m) => m.content === 4);
    bob.say({ type: "message", room, content: 5 });
    await back.until((m) => m.content === 5);
    assert.deepEqual(bob.got.filter((m) => m.type === "user_left"), []);
    const again = await plain(t, server, { session: ann.session, offset: back.got.at(-1).offset }); // the other is still open
    assert.equal(again.recovered, true);
    await within(back.closed, "the end of the connection that was taken over");
    assert.deepEqual(contents(again), []);
  });

  test("who closes has left, but with a code of its own", async (t) => {
    const room = fresh("room");
    const bob = await plain(t, server);
    bob.say({ type: "join", room });
    const leaving = async (...code) => {
      const ann = await plain(t, server);
      ann.say({ type: "join", room });
      ann.say({ type: "ping" });
      await ann.until((m) => m.type === "pong");
      ann.ws.close(...code);
      await ann.closed;
      return (await plain(t, server, { session: ann.session })).recovered;
    };
    assert.deepEqual([await leaving(), await leaving(1000), await leaving(4000)], [false, false, true]);
  });

  test("after its time somebody has left the room", async (t) => {
    const room = fresh("room");
    const ann = await plain(t, brief);
    const bob = await plain(t, brief);
    bob.say({ type: "join", room });
    bob.say({ type: "ping" });
    await bob.until((m) => m.type === "pong");
    ann.say({ type: "join", room });
    await bob.until((m) => m.type === "user_joined");
    ann.ws.terminate();
    await bob.until((m) => m.type === "user_left");
    assert.equal((await plain(t, brief, { session: ann.session })).recovered, false);
  });

  test("somebody else's token does not resume, one's own does", async (t) => {
    const user = fresh();
    const way = await Cuttable.open(t, server);
    const ann = await plain(t, way, null, `?token=${tokenOf(user)}`);
    const { session } = ann;
    way.cut();
    await ann.closed;
    assert.equal((await plain(t, way, { session })).recovered, false);
    assert.equal((await plain(t, way, { session }, `?token=${tokenOf(fresh())}`)).recovered, false);
    assert.equal((await plain(t, way, { session }, `?token=${tokenOf(user)}`)).recovered, true);
  });
});

test("streams of a user go on behind Last-Event-ID", async (t) => {
  const user = fresh();
  const say = (n) => api("POST", `publish/user:${user}`, { type: "n", data: { n } });
  /** Opens the stream; until(n) resolves with its records once one has the number. */
  async function follow(last) {
    const end = new AbortController();
    t.after(() => end.abort());
    const res = await fetch(`${server.url}/events/user/${user}?token=${tokenOf(user)}`, {
      headers: last ? { "last-event-id": last } : {},
      signal: end.signal,
    });
    let text = "";
    const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
    const until = async (n) => {
      while (!text.includes(`{"n":${n}}\n`)) text += (await within(reader.read(), () => text)).value;
      return [...text.matchAll(/^id: (.+)\nevent: n\ndata: \{"n":(\d+)\}$/gm)].map(([, id, number]) => ({ id, n: Number(number) }));
    };
    return { until, end: () => end.abort() };
  }
  const first = await follow();
  await say(1);
  const [{ id }] = await first.until(1);
  first.end();
  while (!(await say(2)).held); // the server has noticed
  await say(3);
  const again = await follow(id);
  const got = (await again.until(3)).map(({ n }) => n);
  assert.deepEqual([got.at(0), got.at(-1), got.filter((n) => n === 3)], [2, 3, [3]]);
});
