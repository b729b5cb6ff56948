// The routes with tickets: GET /api/auth/token/ws, then /demo or /notification.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import WebSocket from "ws";
import { within } from "./support/deadline.mjs";
import { TextClient, ticketFor } from "./support/doors.mjs";
import { request, upgradeStatus } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, badTokens, tokenOf } from "./support/tokens.mjs";

const PING_MS = 300;
const server = await useServer({ env: { JWT_SECRET: SECRET, AUTH_PING_INTERVAL: `${PING_MS}ms` } });
const usual = await useServer({ env: { JWT_SECRET: SECRET } });
const ROUTES = ["/demo", "/notification"];

/** Opens a route with a ticket and takes the greeting. */
async function open(t, path, user, { base = server, ...options } = {}) {
  const client = await TextClient.open(t, base, `${path}?token=${await ticketFor(base, tokenOf(user))}`, { json: false, ...options });
  assert.equal(await client.next(), "connection established");
  return client;
}

/** Does the same and proves who it is. */
async function enter(t, path, user, options) {
  const client = await open(t, path, user, options);
  client.send({ type: "jwt", token: tokenOf(user) });
  assert.equal(await client.next(), "authentication successfull");
  return client;
}

describe("GET /api/auth/token/ws", () => {
  test("gives a ticket for a token", async () => {
    const { status, text, headers } = await request(server, "/api/auth/token/ws", { headers: { Authorization: `Bearer ${tokenOf("42")}` } });
    assert.equal(status, 200);
    const body = JSON.parse(text);
    assert.deepEqual(Object.keys(body), ["status", "message", "data"]);
    assert.deepEqual([body.status, body.message], [1, "Token generated successfully"]);
    assert.match(body.data.token, /^[0-9a-f]{24}$/);
    assert.match(headers["content-type"], /^application\/json/);
    assert.match(headers["cache-control"], /no-store/);
  });

  test("and a new one each time", async () => {
    const tickets = await Promise.all(Array.from({ length: 20 }, () => ticketFor(server, tokenOf("42"))));
    assert.equal(new Set(tickets).size, 20);
  });

  const cases = Object.entries(badTokens("42")).map(([name, token]) => [name, { Authorization: `Bearer ${token}` }]);
  for (const [name, headers] of [...cases, ["no header", {}], ["an empty one", { Authorization: "Bearer " }], ["Basic", { Authorization: `Basic ${tokenOf("42")}` }]]) {
    test(`401 for ${name}`, async () => {
      const { status, text } = await request(server, "/api/auth/token/ws", { headers });
      const body = JSON.parse(text);
      assert.deepEqual([status, body.status, typeof body.message, "data" in body], [401, 0, "string", false]);
    });
  }

  test("a token in the query is none", async () => {
    assert.equal((await request(server, `/api/auth/token/ws?token=${tokenOf("42")}`)).status, 401);
  });
});

describe("the upgrade", () => {
  test("is 401 without a good ticket, and for a path that is none", async () => {
    const ticket = await ticketFor(server, tokenOf("42"));
    const wrong = [...ticket].reverse().join("") === ticket ? `${ticket.slice(1)}0` : [...ticket].reverse().join("");
    for (const path of ROUTES) {
      for (const query of ["", "?token=", `?token=${wrong}`, `?token=${ticket}0`, `?token=${ticket.slice(1)}`, `?token=${ticket.toUpperCase()}x`, `?ticket=${ticket}`, `?token=${tokenOf("42")}`]) {
        assert.equal(await upgradeStatus(server, path + query), 401, path + query.slice(0, 40));
      }
    }
    for (const path of ["/", "/demo/", "/demos", "/nothing", "/events", "/api/emit", "/Demo"]) {
      assert.equal(await upgradeStatus(server, `${path}?token=${ticket}`), 401, path);
    }
  });

  test("a ticket may be used again, on both routes", async (t) => {
    const token = tokenOf("42");
    const ticket = await ticketFor(server, token);
    for (const path of [...ROUTES, ...ROUTES]) {
      const client = await TextClient.open(t, server, `${path}?token=${ticket}`, { json: false });
      client.send({ type: "jwt", token });
      assert.deepEqual(await client.take(2), ["connection established", "authentication successfull"]);
      client.ws.terminate();
    }
  });
});

for (const path of ROUTES) {
  describe(`the token on ${path}`, () => {
    for (const [name, token] of Object.entries({ ...badTokens("42"), "somebody else's token": tokenOf("43"), "a number": 42, null: null })) {
      test(`${name} ends the connection`, async (t) => {
        const client = await open(t, path, "42");
        client.send({ type: "jwt", token });
        assert.equal((await client.end()).code, 1008);
        assert.deepEqual(client.inbox.rest, []);
      });
    }
    test("none at all ends it as well", async (t) => {
      const client = await open(t, path, "42");
      client.send({ type: "jwt" });
      assert.equal((await client.end()).code, 1008);
    });

    for (const first of ["hello", "{", "null", '{"type":"other","token":"x"}', "[]", ""]) {
      test(`${first || "an empty text"} before it is ignored`, async (t) => {
        const client = await open(t, path, "42");
        client.send(first);
        client.send({ type: "jwt", token: tokenOf("42") });
        assert.deepEqual(await client.take(1), ["authentication successfull"]);
        client.ws.terminate();
      });
    }

    test("has to come in time", async (t) => {
      const began = Date.now();
      const client = await open(t, path, "42");
      assert.equal((await client.end()).code, 1008);
      assert.ok(Date.now() - began >= PING_MS - 50);
    });
  });

  test(`${path} keeps who answers its pings`, async (t) => {
    const client = await enter(t, path, "42");
    await client.pings.take(4, "four pings");
    assert.equal(client.ws.readyState, WebSocket.OPEN);
  });

  test(`${path} cuts who does not`, async (t) => {
    const client = await enter(t, path, "42", { autoPong: false });
    await client.pings.take(1, "a ping");
    await within(client.closed, "the cut");
  });
}

describe("/demo", () => {
  test("echoes texts as they are", async (t) => {
    const client = await enter(t, "/demo", "42");
    for (const text of ["hello", "", '{"type":"jwt"}', "☃ \u0000", "x".repeat(100_000)]) {
      client.send(text);
      for (;;) {
        const got = await client.next(`the echo of ${text.slice(0, 20)}`);
        if (/^(client|broadcast) message \d+$/.test(got)) continue;
        assert.equal(got, `echo: ${text}`);
        break;
      }
    }
  });

  // The one test that takes as long as what it tests: 5 s to the first message of its own.
  test("counts for each client every 5 s from 0, and for all every 3 s", async (t) => {
    const began = Date.now();
    const silent = await open(t, "/demo", "3", { base: usual });
    const [a, b] = [await enter(t, "/demo", "1", { base: usual }), await enter(t, "/demo", "2", { base: usual })];
    const own = async (c) => {
      await c.inbox.until((all) => all.some((m) => m.startsWith("client message")), "client message 0");
      return c.inbox.all.filter((m) => m.startsWith("client message"));
    };
    assert.deepEqual([await own(a), await own(b)], [["client message 0"], ["client message 0"]]);
    assert.ok(Date.now() - began >= 4900 && Date.now() - began < 9000, `${Date.now() - began} ms`);
    const shared = [a, b].map((c) => c.inbox.all.filter((m) => m.startsWith("broadcast message")));
    assert.deepEqual(shared[0].slice(0, 1), ["broadcast message 0"]);
    assert.deepEqual(shared[1].slice(0, 1), ["broadcast message 0"]);
    assert.deepEqual(silent.inbox.rest, [], "who has not proved who it is gets none");
  });
});
