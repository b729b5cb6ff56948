// The namespace /admin, as the page of @socket.io/admin-ui speaks to it: on one server, and in a cluster with a Node server that
// is instrumented.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import parser from "socket.io-msgpack-parser";
import { Page, adminEnv, credentials } from "./support/admin.mjs";
import { onReference } from "./support/build.mjs";
import { Client, connect, fresh, newest } from "./support/clients.mjs";
import { useCluster } from "./support/cluster.mjs";
import { long } from "./support/long.mjs";
import { needsRealRedis } from "./support/redis.mjs";
import { useServer } from "./support/server.mjs";

const [polling, websocket, both] = newest;
const commands = ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"];
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Resolves with the message of a connect_error. */
async function refusal(t, server, auth) {
  const client = new Client(server, websocket, "/admin", { auth });
  t.after(() => client.socket.disconnect());
  return client.connected().then(() => "let in", (err) => err.message);
}

describe("one server", { skip: onReference && "a Node server has its own" }, () => {
  test("without ADMIN_UI_USER there is no such namespace", async (t) => {
    assert.equal(await refusal(t, await useServer({ t }), credentials), "Invalid namespace");
  });

  test("sign-in: a session that the page remembers, wrong passwords, too many of them", async (t) => {
    const server = await useServer({ t, env: adminEnv });
    const page = await Page.open(t, server);
    const [session] = await page.next("session");
    const [config] = await page.next("config");
    assert.deepEqual(config, { supportedFeatures: [...commands, "AGGREGATED_EVENTS", "ALL_EVENTS"] });
    await page.next("all_sockets");
    assert.deepEqual(page.names().filter((n) => !/stats|room|socket_/.test(n)), ["session", "config", "all_sockets"]);
    const again = await Page.open(t, server, { sessionId: session });
    await again.next("config");
    assert.deepEqual(again.got("session"), [], "who has a session gets no other");
    const packed = await Page.open(t, server, { sessionId: session }, { parser });
    await packed.known(page.id, (s) => s.nsp === "/admin" && s.rooms.has(page.id));
    await packed.next("server_stats", (s) => s.clientsCount === 3);

    for (const auth of [undefined, {}, { sessionId: null }, { sessionId: "0123456789abcdef" }, { username: "", password: "" }]) {
      assert.equal(await refusal(t, server, auth), "invalid credentials", JSON.stringify(auth));
    }
    for (const auth of [{ ...credentials, password: "nope" }, { ...credentials, username: "root" }]) {
      assert.equal(await refusal(t, server, auth), "invalid credentials", JSON.stringify(auth));
    }
    const tried = [];
    for (let n = 0; n < 4; n++) tried.push(await refusal(t, server, { ...credentials, password: "nope" }));
    assert.deepEqual(tried.slice(0, 3), Array(3).fill("invalid credentials"));
    assert.match(tried[3], /too many attempts/);
    assert.match(await refusal(t, server, credentials), /too many attempts/, "the right one is not looked at either");
    assert.equal(await refusal(t, server, { sessionId: session }), "let in");
    assert.ok(!server.output.includes("nope") && !server.output.includes(session));
  });

  test("read-only, and figures alone in production mode", async (t) => {
    const server = await useServer({ t, env: { ...adminEnv, ADMIN_UI_MODE: "production", ADMIN_UI_READONLY: "true" } });
    const page = await Page.open(t, server);
    assert.deepEqual(await page.next("config"), [{ supportedFeatures: ["AGGREGATED_EVENTS"] }]);
    const client = await connect(t, server, polling);
    page.emit("_disconnect", "/", false, client.id);
    page.emit("emit", "/", null, "hello");
    const [stats] = await page.next("server_stats", (s) => s.aggregatedEvents.some((e) => e.type === "rawConnection"));
    assert.equal(stats.clientsCount, 2);
    assert.equal(stats.pollingClientsCount, 1);
    assert.ok(stats.uptime > 0 && stats.pid > 0 && stats.hostname && stats.serverId.startsWith(stats.hostname));
    assert.deepEqual(stats.namespaces.map((n) => [n.name, n.socketsCount]), [["/", 1], ["/admin", 1], ["/chat", 0]]);
    for (const type of ["packetsIn", "bytesIn"]) {
      const event = stats.aggregatedEvents.find((e) => e.type === type);
      assert.ok(event?.count > 0 && event.timestamp % 1000 === 0, `${type} in ${JSON.stringify(stats)}`);
    }
    assert.deepEqual(page.names().filter((n) => !["session", "config", "server_stats"].includes(n)), []);
    assert.ok(client.socket.connected);
    assert.deepEqual(client.names(), []);
  });

  test("sockets, rooms, events and commands", async (t) => {
    const server = await useServer({ t, env: adminEnv });
    const page = await Page.open(t, server);
    await page.next("all_sockets");
    const client = await connect(t, server, both, { query: { lang: "de", token: "hush" }, auth: { secret: "hush" } });
    const socket = await page.known(client.id, (s) => s.transport === "websocket");
    const [first] = await page.next("socket_connected", (s) => s.id === client.id);
    assert.deepEqual(
      { ...first, handshake: undefined, transport: undefined },
      { id: client.id, clientId: client.socket.io.engine.id.slice(0, 12), transport: undefined, nsp: "/", data: {}, handshake: undefined, rooms: [client.id] },
    );
    assert.equal(socket.handshake.query.lang, "de");
    assert.ok(new Date(socket.handshake.issued).toISOString());
    assert.equal(socket.handshake.address, "127.0.0.1");

    await client.join("42");
    await client.login("Ada", "tea");
    await page.known(client.id, (s) => s.rooms.has("42") && s.rooms.has("tea"));
    const [, , args, at] = await page.next("event_received", (nsp, id, [name]) => id === client.id && name === "login");
    assert.deepEqual(args, ["login", { name: "Ada", room: "tea" }]);
    assert.match(at, DATE);
    await page.next("event_sent", (nsp, id, [name, users]) => id === client.id && name === "users" && users[0].name === "Ada");
    client.emit("renew", { token: "hush" });
    await page.next("event_received", (nsp, id, [name, shown]) => name === "renew" && /secret/.test(shown));
    client.emit("bytes", { recipientUserId: "42", bytes: Buffer.from("abc") });
    await page.next("event_sent", (nsp, id, [name, data]) => name === "bytes" && Buffer.from(data.bytes).toString() === "abc");

    page.emit("emit", "/", client.id, "fromadmin", 1, { a: 2 });
    assert.deepEqual(await client.next("fromadmin"), [1, { a: 2 }]);
    page.emit("emit", "/", "tea", "toroom");
    await client.next("toroom");
    page.emit("emit", "/admin", null, "loop");
    page.emit("emit", 5, {}, []);
    page.emit("emit", "/", null, "everybody");
    await client.next("everybody");
    page.emit("join", "/", "vip", client.id);
    await page.known(client.id, (s) => s.rooms.has("vip"));
    page.emit("emit", "/", "vip", "tovip");
    await client.next("tovip");
    page.emit("leave", "/", "vip", "vip");
    await page.known(client.id, (s) => !s.rooms.has("vip"));

    const { id } = client; // it is gone with the connection
    page.emit("_disconnect", "/", false, id);
    assert.equal(await client.gone(), "io server disconnect");
    const [nsp, , reason] = await page.next("socket_disconnected", (nsp, gone) => gone === id);
    assert.deepEqual([nsp, reason], ["/", "server namespace disconnect"]);
    for (const room of [id, "42", "tea"]) await page.next("room_left", (nsp, name, left) => left === id && name === room);
    assert.ok(!JSON.stringify(page.log).includes("hush"), "secrets are not shown");
    assert.ok(!page.names().includes("loop"));
    assert.ok(page.got("event_sent").every(([nsp]) => nsp !== "/admin"));
  });
});

