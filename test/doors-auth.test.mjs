// Tokens: a wrong one in every place where one is asked for, what a good one opens, and that it holds for as long as the
// connection and no longer.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, connect, fresh, newest } from "./support/clients.mjs";
import { within } from "./support/deadline.mjs";
import { StreamClient, TextClient, ticketFor } from "./support/doors.mjs";
import { request, upgradeStatus } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, badTokens, sign, tokenOf } from "./support/tokens.mjs";

const open = await useServer({ env: { JWT_SECRET: SECRET } });
const strict = await useServer({ env: { JWT_SECRET: SECRET, REQUIRE_AUTH: "true" } });
const websocket = newest[1];
const bad = Object.entries({ ...badTokens("42"), "nothing": "", "12,000 characters": "x".repeat(12_000) });

/** Resolves with the status of a GET by header, and by query. */
async function both(server, path, token) {
  const byHeader = await request(server, path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  const byQuery = await request(server, `${path}${token ? `?token=${token}` : ""}`);
  return [byHeader.status, byQuery.status];
}

/** Resolves with the status of an upgrade by header, and by query. */
const bothUpgrades = (server, path, token) =>
  Promise.all([upgradeStatus(server, path, token ? { Authorization: `Bearer ${token}` } : {}), upgradeStatus(server, `${path}${token ? `?token=${token}` : ""}`)]);

describe("a wrong token", () => {
  for (const [name, token] of bad) {
    test(`${name}: streams of users and rooms`, async () => {
      for (const path of ["/events/user/42", "/events/room/tea", "/events/user/", "/events/room/"]) {
        assert.deepEqual(await both(open, path, token), [401, 401], path);
      }
    });

    test(`${name}: what is open otherwise, where tokens are required`, async () => {
      assert.deepEqual(await both(strict, "/events", token), [401, 401]);
      for (const path of ["/ws", "/tap"]) assert.deepEqual(await bothUpgrades(strict, path, token), [401, 401], path);
    });

    test(`${name}: the namespaces, where tokens are required`, async (t) => {
      for (const namespace of ["/", "/chat"]) {
        const client = new Client(strict, websocket, namespace, { auth: { token } });
        t.after(() => client.socket.disconnect());
        const err = await within(new Promise((resolve) => client.socket.once("connect_error", resolve)), "connect_error");
        assert.equal(err.message, "Authentication failed", namespace);
      }
    });
  }

  test("on /ws is refused even where none is needed, but none is fine", async (t) => {
    for (const [name, token] of bad.filter(([, token]) => token)) {
      assert.deepEqual(await bothUpgrades(open, "/ws", token), [401, 401], name);
    }
    assert.equal(await upgradeStatus(open, "/ws?token="), 101);
    await TextClient.rooms(t, open);
  });

  test("two tokens are none", async () => {
    const [a, b] = [tokenOf("42"), tokenOf("43")];
    assert.equal((await request(open, `/events/user/42?token=${a}&token=${b}`)).status, 401);
  });

  test("says nothing about why, and is in no log", async () => {
    const texts = new Set();
    for (const [, token] of bad) texts.add((await request(open, "/events/user/42", { headers: { Authorization: `Bearer ${token}` } })).text);
    assert.equal(texts.size, 1, [...texts].join(" "));
    for (const server of [open, strict]) {
      for (const [, token] of bad) if (token.length > 20) assert.ok(!server.output.includes(token));
    }
  });
});

describe("somebody else's", () => {
  test("stream is 403", async () => {
    for (const user of ["43", "4", "421", "42/", "%34%32x", "42%20"]) {
      assert.deepEqual(await both(open, `/events/user/${user}`, tokenOf("42")), [403, 403], user);
    }
    assert.equal((await request(open, "/events/user/", { headers: { Authorization: `Bearer ${tokenOf("42")}` } })).status, 403);
  });

  test("room is 403", async () => {
    const token = tokenOf("42", { rooms: ["tea", "team-*"] });
    for (const room of ["te", "teas", "Tea", "team", "*", "tea/", "x%2Ftea"]) assert.deepEqual(await both(open, `/events/room/${room}`, token), [403, 403], room);
  });

  test("scope does not open the tap", async () => {
    for (const scope of [undefined, "", "taps", "TAP", "read write", ["tap"], { tap: true }]) {
      const token = tokenOf("42", scope === undefined ? {} : { scope });
      assert.deepEqual(await both(strict, "/events", token), [403, 403], JSON.stringify(scope));
      assert.deepEqual(await bothUpgrades(strict, "/tap", token), [403, 403], JSON.stringify(scope));
    }
  });
});

describe("where tokens are required", () => {
  test("the scope tap opens /tap and /events", async (t) => {
    const token = tokenOf("42", { scope: "read tap" });
    const stream = await StreamClient.events(t, strict, { token });
    const source = await TextClient.open(t, strict, `/tap?token=${token}`);
    source.send({ connectionId: "scoped" });
    assert.equal((await stream.next()).data, '{"connectionId":"scoped"}');
  });

  test("one joins / as oneself only, and speaks as oneself only", async (t) => {
    const me = fresh();
    const client = await connect(t, strict, websocket, { auth: { token: tokenOf(me) } });
    const other = fresh();
    for (const senderUserId of [other, `${me}x`, null, 1]) {
      const [answer] = await client.ask("join", { senderUserId, recipientUserId: -1 });
      assert.equal(answer.ok, false, JSON.stringify(senderUserId));
    }
    await client.join(me);
    const victim = await connect(t, strict, websocket, { auth: { token: tokenOf(other) } });
    await victim.join(other);
    const [forged] = await client.ask("note", { senderUserId: other, recipientUserId: other, text: "forged" });
    assert.equal(forged.ok, false);
    assert.deepEqual((await client.ask("note", { senderUserId: me, recipientUserId: other, text: "mine" }))[0], { ok: true, delivered: 1 });
    assert.deepEqual((await victim.next("note"))[0].text, "mine");
    assert.deepEqual(victim.got("note").length, 1);
  });

  test("/ws is for those who have one, and they are who it says", async (t) => {
    const room = fresh("room");
    const [a, b] = [await TextClient.rooms(t, strict, { token: tokenOf("1") }), await TextClient.rooms(t, strict, { token: tokenOf("2") })];
    for (const c of [a, b]) {
      c.send({ type: "join", room });
      assert.deepEqual((await c.quiet()).filter((m) => m.type === "error"), []);
    }
    b.send({ type: "authenticate", userId: "1" });
    assert.equal((await b.next()).type, "error");
    b.send({ type: "message", room, content: "hi" });
    for (;;) {
      const m = await a.next("the message");
      if (m.type !== "message") continue;
      assert.equal(m.from, "2");
      break;
    }
  });
});

describe("the user of a token", () => {
  const signed = (claims) => sign({ alg: "HS256", typ: "JWT" }, { exp: Math.floor(Date.now() / 1000) + 60, ...claims });
  const rows = [
    [{ sub: "a", id: "b", _id: "c" }, "a", "a"],
    [{ id: "b", _id: "c", name: "Bea" }, "b", "Bea"],
    [{ _id: "c", name: "" }, "c", "c"],
    [{ sub: 42 }, "42", "42"],
    [{ sub: 1e21, name: "Big" }, "1e+21", "Big"],
  ];
  for (const [claims, id, name] of rows) {
    test(`${JSON.stringify(claims)} is ${id}, ${name}`, async (t) => {
      const room = fresh("room");
      const witness = await connect(t, open, websocket, { namespace: "/chat", auth: { token: tokenOf("w") } });
      await witness.ask("join_room", room);
      const client = await connect(t, open, websocket, { namespace: "/chat", auth: { token: signed(claims) } });
      await client.ask("join_room", room);
      assert.deepEqual(await witness.next("user_joined"), [{ userId: id, userName: name }]);
    });
  }
});

// Each of these takes as long as its token is good, so they run side by side.
describe("the end of a token", { concurrency: true }, () => {
  /** A token that is good for some seconds, from the next full one on. */
  const short = (sub, seconds, claims = {}) => tokenOf(sub, { exp: Math.ceil(Date.now() / 1000) + seconds, ...claims });

  for (const namespace of ["/chat", "/"]) {
    test(`${namespace} is told, then disconnected`, async (t) => {
      const client = await connect(t, strict, websocket, { namespace, auth: { token: short("1", 2) } });
      const [{ expiresAt }] = await client.next("token_expiring");
      assert.equal(new Date(expiresAt).toISOString(), expiresAt);
      assert.equal(await client.gone(), "io server disconnect");
      assert.ok(Math.abs(Date.now() - new Date(expiresAt)) < 1500);
    });

    test(`${namespace} goes on with a newer one, of the same user only`, async (t) => {
      const client = await connect(t, strict, websocket, { namespace, auth: { token: short("1", 2) } });
      const refused = { ok: false, error: "Authentication failed" };
      for (const token of [tokenOf("2"), "x", undefined, sign({ alg: "none" }, { sub: "1" })]) {
        const [answer] = await client.ask("renew", { token });
        assert.equal(answer.ok, false);
        if (token) assert.deepEqual(answer, refused);
      }
      await client.next("token_expiring");
      const [answer] = await client.ask("renew", { token: short("1", 4) });
      assert.equal(answer.ok, true);
      const began = Date.now();
      const ends = new Date(answer.expiresAt);
      assert.ok(ends - began > 2000, "the newer token is the one that counts");
      assert.equal(await client.gone(), "io server disconnect");
      assert.ok(Math.abs(Date.now() - ends) < 1500);
    });
  }

  test("a newer token with fewer rooms leaves the others", async (t) => {
    const [kept, lost] = [`team-${fresh()}`, fresh("room")];
    const witness = await connect(t, open, websocket, { namespace: "/chat", auth: { token: tokenOf("w") } });
    const client = await connect(t, open, websocket, { namespace: "/chat", auth: { token: tokenOf("1", { name: "One" }) } });
    for (const room of [kept, lost]) {
      await witness.ask("join_room", room);
      await client.ask("join_room", room);
    }
    const [answer] = await client.ask("renew", { token: tokenOf("1", { name: "Uno", rooms: ["team-*"] }) });
    assert.deepEqual([answer.ok, answer.left], [true, [lost]]);
    assert.equal((await witness.next("user_left"))[0].userId, "1");
    assert.equal((await client.ask("message", { roomId: lost, content: "x" }))[0].ok, false);
    assert.equal((await client.ask("join_room", lost))[0].error, "Access denied");
    await client.ask("message", { roomId: kept, content: "y" });
    assert.equal((await witness.next("message"))[0].userName, "Uno");
  });

  test("plain websockets are told where they speak, then closed with 1008", async (t) => {
    const token = short("1", 2, { scope: "tap" });
    const ws = await TextClient.rooms(t, strict, { token });
    const tap = await TextClient.open(t, strict, `/tap?token=${token}`);
    const note = await TextClient.open(t, strict, `/notification?token=${await ticketFor(strict, token)}`, { json: false });
    note.send({ type: "jwt", token });
    await note.take(2);
    assert.equal((await ws.next()).type, "token_expiring");
    assert.equal(JSON.parse(await note.next()).data.type, "token_expiring");
    for (const c of [ws, tap, note]) assert.equal((await c.end()).code, 1008);
    assert.deepEqual(tap.inbox.all, []);
  });

  test("/ws goes on with a newer one", async (t) => {
    const ws = await TextClient.rooms(t, strict, { token: short("1", 2) });
    ws.send({ type: "renew", token: tokenOf("2") });
    assert.equal((await ws.next()).type, "error");
    ws.send({ type: "renew", token: short("1", 5) });
    const renewed = await ws.next();
    assert.deepEqual([renewed.type, renewed.ok], ["renewed", true]);
    assert.equal((await ws.next()).type, "token_expiring", "of the newer one");
    assert.ok(new Date(renewed.expiresAt) - Date.now() < 3000);
  });

  test("streams end, and the browser that comes back is refused", async (t) => {
    const token = short("1", 2);
    const stream = await StreamClient.open(t, open, "/events/user/1", ["token_expiring"], { token });
    assert.equal((await stream.next()).type, "token_expiring");
    const err = await within(new Promise((resolve) => stream.source.addEventListener("error", (e) => e.code && resolve(e))), "the refusal");
    assert.equal(err.code, 401);
  });
});
