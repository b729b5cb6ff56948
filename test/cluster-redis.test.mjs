// Redis goes away, hangs, comes late, asks for a password over TLS, and carries what nobody can read.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, fresh, newest } from "./support/clients.mjs";
import { KEY, eventually, pairs, useCluster } from "./support/cluster.mjs";
import { StreamClient, TextClient, publish } from "./support/doors.mjs";
import { request } from "./support/raw.mjs";
import { Redis, needsRealRedis, needsTLS } from "./support/redis.mjs";
import { Server } from "./support/server.mjs";
import { tokenOf } from "./support/tokens.mjs";

const websocket = newest[1];
const upTo = (count) => Array.from({ length: count }, (_, n) => n);

const ready = (node) => request(node, "/readyz");
const metric = async (node, name) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec((await request(node, "/metrics")).text)?.[1]);
const everywhere = (nodes, look, what) => Promise.all(nodes.map((node) => eventually(() => look(node), what)));

/** Waits until a node says that Redis is away, or that it is ready. */
const away = (nodes) =>
  everywhere(nodes, async (node) => {
    const { status, text } = await ready(node);
    return status === 503 && /redis/i.test(text);
  }, "/readyz to name redis");
const back = (nodes) => everywhere(nodes, async (node) => (await ready(node)).status === 200, "/readyz to be 200");

const join = async (t, node, { id = fresh(), partial } = {}) => {
  const client = await (await connect(t, node, websocket)).join(id, { partial });
  client.userId = id;
  return client;
};

/** Waits until everybody on every node reaches everybody, and that is counted without a doubt. */
async function whole(people) {
  for (const [from, to] of pairs(people)) {
    let answer;
    const right = async () => {
      [answer] = await from.ask("whole", { recipientUserId: to.userId });
      return answer.delivered === 1 && !answer.partial;
    };
    await eventually(right, () => `everybody to be reached; the last answer was ${JSON.stringify(answer)}`);
  }
}

const names = (client) => (client.got("users").at(-1)?.[0] ?? []).map((user) => user.name).sort();
const complete = (clients) => {
  const want = JSON.stringify(clients.map((c) => c.name).sort());
  return Promise.all(clients.map((c) => c.until(() => JSON.stringify(names(c)) === want, () => `the list ${want}`)));
};

