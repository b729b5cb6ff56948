// Tap, streams, tickets, /notification, publish channels and the API over three nodes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, fresh, newest } from "./support/clients.mjs";
import { Cluster, KEY, eventually, modes, pairs } from "./support/cluster.mjs";
import { StreamClient, TextClient, publish, ticketFor } from "./support/doors.mjs";
import { needsRealRedis } from "./support/redis.mjs";
import { request } from "./support/raw.mjs";
import { tokenOf } from "./support/tokens.mjs";

const websocket = newest[1];
const upTo = (count) => Array.from({ length: count }, (_, n) => n);

/** Calls the API of a node. */
async function api(node, path, body) {
  const res = await request(node, path, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", "X-API-Key": KEY },
    body: body && JSON.stringify(body),
  });
  assert.equal(res.status, 200, res.text);
  return JSON.parse(res.text);
}

for (const mode of modes) {
  describe(mode, mode !== "classic" ? needsRealRedis : {}, () => {
    let cluster, nodes;
    before(async () => {
      cluster = await Cluster.start({ nodes: 3, mode });
      nodes = cluster.nodes;
    });
    after(() => cluster?.stop());

    const chatOf = (t, node, user) => connect(t, node, websocket, { namespace: "/chat", auth: { token: tokenOf(user) } });
    const streamOf = (t, node, user, types) => StreamClient.open(t, node, `/events/user/${user}`, types, { token: tokenOf(user) });
    const brokerOf = async (t, node, user) => (await connect(t, node, websocket)).join(user);

    /** Opens /notification with a ticket of any node. */
    async function notificationOf(t, node, user, issuer = node) {
      const token = tokenOf(user);
      const client = await TextClient.open(t, node, `/notification?token=${await ticketFor(issuer, token)}`, { json: false });
      client.send({ type: "jwt", token });
      assert.deepEqual(await client.take(2), ["connection established", "authentication successfull"]);
      return client;
    }

    test("tap: frames and ends of any node come out on all, in order, byte for byte", async (t) => {
      const streams = await Promise.all(nodes.map((node) => StreamClient.events(t, node)));
      const taps = await Promise.all(nodes.map((node) => TextClient.open(t, node, "/tap")));
      const frames = nodes.map((_, from) => upTo(200).map((n) => `{"connectionId":"t${from}","n":${n},"x":1.50,"y":"\\u00e9"}`));
      for (const n of upTo(200)) taps.forEach((tap, from) => tap.send(frames[from][n]));
      for (const stream of streams) {
        const got = await stream.take(600, "600 messages");
        for (const from of upTo(3)) {
          assert.deepEqual(got.map((m) => m.data).filter((d) => d.includes(`"t${from}"`)), frames[from]);
        }
        assert.ok(got.every((m) => m.type === "message"));
      }
      for (const [from, tap] of taps.entries()) {
        if (from % 2) tap.ws.close();
        else tap.ws.terminate();
        for (const stream of streams) assert.equal((await stream.next()).data, `{"close":{"connectionId":"t${from}"}}`);
      }
    });

    test("a ticket of one node opens the doors of another", async (t) => {
      for (const [from, to] of pairs(nodes)) {
        const client = await notificationOf(t, to, "42", from);
        client.ws.terminate();
      }
    });

    test("/notification: to the same user's other connections on all nodes", async (t) => {
      const user = fresh();
      const [a, b, c] = await Promise.all(nodes.map((node) => notificationOf(t, node, user)));
      const other = await notificationOf(t, nodes[1], fresh());
      const [chat, stream] = [await chatOf(t, nodes[1], user), await streamOf(t, nodes[2], user, ["event"])];
      const text = '{"type":"event","data":{"x": 1}}';
      a.send(text);
      for (const client of [b, c]) assert.equal(await client.next(), text);
      assert.deepEqual(await chat.next("event"), [{ x: 1 }]);
      assert.deepEqual(JSON.parse((await stream.next()).data), { x: 1 });
      b.send('{"type":"event","data":{"fence":1}}');
      assert.match(await a.next(), /fence/, "the sender got nothing of its own");
      assert.deepEqual(other.inbox.rest, []);
    });

    describe("publish", () => {
      /** Everybody who hears a channel, spread over the nodes, as functions that resolve with what came next. */
      const listeners = {
        update: async (t) => (await Promise.all(nodes.map((node) => StreamClient.events(t, node)))).map((s) => async () => JSON.parse((await s.next()).data)),
        broadcast: async (t) => [
          await listen.chat(t, nodes[0], fresh()), await listen.notification(t, nodes[1], fresh()), await listen.stream(t, nodes[2], fresh()),
        ],
        user: async (t, user) => [
          await listen.chat(t, nodes[0], user), await listen.chat(t, nodes[1], user),
          await listen.notification(t, nodes[1], user), await listen.stream(t, nodes[2], user), await listen.stream(t, nodes[0], user),
        ],
        room: async (t, room) => {
          const chat = await chatOf(t, nodes[0], "1");
          await chat.ask("join_room", room);
          const ws = await TextClient.rooms(t, nodes[1]);
          await ws.enter(room);
          const stream = await StreamClient.open(t, nodes[2], `/events/room/${room}`, ["news"], { token: tokenOf("1") });
          return [
            async () => ({ type: "news", data: (await chat.next("news"))[0] }),
            () => ws.next(),
            async () => ({ type: "news", data: JSON.parse((await stream.next()).data) }),
          ];
        },
      };
      const listen = {
        chat: async (t, node, user) => {
          const client = await chatOf(t, node, user);
          return async () => ({ type: "news", data: (await client.next("news"))[0] });
        },
        notification: async (t, node, user) => {
          const client = await notificationOf(t, node, user);
          return async () => JSON.parse(await client.next());
        },
        stream: async (t, node, user) => {
          const client = await streamOf(t, node, user, ["news"]);
          return async () => ({ type: "news", data: JSON.parse((await client.next()).data) });
        },
      };

      for (const kind of ["update", "broadcast", "user", "room"]) {
        test(`on ${kind}, by the API of any node and by any program: each hears it once, in order`, async (t) => {
          const name = fresh(kind);
          const channel = kind === "user" || kind === "room" ? `${kind}:${name}` : kind;
          const all = await listeners[kind](t, name);
          const message = (n) => ({ type: "news", data: { n, list: ["ü", null, 1.5] } });
          for (const n of upTo(6)) {
            if (n % 2) {
              await cluster.redis.ask("PUBLISH", channel, JSON.stringify(message(n)));
            } else {
              const { status, body } = await publish(nodes[n / 2], KEY, channel, message(n));
              assert.deepEqual([status, body], [200, { ok: true, delivered: all.length }], JSON.stringify(body));
            }
            for (const next of all) assert.deepEqual(await next(), message(n));
          }
        });
      }

      test("what any program publishes need not be good", async (t) => {
        const user = fresh();
        const stream = await streamOf(t, nodes[0], user, ["news"]);
        const bad = ["", "{", "null", "7", "[]", "{}", '{"type":1}', '{"type":"","data":1}', '{"type":"connect","data":1}', '{"type":"a\\nb"}', "x".repeat(100_000), "\u0000"];
        for (const payload of bad) {
          for (const channel of [`user:${user}`, "user:", "room:", "broadcast"]) await cluster.redis.ask("PUBLISH", channel, payload);
        }
        await cluster.redis.ask("PUBLISH", `user:${user}`, '{"type":"news","data":"good"}');
        assert.equal((await stream.next()).data, '"good"', "nothing came before it");
      });

      test("200 in a row by one program arrive in order everywhere", async (t) => {
        const streams = await Promise.all(nodes.map((node) => StreamClient.events(t, node)));
        for (const n of upTo(200)) await cluster.redis.ask("PUBLISH", "update", JSON.stringify({ n }));
        for (const stream of streams) {
          assert.deepEqual((await stream.take(200)).map((r) => JSON.parse(r.data).n), upTo(200));
        }
      });
    });

    describe("the API of any node", () => {
      test("emit: to users, rooms and all but some, each once, counted", async (t) => {
        const [user, room] = [fresh(), fresh("room")];
        const people = [];
        for (const node of nodes) people.push(await brokerOf(t, node, user));
        const both = await brokerOf(t, nodes[1], fresh());
        await both.join(user);
        await both.login("both", room);
        const lodger = await connect(t, nodes[2], websocket);
        await lodger.login("lodger", room);
        let n = 0;
        for (const node of nodes) {
          for (const [body, want] of [
            [{ users: [user] }, [...people, both]],
            [{ users: [user], rooms: [room] }, [...people, both, lodger]],
            [{ rooms: [room], except: { users: [user] } }, [lodger]],
            [{ users: [user], except: { sockets: [people[0].id, both.id] } }, people.slice(1)],
            [{ users: [] }, []],
          ]) {
            const event = `said ${++n}`;
            assert.deepEqual(await api(node, "/api/emit", { ...body, event, args: [1.5, "ü"] }), { ok: true, delivered: want.length });
            for (const client of want) assert.deepEqual(await client.next(event), [1.5, "ü"]);
          }
          const { delivered } = await api(node, "/api/emit", { event: "to all", args: [] });
          assert.ok(delivered >= 5);
          for (const client of [...people, both, lodger]) await client.next("to all");
        }
        for (const client of [...people, both, lodger]) {
          const counts = client.names().filter((name) => name.startsWith("said"));
          assert.equal(new Set(counts).size, counts.length, "each once");
        }
      });

      test("emit with ack: the answers of all nodes, and how many are missing", async (t) => {
        const user = fresh();
        const people = [];
        for (const node of nodes) people.push(await brokerOf(t, node, user));
        people.forEach((client, n) => client.socket.on("question", (q, done) => done({ q, n }, "second")));
        people.forEach((client, n) => n && client.socket.on("some", (done) => done(Buffer.from([n]))));
        for (const node of nodes) {
          const { answers, ...rest } = await api(node, "/api/emit", { users: [user], event: "question", args: ["?"], ack: true });
          assert.deepEqual(rest, { ok: true, delivered: 3, missing: 0 });
          const byNumber = (a, b) => a.args[0].n - b.args[0].n;
          assert.deepEqual(answers.sort(byNumber), people.map((c, n) => ({ sid: c.id, args: [{ q: "?", n }, "second"] })));
        }
        const some = await api(nodes[0], "/api/emit", { users: [user], event: "some", ack: true, timeoutMs: 700 });
        assert.deepEqual([some.delivered, some.missing], [3, 1]);
        assert.deepEqual(some.answers.map((a) => a.attachments).sort(), [["AQ=="], ["Ag=="]]);
        assert.deepEqual(await api(nodes[1], "/api/emit", { users: [fresh()], event: "question", ack: true }), { ok: true, delivered: 0, answers: [], missing: 0 });
      });

      test("rooms and their members, each room once", async (t) => {
        const prefix = fresh("room");
        for (const [n, node] of nodes.entries()) {
          for (const room of [`${prefix}a`, `${prefix}${n}`]) {
            await (await connect(t, node, websocket)).login("ann", room);
            const chat = await chatOf(t, node, `${n}`);
            await chat.ask("join_room", room);
          }
        }
        const want = ["0", "1", "2", "a"].flatMap((end) => [
          { kind: "lobby", namespace: "/", room: prefix + end, members: end === "a" ? 3 : 1 },
          { kind: "room", namespace: "/chat", room: prefix + end, members: end === "a" ? 3 : 1 },
        ]);
        const order = (a, b) => (a.room + a.kind < b.room + b.kind ? -1 : 1);
        for (const node of nodes) {
          const { rooms, ...rest } = await api(node, `/api/rooms?prefix=${prefix}`);
          assert.deepEqual(rooms.sort(order), want);
          assert.deepEqual(rest, {});
          const paged = [];
          for (let next; ; ) {
            const page = await api(node, `/api/rooms?prefix=${prefix}&limit=3${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
            paged.push(...page.rooms);
            if (!(next = page.next)) break;
          }
          assert.deepEqual(paged.sort(order), want);
          const { users, nameless } = await api(node, `/api/rooms/${prefix}a/users`);
          assert.equal(nameless, 0);
          assert.deepEqual(users.map((u) => u.kind).sort(), ["lobby", "lobby", "lobby", "room", "room", "room"]);
        }
      });

      test("where a user is, and its end everywhere", async (t) => {
        const user = fresh();
        const broker = await brokerOf(t, nodes[0], user);
        const chat = await chatOf(t, nodes[1], user);
        await chat.ask("join_room", "tea");
        const note = await notificationOf(t, nodes[2], user);
        const stream = await streamOf(t, nodes[0], user, []);
        const witness = await brokerOf(t, nodes[2], fresh());
        const doors = ["broker", "chat", "events", "notification"];
        for (const node of nodes) {
          const { online, where } = await api(node, `/api/users/${user}`);
          assert.equal(online, true);
          assert.deepEqual(where.map((w) => w.door).sort(), doors);
          assert.deepEqual(where.find((w) => w.door === "chat").rooms, ["tea"]);
          assert.equal(where.find((w) => w.door === "broker").clientId, broker.id);
        }
        assert.deepEqual(await api(nodes[1], `/api/users/${fresh()}`).then(({ online, where }) => [online, where]), [false, []]);
        const ended = new Promise((resolve) => stream.source.addEventListener("error", resolve, { once: true }));
        assert.deepEqual(await api(nodes[2], `/api/users/${user}/disconnect`, { close: true }), { ok: true, disconnected: 4 });
        for (const client of [broker, chat]) assert.match(await client.gone(), /^(io server disconnect|transport close)$/);
        await note.end();
        await ended;
        stream.source.close();
        await eventually(async () => !(await api(nodes[1], `/api/users/${user}`)).online, "the user to be offline");
        assert.ok(witness.socket.connected);
      });
    });
  });
}
