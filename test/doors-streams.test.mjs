// Event streams of users and rooms, /notification, and what backends publish: who hears it, and in which form.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, fresh, newest } from "./support/clients.mjs";
import { StreamClient, TextClient, publish, ticketFor } from "./support/doors.mjs";
import { request } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const KEY = "the key of the backends";
const server = await useServer({ env: { JWT_SECRET: SECRET, API_KEY: KEY } });
const send = async (channel, message) => {
  const { status, body } = await publish(server, KEY, channel, message);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
};

/** Opens the stream of a user. */
const streamOf = (t, user, types) => StreamClient.open(t, server, `/events/user/${encodeURIComponent(user)}`, types, { token: tokenOf(user) });

/** Opens /chat as a user. */
const chatOf = (t, user) => connect(t, server, newest[1], { namespace: "/chat", auth: { token: tokenOf(user) } });

/** Opens /notification as a user, authenticated. */
async function notificationOf(t, user) {
  const token = tokenOf(user);
  const client = await TextClient.open(t, server, `/notification?token=${await ticketFor(server, token)}`, { json: false });
  client.send({ type: "jwt", token });
  assert.deepEqual(await client.take(2), ["connection established", "authentication successfull"]);
  return client;
}

describe("a user's stream", () => {
  for (const user of ["42", "a/b c", "ünï", "42?x=1"]) {
    test(`of ${user} has what is published for the user, and for nobody else`, async (t) => {
      const [mine, other] = [await streamOf(t, user, ["order"]), await streamOf(t, `${user}0`, ["order"])];
      assert.deepEqual(await send(`user:${user}`, { type: "order", data: { n: 1.5, list: ["ü", null] } }), { ok: true, delivered: 1 });
      const record = await mine.next();
      assert.deepEqual([record.type, record.data], ["order", '{"n":1.5,"list":["ü",null]}']);
      await send(`user:${user}0`, { type: "order", data: 2 });
      assert.equal((await other.next()).data, "2", "nothing came before it");
    });
  }

  test("by ?token=, where a header cannot be set", async (t) => {
    const token = tokenOf("42");
    const stream = await StreamClient.open(t, server, `/events/user/42?token=${token}`, ["x"]);
    await send("user:42", { type: "x", data: true });
    assert.equal((await stream.next()).data, "true");
    assert.ok(!server.output.includes(token), "the token is in no log");
  });

  test("with types and data of every kind", async (t) => {
    const user = fresh();
    const types = ["message", "ünï", "with space", "a:b", "x".repeat(128)];
    const stream = await streamOf(t, user, types.slice(1));
    for (const type of types) {
      for (const data of [null, 0, "a\nb\r\nc", "data: x\n\nevent: y", [], {}, { "\u2028": "\u0000" }]) {
        await send(`user:${user}`, { type, data });
        const record = await stream.next(`${type} ${JSON.stringify(data)}`);
        assert.deepEqual([record.type, JSON.parse(record.data)], [type, data]);
      }
    }
    await send(`user:${user}`, { type: "message" });
    assert.deepEqual(JSON.parse((await stream.next()).data), { type: "message" }, "without data it is the whole");
    for (const type of ["", "x".repeat(129), "a\nb", "a\rb", "connect", "disconnect", 1, null]) {
      assert.equal((await publish(server, KEY, `user:${user}`, { type, data: 1 })).status, 400, `type ${JSON.stringify(type)}`);
    }
    assert.deepEqual(stream.inbox.rest, []);
  });
});

