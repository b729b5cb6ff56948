// Three nodes: broker and chat as on one, whichever node people are on.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, fresh, freshNumber, matrix, newest, plain } from "./support/clients.mjs";
import { Cluster, eventually, modes, pairs, useCluster } from "./support/cluster.mjs";
import { ODD } from "./support/odd.mjs";
import { RawPolling, RawSocket } from "./support/raw.mjs";
import { Redis, needsRealRedis } from "./support/redis.mjs";

const websocket = newest[1];
const upTo = (count) => Array.from({ length: count }, (_, n) => n);
const entered = (name) => [{ title: "Someone's here", description: `${name} just entered the room` }];
const left = (name) => [{ title: "Someone just left", description: `${name} just left the room` }];

for (const mode of modes) {
  describe(mode, mode !== "classic" ? needsRealRedis : {}, () => {
    let cluster, nodes;
    before(async () => {
      cluster = await Cluster.start({ nodes: 3, mode });
      nodes = cluster.nodes;
    });
    after(() => cluster?.stop());

    const join = async (t, node, id, row = websocket) => {
      const client = await (await connect(t, node, row)).join(id);
      client.userId = id;
      return client;
    };
    const enter = async (t, node, name, room, row = websocket) => {
      const client = await connect(t, node, row);
      client.user = await client.login(name, room);
      return client;
    };

    /** Proves that receivers have got all that sender caused so far, wherever they are. */
    async function fence(sender, ...receivers) {
      const mark = fresh("fence");
      for (const receiver of receivers) {
        sender.emit("fence", { recipientUserId: receiver.userId, mark });
        await receiver.next("fence", (data) => data.mark === mark);
        receiver.log = receiver.log.filter((e) => e[0] !== "fence");
      }
    }

    /** Waits until the last list a client was sent holds exactly these users, in this order. */
    async function lists(client, ...users) {
      const want = JSON.stringify(users);
      await client.until(() => JSON.stringify(client.got("users").at(-1)?.[0]) === want, `the list ${want}`);
    }

    describe("the broker", () => {
      test("from every node to every other one: text, dates, binary, with the count", async (t) => {
        for (const [from, to] of pairs(nodes)) {
          const [ann, bob] = [await join(t, from, fresh()), await join(t, to, fresh())];
          const data = {
            senderUserId: ann.userId, recipientUserId: bob.userId, at: new Date(1_700_000_000_123), big: 1e21, zero: -0.5,
            text: "ünïcödé \u2028 🎉 \"quoted\" \\", nested: { list: [1, [null, true, {}]] },
          };
          assert.deepEqual(await ann.ask("text", data), [{ ok: true, delivered: 1 }]);
          assert.deepEqual(await bob.next("text"), JSON.parse(JSON.stringify([data])));
          const binary = { recipientUserId: bob.userId, a: Buffer.from([0, 255]), list: [Buffer.alloc(0), { b: Buffer.alloc(100_000, 7) }] };
          assert.deepEqual(await ann.ask("binary", binary), [{ ok: true, delivered: 1 }]);
          assert.deepEqual((await bob.next("binary")).map(plain), [plain(binary)]);
        }
      });

      test("byte for byte, by websocket and polling", async (t) => {
        const id = fresh();
        const raw = await RawSocket.connect(t, nodes[0]);
        raw.send(`420["join",{"senderUserId":"${id}"}]`);
        assert.equal(await raw.next(), `430[{"ok":true}]`);
        const polling = await RawPolling.connect(nodes[1]);
        await polling.post(`420["join",{"senderUserId":"${id}"}]`);
        assert.deepEqual(await polling.poll(), [`430[{"ok":true}]`]);
        const sender = await RawSocket.connect(t, nodes[2]);
        for (const odd of ODD) {
          const data = odd.replace("%s", id);
          sender.send(`420["odd",${data},{"second":1.0}]`);
          assert.equal(await raw.next(), `42["odd",${data}]`);
          assert.deepEqual(await polling.poll(), [`42["odd",${data}]`]);
          assert.equal(await sender.next(), `430[{"ok":true,"delivered":2}]`);
        }
        const place = (num) => `{"_placeholder":true,"num":${num}}`;
        const bytes = [Buffer.from([0, 1, 254, 255]), Buffer.from("second"), Buffer.alloc(0)];
        const packet = `453-["b",{"recipientUserId":"${id}","a":${place(0)},"n":1.50,"list":[${place(1)},{"c":${place(2)}}]}]`;
        sender.send(packet, ...bytes);
        assert.equal(await raw.next(), packet);
        for (const want of bytes) assert.deepEqual(await raw.next(), want);
        assert.deepEqual(await polling.poll(), [packet, ...bytes.map((b) => `b${b.toString("base64")}`)]);
        await polling.leave();
      });

      test("delivered counts the sockets of all nodes, and 5 and \"5\" are one user", async (t) => {
        const id = freshNumber();
        const sockets = [];
        for (const [n, node] of nodes.entries()) {
          const sender = await connect(t, node, websocket);
          for (const _ of upTo(n + 1)) {
            sockets.push(await join(t, node, n % 2 ? id : String(id)));
            for (const other of [sender, ...sockets.slice(-1)]) {
              assert.deepEqual(await other.ask("count", { recipientUserId: id }), [{ ok: true, delivered: sockets.length }]);
            }
          }
        }
        const sender = await join(t, nodes[0], fresh());
        await fence(sender, ...sockets);
        assert.deepEqual(sockets.map((s) => s.got("count").length), [12, 10, 8, 6, 4, 2]);
        assert.deepEqual(await sender.ask("nobody", { recipientUserId: fresh() }), [{ ok: true, delivered: 0 }]);
        for (const socket of sockets) socket.socket.disconnect();
        await eventually(async () => (await sender.ask("gone", { recipientUserId: id }))[0].delivered === 0, "nobody to be there");
      });

      test("who has joined is reached at once, from anywhere", async (t) => {
        for (const n of upTo(30)) {
          const [from, to] = [nodes[n % 3], nodes[(n + 1) % 3]];
          const sender = await connect(t, from, websocket);
          const id = fresh();
          const receiver = await join(t, to, id);
          assert.deepEqual(await sender.ask("at once", { recipientUserId: id }), [{ ok: true, delivered: 1 }], `try ${n}`);
          await receiver.next("at once");
          receiver.socket.disconnect();
          sender.socket.disconnect();
        }
      });

      test("2,000 events each way between all nodes at once: in order, each once", async (t) => {
        const people = await Promise.all(nodes.map((node) => join(t, node, fresh())));
        const extra = await join(t, nodes[0], people[1].userId, newest[0]);
        const count = 2000;
        for (const n of upTo(count)) {
          for (const [from, to] of pairs(people)) {
            const data = { recipientUserId: to.userId, from: from.userId, n };
            from.emit("n", n % 9 ? data : { ...data, b: Buffer.from([n % 256]) });
          }
        }
        for (const client of [...people, extra]) {
          await client.until(() => client.got("n").length >= 2 * count, "all events");
        }
        for (const client of people) await fence(client, ...people, extra);
        for (const client of [...people, extra]) {
          for (const from of people.filter((p) => p.userId !== client.userId)) {
            const got = client.got("n").flatMap(([data]) => (data.from === from.userId ? [data.n] : []));
            assert.deepEqual(got, upTo(count));
          }
        }
      });

      test("clients of every kind, each on another node than the one before", async (t) => {
        const ids = matrix.map(() => fresh());
        const clients = [];
        for (const [n, row] of matrix.entries()) clients.push(await join(t, nodes[n % 3], ids[n], row));
        await Promise.all(
          clients.map(async (client, n) => {
            const to = (n + 1) % clients.length;
            const data = { recipientUserId: ids[to], n };
            assert.deepEqual(await client.ask("round", data), [{ ok: true, delivered: 1 }]);
            assert.deepEqual(await clients[to].next("round"), [data]);
          }),
        );
      });

      test("a node publishes once for all receivers, whether or not there are any elsewhere", { skip: mode === "streams" && "nothing is published" }, async (t) => {
        const [id, local] = [fresh(), fresh()];
        for (const n of upTo(6)) await join(t, nodes[n % 3], id);
        const sender = await join(t, nodes[0], local);
        await fence(sender, sender);
        const seen = await cluster.redis.record(mode === "sharded" ? "never" : "*");
        const sharded = () => cluster.redis.ask("INFO", "commandstats").then((text) => Number(/cmdstat_spublish:calls=(\d+)/.exec(text)?.[1] ?? 0));
        const before = mode === "sharded" ? await sharded() : 0;
        for (const n of upTo(50)) {
          sender.emit("wanted", { recipientUserId: id, n });
          sender.emit("local", { recipientUserId: local, n });
        }
        await sender.until(() => sender.got("local").length === 50, "what stays here");
        const last = await join(t, nodes[1], fresh());
        await fence(sender, last);
        if (mode === "sharded") {
          const published = (await sharded()) - before;
          assert.ok(published >= 100 && published < 140, `${published} messages`);
          return;
        }
        await eventually(() => seen.some(({ payload }) => payload.includes(last.userId)), "the last message");
        const count = (word) => seen.filter(({ payload }) => payload.includes(word)).length;
        assert.equal(count("local"), 50);
        assert.equal(count("wanted"), 50);
      });
    });

    describe("the chat", () => {
      test("one room over three nodes: lists, notifications, messages, logout", async (t) => {
        const room = fresh("room");
        const ann = await enter(t, nodes[0], "ann", room);
        const bob = await enter(t, nodes[1], "bob", room);
        const cat = await enter(t, nodes[2], "cat", room);
        for (const client of [ann, bob, cat]) await lists(client, ann.user, bob.user, cat.user);
        const at = cat.names().indexOf("ack login");
        assert.ok(cat.log.slice(0, at).some(([e, list]) => e === "users" && list.length === 3), "complete before the callback");
        for (const name of ["bob", "cat"]) await ann.next("notification", (n) => n.description === entered(name)[0].description);
        await bob.next("notification");
        assert.deepEqual([ann, bob, cat].map((c) => c.got("notification")), [[entered("bob"), entered("cat")], [entered("cat")], []]);

        for (const [from, name] of [[ann, "ann"], [bob, "bob"], [cat, "cat"]]) {
          for (const message of ["hi", { a: [1.5, null] }, Buffer.from([1, 255])]) {
            from.emit("roomMessage", message);
            for (const client of [ann, bob, cat]) {
              assert.deepEqual((await client.next("roomMessage")).map(plain), [plain({ message, from: name })]);
            }
          }
        }
        assert.deepEqual(await bob.ask("logout"), []);
        for (const client of [ann, cat]) {
          await client.next("notification", (n) => n.description === left("bob")[0].description);
          await lists(client, ann.user, cat.user);
        }
        bob.user = await bob.login("bob2", room);
        for (const client of [ann, bob, cat]) await lists(client, ann.user, cat.user, bob.user);
        cat.socket.disconnect();
        for (const client of [ann, bob]) {
          await client.next("notification", (n) => n.description === left("cat")[0].description);
          await lists(client, ann.user, bob.user);
          assert.equal(client.got("notification").filter(([n]) => n.description === left("cat")[0].description).length, 1);
        }
      });

      test("30 people log in at once, on all nodes: everyone ends with the same, complete list", async (t) => {
        const room = fresh("room");
        const people = await Promise.all(upTo(30).map((n) => connect(t, nodes[n % 3], websocket)));
        const users = await Promise.all(people.map((client, n) => client.login(`p${n}`, room)));
        const final = (client) => client.got("users").at(-1)?.[0] ?? [];
        for (const client of people) await client.until(() => final(client).length === 30, "the complete list");
        for (const client of people) assert.deepEqual(final(client), final(people[0]));
        assert.deepEqual(final(people[0]).map((u) => u.id).sort(), users.map((u) => u.id).sort());
        const [stays, ...go] = people;
        for (const client of go) client.socket.disconnect();
        await lists(stays, users[0]);
        await stays.until(() => stays.got("notification").filter(([n]) => n.title === "Someone just left").length === 29, "29 notices");
      });

      test("500 messages of each of three people arrive in order at all", async (t) => {
        const room = fresh("room");
        const people = [];
        for (const [n, node] of nodes.entries()) people.push(await enter(t, node, `p${n}`, room));
        for (const n of upTo(500)) for (const client of people) client.emit("roomMessage", n);
        for (const client of people) {
          await client.until(() => client.got("roomMessage").length >= 1500, "1,500 messages");
          for (const name of ["p0", "p1", "p2"]) {
            assert.deepEqual(client.got("roomMessage").flatMap(([m]) => (m.from === name ? [m.message] : [])), upTo(500));
          }
        }
      });

      test("broker user 42 and chat room 42 are different addresses on all nodes", async (t) => {
        const number = freshNumber();
        const [user, chatter, sender] = [await join(t, nodes[0], number), await enter(t, nodes[1], "ann", String(number)), await join(t, nodes[2], fresh())];
        assert.deepEqual(await sender.ask("addressed", { recipientUserId: number }), [{ ok: true, delivered: 1 }]);
        await user.next("addressed");
        await sender.login("bob", String(number));
        sender.emit("roomMessage", "to the room");
        await chatter.next("roomMessage");
        await fence(sender, user);
        assert.ok(!chatter.names().includes("addressed"));
        assert.deepEqual(user.names(), ["addressed"]);
        for (const recipientUserId of [chatter.id, `lobby:${number}`, `user:${number}`]) {
          assert.deepEqual(await sender.ask("stray", { recipientUserId }), [{ ok: true, delivered: 0 }], recipientUserId);
        }
      });
    });
  });
}

test("clusters with other prefixes on the same redis hear nothing of each other", async (t) => {
  const redis = await Redis.start();
  const one = await Cluster.start({ nodes: 2, redis });
  t.after(() => one.stop());
  const two = await useCluster({ t, nodes: 2, redis, ownsRedis: true, env: { REDIS_PREFIX: "another app" } });
  const [id, room] = [fresh(), fresh("room")];
  const people = [];
  for (const node of [...one.nodes, ...two.nodes]) people.push(await (await connect(t, node, websocket)).join(id));
  for (const [n, from] of people.entries()) {
    assert.deepEqual(await from.ask("hello", { recipientUserId: id, n }), [{ ok: true, delivered: 2 }]);
  }
  for (const [n, client] of people.entries()) {
    const own = n < 2 ? [0, 1] : [2, 3];
    for (const from of own) await client.next("hello", (data) => data.n === from);
    await client.login("ann", room);
    assert.deepEqual(client.got("hello").map(([data]) => data.n).sort(), own);
    assert.equal(client.got("users").at(-1)[0].length, (n % 2) + 1);
  }
});