for (const mode of long ? ["classic", "sharded"] : ["classic"]) {
  describe(`a cluster, ${mode}`, onReference ? { skip: "there is no signalbox in it" } : mode === "sharded" ? needsRealRedis : {}, () => {
    test("pages at every server see the sockets of all, and command them", async (t) => {
      const { nodes, servers } = await useCluster({ t, nodes: 2, servers: 1, mode, env: adminEnv });
      const all = [...nodes, ...servers];
      const before = await connect(t, nodes[1], websocket);
      const session = await (await Page.open(t, nodes[0])).next("session");
      const pages = [];
      for (const server of all) {
        pages.push(await Page.open(t, server, server === servers[0] ? credentials : { sessionId: session[0] }));
      }
      for (const [n, page] of pages.entries()) {
        await page.known(before.id);
        await page.until(() => page.stats.size === 3, `the figures of three servers at ${n}`);
      }
      for (const server of all) {
        const client = await connect(t, server, websocket);
        for (const page of pages) {
          const socket = await page.known(client.id, (s) => s.transport === "websocket");
          assert.equal(socket.clientId, client.socket.io.engine.id.slice(0, 12));
        }
      }
      for (const [n, server] of all.entries()) {
        const page = pages[n];
        for (const there of all.filter((s) => s !== server)) {
          const client = await connect(t, there, websocket);
          const room = fresh("vip");
          await page.known(client.id);
          page.emit("join", "/", room, client.id);
          for (const other of pages) await other.known(client.id, (s) => s.rooms.has(room));
          page.emit("emit", "/", room, "hello", { n });
          assert.deepEqual(await client.next("hello"), [{ n }]);
          await page.next("event_sent", (nsp, id, [name]) => id === client.id && name === "hello");
          page.emit("leave", "/", room, client.id);
          for (const other of pages) await other.known(client.id, (s) => !s.rooms.has(room));
          const { id } = client; // it is gone with the connection
          page.emit("_disconnect", "/", true, id);
          await client.gone();
          for (const other of pages) await other.until(() => !other.sockets.has(id), "the socket to be gone");
        }
      }
      for (const server of servers) server.assertHealthy();
    });
  });
}