describe("channels", () => {
  test("user: reaches the user's streams, /chat and /notification, each in its form", async (t) => {
    const user = fresh();
    const [stream, chat, note] = [await streamOf(t, user, ["news"]), await chatOf(t, user), await notificationOf(t, user)];
    const stranger = await chatOf(t, fresh());
    const ws = await TextClient.rooms(t, server, { token: tokenOf(user) });
    assert.deepEqual(await send(`user:${user}`, { type: "news", data: { a: 1 } }), { ok: true, delivered: 3 });
    assert.equal((await stream.next()).data, '{"a":1}');
    assert.deepEqual(await chat.next("news"), [{ a: 1 }]);
    assert.equal(await note.next(), '{"type":"news","data":{"a":1}}');
    assert.deepEqual(await ws.quiet(), []);
    await stranger.ask("presence", { userIds: [] });
    assert.deepEqual(stranger.got("news"), []);
  });

  test("broadcast reaches all who have a token there", async (t) => {
    const [stream, chat, note] = [await streamOf(t, fresh(), ["hello"]), await chatOf(t, fresh()), await notificationOf(t, fresh())];
    const { delivered } = await send("broadcast", { type: "hello", data: "all" });
    assert.ok(delivered >= 3);
    assert.equal((await stream.next()).data, '"all"');
    assert.deepEqual(await chat.next("hello"), ["all"]);
    assert.equal(await note.next(), '{"type":"hello","data":"all"}');
  });

  test("update reaches /events, as it is", async (t) => {
    const stream = await StreamClient.events(t, server);
    await send("update", { type: "price", data: { n: 1 } });
    const record = await stream.next();
    assert.deepEqual([record.type, record.data], ["update", '{"type":"price","data":{"n":1}}']);
  });

  test("there are no others", async () => {
    for (const channel of ["tap", "user:", "room:", "user", "users:1", "*", "room", "Update", "user :1"]) {
      const { status, body } = await publish(server, KEY, channel, { type: "x", data: 1 });
      assert.deepEqual([status, body.error.code], [400, "invalid_channel"], channel);
    }
  });

  test("nobody publishes without the key", async (t) => {
    const stream = await StreamClient.events(t, server);
    for (const key of ["", "wrong", `${KEY}x`, KEY.slice(1), SECRET, tokenOf("1")]) {
      const { status, body } = await publish(server, key, "update", { type: "x", data: "forged" });
      assert.deepEqual([status, body.error.code], [401, "unauthorized"]);
    }
    await send("update", { type: "x", data: "good" });
    assert.match((await stream.next()).data, /good/);
  });

  test("500 in a row arrive in order", async (t) => {
    const stream = await StreamClient.events(t, server);
    for (let n = 0; n < 500; n += 50) {
      for (let i = n; i < n + 50; i++) await send("update", { type: "n", data: i });
    }
    assert.deepEqual((await stream.take(500)).map((r) => JSON.parse(r.data).data), Array.from({ length: 500 }, (_, n) => n));
  });
});

describe("/notification", () => {
  test("messages go to the same user's other connections, at every door", async (t) => {
    const user = fresh();
    const [a, b] = [await notificationOf(t, user), await notificationOf(t, user)];
    const other = await notificationOf(t, fresh());
    const [chat, stream] = [await chatOf(t, user), await streamOf(t, user, ["event", "notification"])];
    for (const type of ["event", "notification"]) {
      const text = `{"type":"${type}","data":{"x": 1}}`;
      a.send(text);
      assert.equal(await b.next(), text);
      assert.deepEqual(await chat.next(type), [{ x: 1 }]);
      assert.deepEqual(JSON.parse((await stream.next()).data), { x: 1 });
    }
    await send(`user:${user}`, { type: "fence", data: {} });
    assert.match(await a.next(), /fence/, "the sender got nothing");
    assert.deepEqual(other.inbox.rest, []);
  });

  test("what has another form is ignored", async (t) => {
    const user = fresh();
    const [a, b] = [await notificationOf(t, user), await notificationOf(t, user)];
    a.send("{", "null", "text", "[]", '{"type":"other","data":{}}', '{"type":"event"}', '{"type":"event","data":1}', '{"data":{}}', Buffer.from([0xff]));
    a.send('{"type":"event","data":{"last":true}}');
    assert.match(await b.next(), /last/);
  });
});

describe("a room's stream", () => {
  test("hears without being there", async (t) => {
    const room = fresh("room");
    const chat = await chatOf(t, "1");
    await chat.ask("join_room", room);
    const stream = await StreamClient.open(t, server, `/events/room/${room}`, ["user_left", "user_typing"], { token: tokenOf("2") });
    const [{ users, nameless }] = await chat.ask("presence", { roomId: room });
    assert.deepEqual([users.map((u) => u.userId), nameless], [["1"], 0]);
    await chat.ask("typing_start", room);
    await chat.ask("message", { roomId: room, content: "hi" });
    const record = await stream.next();
    assert.deepEqual([record.type, JSON.parse(record.data).content], ["message", "hi"], "typing is not in it");
    await chat.ask("leave_room", room);
    assert.equal((await stream.next()).type, "user_left");
    stream.source.close();
    assert.deepEqual(chat.got("user_left"), []);
  });
});

test("a stream is for GET", async () => {
  const { status } = await request(server, "/events", { method: "POST", body: "x" });
  assert.ok(status === 404 || status === 405, `${status}`);
});