describe("Redis goes away in mid-traffic", () => {
  test("connections stay, local delivery goes on, the node says so, and all is whole again afterwards", async (t) => {
    const cluster = await useCluster({ t });
    const { nodes, redis } = cluster;
    const room = fresh("room");
    const people = await Promise.all([...nodes, ...nodes].map((node) => join(t, node)));
    for (const [n, client] of people.entries()) {
      client.name = `p${n}`;
      await client.login(client.name, room);
    }
    const members = [];
    for (const node of nodes) {
      const client = await connect(t, node, websocket, { namespace: "/chat", auth: { token: tokenOf(fresh()) } });
      await client.ask("join_room", room);
      members.push(client);
    }
    const ws = await TextClient.rooms(t, nodes[0]);
    ws.send({ type: "join", room });
    const stream = await StreamClient.events(t, nodes[1]);
    await complete(people);
    await whole(people);

    // From the first to the last moment: numbers to somebody here, and to somebody there.
    let going = true, sent = 0;
    const [here, there] = [people[3], people[1]];
    const traffic = (async () => {
      while (going) {
        for (const _ of upTo(5)) {
          for (const to of [here, there]) people[0].emit("n", { recipientUserId: to.userId, n: sent });
          sent++;
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await there.until(() => there.got("n").length > 100, "traffic");

    await redis.stop();
    await away(nodes);
    for (const [n, client] of people.entries()) {
      const [near, far] = [people[(n + 3) % 6], people[(n + 1) % 6]];
      assert.deepEqual(await client.ask("local", { recipientUserId: near.userId }), [{ ok: true, delivered: 1, partial: true }]);
      assert.deepEqual(await client.ask("lost", { recipientUserId: far.userId }), [{ ok: true, delivered: 0, partial: true }]);
      await near.next("local");
    }
    people[0].emit("roomMessage", "while redis is away");
    for (const client of [people[0], people[3]]) await client.next("roomMessage");
    await members[0].ask("message", { roomId: room, content: "while redis is away" });
    await members[0].next("message");
    assert.deepEqual((await publish(nodes[1], KEY, "update", { type: "x", data: 1 })).body, { ok: true, delivered: 1, partial: true });
    await stream.next();
    for (const [path, body] of [
      ["/api/rooms"], [`/api/rooms/${room}/users`], [`/api/users/${here.userId}`],
      ["/api/emit", { users: [here.userId], event: "e" }], ["/api/emit", { users: [fresh()], event: "e", ack: true, timeoutMs: 500 }],
      [`/api/users/${fresh()}/disconnect`, {}],
    ]) {
      const res = await request(nodes[0], path, {
        method: body ? "POST" : "GET", headers: { "Content-Type": "application/json", "X-API-Key": KEY }, body: body && JSON.stringify(body),
      });
      assert.deepEqual([res.status, JSON.parse(res.text).partial], [200, true], `${path}: ${res.text}`);
    }
    for (const node of nodes) {
      assert.equal(await metric(node, "signalbox_redis_up"), 0);
      assert.ok((await metric(node, "signalbox_cluster_unpublished_total")) > 0);
    }
    // Somebody leaves in the meantime, and must not be in any list afterwards.
    const gone = people[5];
    gone.socket.disconnect();
    await here.until(() => here.got("n").at(-1)?.[0].n > sent - 50, "local traffic");

    await redis.start();
    await back(nodes);
    const rest = people.slice(0, 5);
    await whole(rest);
    const late = await join(t, nodes[2]);
    late.name = "late";
    await late.login("late", room);
    await complete([...rest, late]);
    assert.deepEqual(late.names().indexOf("ack login") > late.names().indexOf("users"), true);
    const users = async (node) => {
      const res = await request(node, `/api/rooms/${room}/users?kind=room`, { headers: { "X-API-Key": KEY } });
      const { users, nameless, partial } = JSON.parse(res.text);
      return users.length === 3 && nameless === 1 && !partial;
    };
    await everywhere(nodes, users, "the members of the room");
    await members[1].ask("message", { roomId: room, content: "back" });
    for (const client of members) await client.next("message", (m) => m.content === "back");

    going = false;
    await traffic;
    const numbers = (client) => client.got("n").map(([data]) => data.n);
    await here.until(() => numbers(here).length >= sent, "local traffic");
    assert.deepEqual(numbers(here), upTo(sent), "nothing that is local was lost");
    await there.until(() => numbers(there).at(-1) === sent - 1, "traffic between nodes to go on");
    const across = numbers(there);
    assert.ok(across.every((n, i) => i === 0 || n > across[i - 1]), "in order, each at most once");
    for (const client of [...rest, ...members]) assert.ok(!client.names().includes("disconnect"), "connections stay");
    for (const node of nodes) {
      assert.equal(await metric(node, "signalbox_redis_up"), 1);
      assert.equal(await metric(node, "signalbox_redis_downs_total"), 1);
      const lines = node.logLines().filter((line) => line.level === "WARN" && /redis/.test(line.msg));
      assert.ok(lines.length >= 1 && lines.length <= 3, `said once or so: ${JSON.stringify(lines)}`);
    }
  });

  for (const mode of ["classic", "sharded"]) test(`three times in a row: ${mode}`, mode === "sharded" ? needsRealRedis : {}, async (t) => {
    const cluster = await useCluster({ t, mode });
    const people = await Promise.all(cluster.nodes.map((node) => join(t, node)));
    const room = fresh("room");
    for (const [n, client] of people.entries()) {
      client.name = `p${n}`;
      await client.login(client.name, room);
    }
    for (const _ of upTo(3)) {
      await whole(people);
      await cluster.redis.stop();
      await away(cluster.nodes);
      await cluster.redis.start();
      await back(cluster.nodes);
    }
    await whole(people);
    const late = await connect(t, cluster.nodes[0], websocket);
    late.name = "late";
    await late.login("late", room);
    await complete([...people, late]);
  });
});

describe("Redis hangs", () => {
  test("nobody waits for it, and nothing comes twice when it goes on", async (t) => {
    const cluster = await useCluster({ t });
    const { nodes, redis } = cluster;
    const people = await Promise.all([...nodes, ...nodes].map((node) => join(t, node)));
    await whole(people);
    redis.pause();
    t.after(() => redis.resume());
    const slowest = { local: 0, ping: 0 };
    const timed = async (what, promise) => {
      const began = Date.now();
      await promise;
      slowest[what] = Math.max(slowest[what], Date.now() - began);
    };
    // Two seconds of it, as seen by clients: first it is thought to be there, then it is known to be away.
    for (const n of upTo(40)) {
      people[0].emit("n", { recipientUserId: people[1].userId, n });
      people[0].emit("n", { recipientUserId: people[3].userId, n });
      await timed("ping", people[0].ask("ping"));
      await timed("local", people[3].next("n", (data) => data.n === n));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(slowest.ping < 500 && slowest.local < 500, JSON.stringify(slowest));
    const began = Date.now();
    const [answer] = await people[0].ask("counted", { recipientUserId: people[3].userId });
    assert.deepEqual(answer, { ok: true, delivered: 1, partial: true });
    assert.ok(Date.now() - began < 3000, `${Date.now() - began} ms`);
    await away(nodes);
    redis.resume();
    await back(nodes);
    await whole(people);
    const got = people[1].got("n").map(([data]) => data.n);
    assert.ok(got.every((n, i) => i === 0 || n > got[i - 1]), `in order, each at most once: ${got}`);
    for (const client of people) assert.ok(!client.names().includes("disconnect"));
  });
});

test("nodes that start before Redis serve their own clients, and find each other later", async (t) => {
  const redis = await Redis.start();
  await redis.stop();
  const cluster = await useCluster({ t, redis, ownsRedis: true, nodes: 2, started: "/healthz" });
  await away(cluster.nodes);
  const people = await Promise.all([...cluster.nodes, ...cluster.nodes].map((node) => join(t, node, { partial: true })));
  assert.deepEqual(await people[0].ask("local", { recipientUserId: people[2].userId }), [{ ok: true, delivered: 1, partial: true }]);
  const chat = await connect(t, cluster.nodes[0], websocket, { namespace: "/chat", auth: { token: tokenOf("1") } });
  assert.equal((await chat.ask("join_room", "tea"))[0].ok, true);
  await redis.start();
  await back(cluster.nodes);
  await whole(people);
  const other = await connect(t, cluster.nodes[1], websocket, { namespace: "/chat", auth: { token: tokenOf("2") } });
  await other.ask("join_room", "tea");
  await chat.next("user_joined", (u) => u.userId === "2");
  await eventually(async () => (await other.ask("presence", { roomId: "tea" }))[0].users.length === 2, "both to be there");
});

describe("Redis with TLS and a password", needsTLS, () => {
  test("a certificate that nobody has signed is taken where that was chosen, and nowhere else", async (t) => {
    const redis = await Redis.start({ secure: true, password: "p@ss w%rd" });
    const cluster = await useCluster({ t, redis, ownsRedis: true, nodes: 2, env: { REDIS_TLS_VERIFY: "false" } });
    await whole(await Promise.all(cluster.nodes.map((node) => join(t, node))));
    const careful = await Server.start({ env: { ...cluster.env, REDIS_TLS_VERIFY: "true" }, started: "/healthz" });
    t.after(() => careful.stop());
    await eventually(() => /x509|certificate/i.test(careful.output), "the log to name the certificate");
    assert.equal((await ready(careful)).status, 503);
    for (const node of [...cluster.nodes, careful]) assert.ok(!/p@ss|p%40ss/.test(node.output), "the password is in no log");
  });

  test("a wrong password is said, and is in no log", async (t) => {
    const redis = await Redis.start({ password: "right" });
    t.after(() => redis.end());
    const env = { REDIS_URL: redis.url.replace("right", "wrong-word") };
    const node = await Server.start({ env, started: "/healthz" });
    t.after(() => node.stop());
    await eventually(() => /WRONGPASS|password|auth/i.test(node.output), "the log to name the password");
    assert.ok(!node.output.includes("wrong-word"));
  });
});

describe("what cannot be read", () => {
  const text = (s) => Buffer.from(s);
  const hex = (s) => Buffer.from(s.replaceAll(" ", ""), "hex");
  // emit("noise") to room "nobody", as Node's adapter writes it.
  const good = Buffer.concat([
    hex("93 a6 632d61627255 83 a4 74797065 02 a4 64617461 92 a5"), text("noise"), hex("cf0000018bcfe56800 a3 6e7370 a1 2f"),
    hex("83 a5 726f6f6d73 91 a6"), text("nobody"), hex("a6 657863657074 90 a5 666c616773 80"),
  ]);
  const broken = [
    hex("c1"), hex("80"), hex("90"), hex("91 c0"), hex("92 a1 61 80"), hex("93 01 02 03"), hex("93 c0 c0 c0"), hex("93 a1 61 80 80"), hex("94 a1 61 80 80 c0"),
    hex("dd ff ff ff ff"), hex("df ff ff ff ff"), hex("db ff ff ff ff 61"), hex("c6 ff ff ff ff 00"), hex("c9 ff ff ff ff 01"), hex("c7 0c ff 00"), hex("d4 7f 00"),
    Buffer.alloc(0), Buffer.alloc(100_000, 0x91), Buffer.alloc(100_000, 0x81), Buffer.concat([good, good]), Buffer.concat([good, hex("c1")]),
    text("{}"), text("null"), text("[1,2,3]"), text("{"), text('{"type":3}'), text("[".repeat(100_000)), text('{"a":'.repeat(50_000)), Buffer.alloc(3_000_000, 0xc0),
    ...upTo(good.length).map((n) => good.subarray(0, n)),
    // A packet that is none: data without a name, rooms that are no list, a flag of another type. Rooms that are null are no room,
    // which is everybody, as Node's adapter reads what emitters in other languages write.
    ...["90", "91 01", "91 c0", "c0", "91 80", "81 a1 61 01"].map((data) =>
      Buffer.concat([hex("93 a1 75 83 a4 74797065 02 a4 64617461"), hex(data), hex("a3 6e7370 a1 2f 83 a5 726f6f6d73 91 a6"), text("nobody"), hex("a6 657863657074 90 a5 666c616773 80")])),
    ...["01", "a6 6e6f626f6479", "91 91 01", "91 80", "80", "93 c3 cb 7ff8000000000000 c0"].map((rooms) =>
      Buffer.concat([hex("93 a1 75 83 a4 74797065 02 a4 64617461 91 a5"), text("noise"), hex("a3 6e7370 a1 2f 83 a5 726f6f6d73"), hex(rooms), hex("a6 657863657074 90 a5 666c616773 80")])),
    // What signalbox adds, as a number, a text, an empty map, a map with odd values.
    ...["01", "a1 78", "80", "81 a1 6b 01", "82 a1 6b a1 7a a1 63 c0"].map((sb) =>
      Buffer.concat([hex("93 a1 75 83 a4 74797065 02 a4 64617461 91 a5"), text("noise"), hex("a3 6e7370 a1 2f 84 a5 726f6f6d73 91 a6"), text("nobody"), hex("a6 657863657074 90 a5 666c616773 80 a2 7362"), hex(sb)])),
  ];
  const requests = [
    ...[-1, 0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 99, [5], null, 1.5].flatMap((type) => [
      { type }, { type, uid: 1 }, { type, uid: "x", requestId: "r" }, { type, uid: "x", requestId: 7, opts: null }, { type, requestId: "r", opts: { rooms: "x", except: 1 }, rooms: {} },
      { type, uid: "x", requestId: "r", data: null, packet: null, opts: { rooms: ["nobody"], except: [] } }, { type, uid: "x", requestId: "r".repeat(10_000), opts: { rooms: [[]], except: [{}] }, rooms: [[]] },
      { type, requestId: "r", sid: "x", room: "y", close: "z" },
    ]),
    // What would disconnect everybody is only sent in a form that is none.
    { type: 4 }, { type: 4, opts: { rooms: 1 } }, { type: 4, opts: "x", close: true }, { type: 4, sid: "nobody", close: true },
  ].map((value) => text(JSON.stringify(value)));

  /** Numbers that are the same in every run. */
  function random(seed) {
    let x = seed;
    return (below) => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return Math.floor((x / 2 ** 32) * below);
    };
  }
  const seeded = random(42);
  const mutants = upTo(1500).map(() => {
    const b = Buffer.from(good);
    for (const _ of upTo(1 + seeded(3))) b[seeded(b.length)] = seeded(256);
    return b;
  });

  for (const mode of ["classic", "sharded"]) {
    test(`is dropped and counted: ${mode}`, mode === "sharded" ? needsRealRedis : {}, async (t) => {
      const cluster = await useCluster({ t, nodes: 2, mode });
      const { nodes, redis } = cluster;
      const room = fresh("room");
      const people = await Promise.all([...nodes, ...nodes].map((node) => join(t, node)));
      for (const client of people.slice(0, 2)) await client.login("ann", room);
      for (const client of people.slice(0, 2)) await client.until(() => names(client).length === 2, "the complete list");
      await whole(people);
      const chat = await connect(t, nodes[0], websocket, { namespace: "/chat", auth: { token: tokenOf("1") } });
      await chat.ask("join_room", room);
      for (const client of [...people, chat]) client.log = [];
      const before = await Promise.all(nodes.map((node) => metric(node, "signalbox_cluster_dropped_total")));

      const client = await redis.connect();
      const listed = await redis.ask("PUBSUB", mode === "sharded" ? "SHARDCHANNELS" : "CHANNELS");
      const plain = mode === "sharded" ? await redis.ask("PUBSUB", "CHANNELS") : [];
      const rooms = ["/", "/chat"].flatMap((nsp) => [`socket.io#${nsp}#`, `socket.io#${nsp}#${room}#`, `socket.io#${nsp}#${people[0].userId}#`]);
      const all = new Set([...listed, ...(mode === "classic" ? rooms : [])]);
      assert.ok(all.size >= 6, [...all].join(" "));
      const send = (sharded, channel, payload) => (sharded ? client.sPublish(channel, payload) : client.publish(channel, payload));
      for (const [channels, sharded] of [[all, mode === "sharded"], [plain, false], [["user:1", "room:x", "update", "broadcast"], false]]) {
        for (const channel of channels) {
          await Promise.all([...broken, ...requests].map((payload) => send(sharded, channel, payload)));
        }
      }
      await whole(people);
      const quiet = [...people, chat].map((c) => c.names().filter((name) => !["whole", "ack whole"].includes(name)));
      assert.deepEqual(quiet, quiet.map(() => []), "nobody heard anything of it");
      // Some of these are good again, and may be for anybody.
      await Promise.all(mutants.map((payload) => send(mode === "sharded", "socket.io#/#", payload)));
      await whole(people);
      for (const [n, node] of nodes.entries()) {
        const dropped = (await metric(node, "signalbox_cluster_dropped_total")) - before[n];
        assert.ok(dropped > 100, `${dropped} dropped`);
        assert.ok((await metric(node, "go_memstats_heap_alloc_bytes")) < 300e6);
        const lines = node.logLines().filter((line) => ["WARN", "ERROR"].includes(line.level));
        assert.ok(lines.length < 50, `the log is no place for every one of them: ${lines.length} lines`);
      }
      assert.deepEqual(await chat.ask("message", { roomId: room, content: "still here" }), [{ ok: true }]);
      await chat.next("message");
    });
  }
});
