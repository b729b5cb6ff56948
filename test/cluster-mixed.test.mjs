// signalbox nodes and Node servers in one cluster: what each side says is heard on the other one.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { onReference } from "./support/build.mjs";
import { connect, fresh, freshNumber, msgpack, newest, plain } from "./support/clients.mjs";
import { Cluster, KEY, eventually, modes, useCluster } from "./support/cluster.mjs";
import { StreamClient, TextClient, publish } from "./support/doors.mjs";
import { needsRealRedis } from "./support/redis.mjs";
import { request } from "./support/raw.mjs";
import { tokenOf } from "./support/tokens.mjs";

const websocket = newest[1];
const needsSignalbox = { skip: onReference && "Node servers have no such thing" };
const upTo = (count) => Array.from({ length: count }, (_, n) => n);

/** Calls the API of a node for an emit. */
const emit = (node, body) => api(node, "/api/emit", body);

async function api(node, path, body) {
  const res = await request(node, path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-API-Key": KEY },
    body: JSON.stringify(body),
  });
  assert.equal(res.status, 200, res.text);
  return JSON.parse(res.text);
}

for (const mode of modes) {
  describe(mode, mode !== "classic" ? needsRealRedis : {}, () => {
    let cluster, here, there, node;

    before(async () => {
      cluster = await Cluster.start({ nodes: 2, servers: 1, mode });
      [here, there] = cluster.nodes;
      [node] = cluster.servers;
    });
    after(() => cluster?.stop());

    /** Connects somebody to "/" as a broker user. The original broker has no callback: what is sent to oneself comes back. */
    async function user(t, server, id = fresh()) {
      const client = await connect(t, server, websocket);
      client.userId = id;
      client.emit("join", { senderUserId: id, recipientUserId: -1 });
      await echo(client, id);
      await server.subscribed?.();
      return client;
    }

    async function echo(client, id) {
      const mark = fresh();
      client.emit("echo", { recipientUserId: id, mark });
      await client.next("echo", (data) => data.mark === mark);
      client.log = client.log.filter((e) => e[0] !== "echo");
    }

    /** Connects somebody to "/" who logs in to a room of the chat. */
    async function chatter(t, server, room, name = fresh(), row = websocket) {
      const client = await connect(t, server, row);
      await client.login(name, room);
      await server.subscribed?.();
      client.name = name;
      return client;
    }

    /** Connects somebody to "/chat" who joins a room. */
    async function member(t, server, room, id = fresh()) {
      const client = await connect(t, server, websocket, { namespace: "/chat", auth: { token: tokenOf(id) } });
      client.userId = id;
      if (room) {
        client.emit("join_room", room);
        await client.next("room_history");
      }
      await server.subscribed?.();
      return client;
    }

    /** Proves that these clients of a namespace have got all that the Node server, or the emitter in it, has said so far. */
    async function settled(clients, namespace = "/", by = "io") {
      const mark = fresh("mark");
      const ids = clients.map((client) => client.id);
      await node.run((here, by, namespace, ids, mark) => {
        for (const id of ids) here[by].of(namespace).to(id).emit("mark", mark);
      }, by, namespace, ids, mark);
      for (const client of clients) {
        await client.next("mark", (m) => m === mark);
        client.log = client.log.filter((e) => e[0] !== "mark");
      }
    }

    /**
     * Waits until sockets elsewhere are members of a room of "/" and hear what is sent to it: servers listen to a room from its
     * first member on.
     */
    async function members(room, ...clients) {
      const want = clients.map((client) => client.id).sort();
      const there = () => node.run(async ({ io }, room) => (await io.in(room).fetchSockets()).map((socket) => socket.id), room);
      await eventually(async () => isDeepStrictEqual((await there()).sort(), want), `the members of ${room}`);
      for (const client of clients) {
        const heard = async () => {
          await node.run(({ io }, room) => io.to(room).emit("probe"), room);
          return client.got("probe").length > 0;
        };
        await eventually(heard, `a client to hear ${room}`);
      }
    }

    /** Checks who of several got an event, each of them once. */
    async function heardBy(event, all, want, namespace, by) {
      await settled(all, namespace, by);
      const count = (client) => client.got(event).length;
      assert.deepEqual(all.map(count), all.map((client) => (want.includes(client) ? 1 : 0)), event);
    }

    describe("what a Node server emits", () => {
      test("reaches those whom it is for, once", async (t) => {
        const room = fresh("room");
        const [ann, bob, cat] = [await user(t, here), await user(t, there), await user(t, node)];
        const [dan, eve] = [await chatter(t, here, room), await chatter(t, there, room)];
        const all = [ann, bob, cat, dan, eve];
        for (const client of all) await settled([client]);
        const run = (fn) => node.run(fn, { ann: ann.userId, bob: bob.userId, cat: cat.userId, room, ids: all.map((c) => c.id) });

        await run(({ io }) => io.emit("everybody", 1));
        await heardBy("everybody", all, all);
        await run(({ io }, { ann }) => io.to(ann).emit("one room", 1));
        await heardBy("one room", all, [ann]);
        await run(({ io }, { room }) => io.to(room).emit("chat room", 1));
        await heardBy("chat room", all, [dan, eve]);
        await run(({ io }, { ann, bob, cat, room }) => io.to([ann, bob]).in(cat).to(room).emit("rooms", 1));
        await heardBy("rooms", all, all);
        await run(({ io }, { ann, room, ids }) => io.to([ann, ids[0], room, ids[3]]).emit("in several of them", 1));
        await heardBy("in several of them", all, [ann, dan, eve]);
        await run(({ io }, { room, ids }) => io.to(room).except(ids[3]).emit("but one", 1));
        await heardBy("but one", all, [eve]);
        await run(({ io }, { ann, room }) => io.except([ann, room]).emit("everybody but", 1));
        await heardBy("everybody but", all, [bob, cat]);
        await run(({ io }, { ids }) => io.to(ids[1]).emit("a socket", 1));
        await heardBy("a socket", all, [bob]);
        await run(({ io }, { ids }) => io.sockets.sockets.get(ids[2]).broadcast.emit("broadcast", 1));
        await heardBy("broadcast", all, [ann, bob, dan, eve]);
        await run(({ io }, { ids, bob }) => io.sockets.sockets.get(ids[2]).to(bob).emit("by a socket", 1));
        await heardBy("by a socket", all, [bob]);
        await run(({ io }) => io.volatile.emit("volatile", 1));
        await heardBy("volatile", all, all);
        await run(({ io }) => io.compress(false).timeout(1000).emit("flags", 1));
        await heardBy("flags", all, all);
        await run(({ io }) => io.local.emit("local", 1));
        await heardBy("local", all, [cat]);
        await run(({ io }) => io.to("nobody at all").emit("nobody", 1));
        await heardBy("nobody", all, []);
        await run(({ io }) => io.of("/chat").emit("elsewhere", 1));
        await heardBy("elsewhere", all, []);
      });

      test("reaches rooms whose names are numbers, and rooms with a # in their names", async (t) => {
        const [number, odd] = [freshNumber(), `#${fresh()}#a#`];
        const clients = [await user(t, here, number), await user(t, there, number)];
        const strange = await user(t, here, odd);
        await node.run(({ io }, number, odd) => {
          io.to(String(number)).emit("by text", 1);
          io.to(number).emit("by number", 1);
          io.to([number, "x"]).emit("by numbers", 1);
          io.to(odd).emit("odd", 1);
        }, number, odd);
        // Among Node servers a number and its text are two rooms.
        for (const event of onReference ? ["by text"] : ["by text", "by number", "by numbers"]) await heardBy(event, [...clients, strange], clients);
        await heardBy("odd", [...clients, strange], [strange]);
      });

      test("reaches /chat: all of it, a room, a user, a socket", async (t) => {
        const room = fresh("room");
        const [ann, bob, cat] = [await member(t, here, room), await member(t, there), await member(t, node, room)];
        const all = [ann, bob, cat];
        for (const client of all) await settled([client], "/chat");
        const run = (fn) => node.run(fn, { room, bob: bob.userId, id: ann.id });
        await run(({ io }) => io.of("/chat").emit("everybody", 1));
        await heardBy("everybody", all, all, "/chat");
        await run(({ io }, { room }) => io.of("/chat").to(room).emit("room", 1));
        await heardBy("room", all, [ann, cat], "/chat");
        await run(({ io }, { bob }) => io.of("/chat").to(`user:${bob}`).emit("user", 1));
        await heardBy("user", all, [bob], "/chat");
        await run(({ io }, { room, id }) => io.of("/chat").to(room).except(id).emit("but one", 1));
        await heardBy("but one", all, [cat], "/chat");
      });

      test("arrives as it does at a client of its own", async (t) => {
        const room = fresh("room");
        const clients = [await chatter(t, node, room), await chatter(t, here, room), await chatter(t, there, room)];
        if (!onReference) clients.push(await chatter(t, there, room, undefined, msgpack));
        const values = [
          "", "text", "ünïcödé \u2028 🎉 \u0000", "x".repeat(31), "x".repeat(32), "x".repeat(255), "x".repeat(256), "ü".repeat(40_000),
          0, 1, -1, 127, 128, -32, -33, -128, -129, 255, 256, 65_535, 65_536, -32_768, -32_769, 2 ** 31, 2 ** 32, -(2 ** 31) - 1,
          2 ** 53, -(2 ** 53), 1.5, -0.1, 1e-7, 5e-324, NaN, Infinity, true, false, null, undefined,
          [], {}, [1, [2, [undefined]]], { a: { b: [{ c: null }] }, "ü ": 1, "": 2 }, upTo(20), Object.fromEntries(upTo(20).map((n) => [`k${n}`, n])),
          { gone: undefined, stays: 1 }, new Date(0), new Date(1_700_000_000_123), new Date(-1), new Date(1e14), { at: [new Date(5)] },
          Buffer.alloc(0), Buffer.from([0, 1, 255]), new Uint8Array([1, 2]), { iv: Buffer.from("iv"), list: [Buffer.from("a"), { b: Buffer.alloc(70_000, 7) }] },
          upTo(10).map((n) => Buffer.from([n])), [{ _placeholder: false }],
        ];
        await node.run(({ io }, room, values) => {
          for (const [n, value] of values.entries()) io.to(room).emit("value", n, value);
          io.to(room).emit("value", "several", ...values.slice(0, 12), Buffer.from("b"), values.slice(8, 30));
          io.to(room).emit("value");
        }, room, values);
        for (const client of clients) await client.until(() => client.got("value").length === values.length + 2, "all values");
        const want = clients[0].got("value").map(plain);
        for (const client of clients.slice(1)) {
          for (const [n, got] of client.got("value").entries()) assert.deepEqual(plain(got), want[n], `value ${n}`);
        }
      });

      test("arrives complete and in order, 2,000 times, whatever it is", async (t) => {
        const room = fresh("room");
        const clients = [await chatter(t, here, room), await chatter(t, there, room), await chatter(t, node, room)];
        await node.run(({ io }, room, id) => {
          for (let n = 0; n < 2000; n++) {
            if (n % 5 === 0) io.emit("n", n);
            else if (n % 5 === 1) io.to([room, "x"]).emit("n", n, Buffer.from("binary"));
            else io.to(room).emit("n", n, { text: "x".repeat(n % 300) });
          }
        }, room);
        for (const client of clients) {
          await client.until(() => client.got("n").length >= 2000, "2,000 events");
          await settled([client]);
          assert.deepEqual(client.got("n").map(([n]) => n), upTo(2000));
        }
      });
    });

    test("what Node sends to one user or socket, nobody hears who has chosen a room of that name", needsSignalbox, async (t) => {
      const [cat, guest] = [await member(t, node), await member(t, here)];
      assert.deepEqual(await guest.ask("join_room", `user:${cat.userId}`), [{ ok: false, error: "Access denied" }]);
      assert.deepEqual(await guest.ask("join_room", cat.id), [{ ok: true }]);
      await node.run(({ io }, { userId, id }) => {
        io.of("/chat").to(`user:${userId}`).emit("secret", 1);
        io.of("/chat").to(id).emit("secret", 2);
      }, { userId: cat.userId, id: cat.id });
      for (const n of [1, 2]) assert.deepEqual(await cat.next("secret"), [n]);
      await guest.ask("message", { roomId: cat.id, content: "forged" });
      await guest.next("message");
      await settled([cat, guest], "/chat");
      assert.deepEqual([cat, guest].map((client) => client.got("secret").length), [2, 0]);
      assert.deepEqual(cat.got("message"), [], "what is said in a room that is called like a socket");
    });

    describe("what a Node server asks", () => {
      test("how many servers there are", async () => {
        for (const namespace of ["/", "/chat"]) {
          assert.equal(await node.run(({ io }, namespace) => io.of(namespace).adapter.serverCount(), namespace), 3, namespace);
        }
      });

      test("fetchSockets: everybody, by room, without a room", async (t) => {
        const room = fresh("room");
        const [ann, bob, cat] = [await user(t, here), await chatter(t, there, room), await user(t, node)];
        const fetch = (namespace, rooms, except) =>
          node.run(async ({ io }, namespace, rooms, except) => {
            const sockets = await io.of(namespace).in(rooms).except(except).fetchSockets();
            return sockets.map((s) => ({ id: s.id, rooms: [...s.rooms], handshake: s.handshake, data: s.data }));
          }, namespace, rooms, except);
        const ids = (sockets) => sockets.map((s) => s.id).sort();

        const sockets = await fetch("/", [], []);
        for (const client of [ann, bob, cat]) {
          const [socket, ...more] = sockets.filter((s) => s.id === client.id);
          assert.ok(socket, "is there");
          assert.deepEqual(more, [], "once");
          assert.deepEqual([...socket.rooms].sort(), [client.id, client === bob ? room : client.userId].sort());
          for (const part of ["headers", "query", "auth"]) assert.equal(typeof socket.handshake[part], "object", part);
          assert.ok(socket.handshake.headers && socket.handshake.query && socket.handshake.auth);
          assert.equal(typeof socket.handshake.time, "string");
          assert.equal(typeof socket.handshake.issued, "number");
          assert.match(socket.handshake.url, /^\/socket\.io\//);
          assert.equal(typeof socket.data, "object");
        }
        assert.deepEqual(ids(await fetch("/", [ann.userId, room], [])), [ann.id, bob.id].sort());
        assert.deepEqual(ids(await fetch("/", [ann.userId, room], [room])), [ann.id]);
        assert.deepEqual(ids(await fetch("/", [bob.id], [])), [bob.id]);
        assert.deepEqual(await fetch("/", ["nobody at all"], []), []);

        const dan = await member(t, here, undefined, "dan");
        const [socket] = await fetch("/chat", ["user:dan"], []);
        assert.deepEqual([socket.id, socket.rooms.sort()], [dan.id, [dan.id, "user:dan"].sort()]);
      });

      test("allRooms", { skip: mode !== "classic" && "only the classic adapter has such a thing" }, async (t) => {
        const [room, other] = [fresh("room"), fresh("room")];
        const [ann, bob] = [await user(t, here), await chatter(t, there, room)];
        const dan = await member(t, here, other);
        const rooms = (namespace) => node.run(async ({ io }, namespace) => [...(await io.of(namespace).adapter.allRooms())], namespace);
        const got = await rooms("/");
        for (const name of [ann.id, ann.userId, bob.id, room]) assert.ok(got.includes(name), name);
        assert.equal(new Set(got).size, got.length);
        const chat = await rooms("/chat");
        for (const name of [dan.id, `user:${dan.userId}`, other]) assert.ok(chat.includes(name), name);
        assert.ok(!chat.includes(room));
      });

      test("an answer of each client: emitWithAck", async (t) => {
        const room = fresh("room");
        const clients = [await chatter(t, here, room), await chatter(t, there, room), await chatter(t, node, room)];
        clients.forEach((client, n) => {
          client.socket.on("question", (q, done) => done({ q, n }, "a second one"));
          client.socket.on("binary", (q, done) => done(Buffer.from([n, ...q])));
          client.socket.on("nothing", (q, done) => done());
          if (n) client.socket.on("some", (q, done) => done(n));
        });
        const ask = (event, value, timeout = 5000) =>
          node.run(async ({ io }, room, event, value, timeout) => {
            try {
              return { answers: await io.timeout(timeout).to(room).emitWithAck(event, value) };
            } catch (err) {
              return { error: err.message, answers: err.responses };
            }
          }, room, event, value, timeout);
        const sorted = (list, by) => [...list].sort((a, b) => by(a) - by(b));

        const { answers } = await ask("question", { deep: ["ü", 1.5] });
        assert.deepEqual(sorted(answers, (a) => a.n), upTo(3).map((n) => ({ q: { deep: ["ü", 1.5] }, n })));
        const binary = (await ask("binary", Buffer.from([7]))).answers;
        assert.deepEqual(sorted(binary.map(plain), (a) => a.bytes), upTo(3).map((n) => ({ bytes: `0${n}07` })));
        assert.equal((await ask("nothing", 1)).answers.length, 3);
        const some = await ask("some", 1, 700);
        assert.match(some.error, /timed out/);
        assert.deepEqual([...some.answers].sort(), [1, 2]);
        assert.deepEqual(await node.run(({ io }) => io.timeout(3000).to("nobody at all").emitWithAck("question", 1)), []);
      });

      test("an answer of one socket", async (t) => {
        const [ann, bob] = [await user(t, here), await user(t, there)];
        for (const client of [ann, bob]) client.socket.on("question", (q, done) => done(`${client.userId} ${q}`));
        const ask = (room) =>
          node.run(async ({ io }, room) => {
            const [socket] = await io.in(room).fetchSockets();
            return socket.timeout(5000).emitWithAck("question", "who?");
          }, room);
        assert.equal(await ask(ann.userId), `${ann.userId} who?`);
        assert.equal(await ask(bob.id), `${bob.userId} who?`);
      });

      test("something of the other servers: serverSideEmit does no harm", async (t) => {
        const ann = await user(t, here);
        await node.run(({ io }) => {
          io.serverSideEmit("told", 1, { a: [null] });
          io.of("/chat").serverSideEmit("told", "x");
          io.serverSideEmit("nobody listens to this", Buffer.from("x"));
        });
        await settled([ann]);
      });
    });

    describe("what a Node server does to sockets", () => {
      test("socketsJoin and socketsLeave", async (t) => {
        const extra = fresh("extra");
        const [ann, bob, cat] = [await user(t, here), await user(t, there), await user(t, node)];
        const all = [ann, bob, cat];
        await node.run(({ io }, ann, bob, extra) => io.in([ann, bob]).socketsJoin([extra, "another"]), ann.userId, bob.id, extra);
        await members(extra, ann, bob);
        await node.run(({ io }, extra) => io.to(extra).emit("joined", 1), extra);
        await heardBy("joined", all, [ann, bob]);
        await node.run(({ io }, extra, ann) => io.in(extra).except(ann).socketsLeave(extra), extra, ann.userId);
        await members(extra, ann);
        await node.run(({ io }, extra) => io.to(extra).emit("left", 1), extra);
        await heardBy("left", all, [ann]);
        await node.run(({ io }, extra) => io.socketsLeave(extra), extra);
        await members(extra);
        await node.run(({ io }, extra) => io.to(extra).emit("gone", 1), extra);
        await heardBy("gone", all, []);
      });

      test("disconnectSockets", async (t) => {
        const room = fresh("room");
        const [ann, bob, witness] = [await user(t, here), await chatter(t, there, room), await chatter(t, here, room)];
        const chat = await connect(t, here, websocket, { namespace: "/chat", auth: { token: tokenOf("1") } });
        await node.run(({ io }, id) => io.in(id).disconnectSockets(), ann.userId);
        assert.equal(await ann.gone(), "io server disconnect");
        await node.run(({ io }, id) => io.in(id).disconnectSockets(true), bob.id);
        assert.match(await bob.gone(), /^(io server disconnect|transport close)$/);
        const [notice] = await witness.next("notification", (n) => n.title === "Someone just left");
        assert.equal(notice.description, `${bob.name} just left the room`);
        assert.ok(witness.socket.connected && chat.socket.connected);
        await node.run(({ io }) => io.of("/chat").in("user:1").disconnectSockets());
        assert.equal(await chat.gone(), "io server disconnect");
      });

      test("by a remote socket", async (t) => {
        const ann = await user(t, here);
        const run = (fn) => node.run(fn, ann.id);
        await run(async ({ io }, id) => {
          const [socket] = await io.in(id).fetchSockets();
          socket.join("by remote");
          socket.emit("hello", 1);
        });
        await ann.next("hello");
        await members("by remote", ann);
        await run(({ io }) => io.to("by remote").emit("in the room", 1));
        await ann.next("in the room");
        await run(async ({ io }, id) => {
          const [socket] = await io.in(id).fetchSockets();
          socket.disconnect(true);
        });
        assert.match(await ann.gone(), /^(io server disconnect|transport close)$/);
      });
    });

    describe("the emitter of any process", { skip: mode === "sharded" && "it speaks to the classic adapter only" }, () => {
      test("reaches everybody, rooms, all but some, /chat", async (t) => {
        const room = fresh("room");
        const [ann, bob, cat] = [await user(t, here), await chatter(t, there, room), await user(t, node)];
        const all = [ann, bob, cat];
        const chat = [await member(t, here, room), await member(t, there), await member(t, node, room)];
        const run = (fn) => node.run(fn, { ann: ann.userId, room, id: bob.id, user: chat[1].userId });
        const heard = (event, all, want, namespace = "/") => heardBy(event, all, want, namespace, "emitter");
        await run(({ emitter }) => emitter.emit("everybody", 1));
        await heard("everybody", all, all);
        await run(({ emitter }, { ann, room }) => emitter.to(ann).to(room).emit("rooms", 1));
        await heard("rooms", all, [ann, bob]);
        await run(({ emitter }, { ann }) => emitter.except(ann).emit("but", 1));
        await heard("but", all, [bob, cat]);
        await run(({ emitter }, { id }) => emitter.to(id).volatile.emit("socket", 1));
        await heard("socket", all, [bob]);
        await run(({ emitter }, { room }) => emitter.of("/chat").to(room).emit("room", 1));
        await heard("room", chat, [chat[0], chat[2]], "/chat");
        await run(({ emitter }, { user }) => emitter.of("chat").to(`user:${user}`).emit("user", 1));
        await heard("user", chat, [chat[1]], "/chat");
        await run(({ emitter }, { ann }) => emitter.to(ann).emit("binary", { b: Buffer.from([1, 255]), at: new Date(0) }));
        assert.deepEqual((await ann.next("binary")).map(plain), [{ b: { bytes: "01ff" }, at: "1970-01-01T00:00:00.000Z" }]);
      });

      test("joins, leaves and disconnects", async (t) => {
        const [ann, bob] = [await user(t, here), await user(t, there)];
        const run = (fn) => node.run(fn, { ann: ann.userId, bob: bob.userId });
        await run(({ emitter }, { ann, bob }) => {
          emitter.in([ann, bob]).socketsJoin("by emitter");
          emitter.in(bob).socketsLeave(["by emitter", "x"]);
          emitter.serverSideEmit("told", 1);
        });
        await members("by emitter", ann);
        await run(({ emitter }) => emitter.to("by emitter").emit("in the room", 1));
        await heardBy("in the room", [ann, bob], [ann], "/", "emitter");
        await run(({ emitter }, { ann }) => emitter.in(ann).disconnectSockets(true));
        assert.match(await ann.gone(), /^(io server disconnect|transport close)$/);
        assert.ok(bob.socket.connected);
      });
    });

    describe("people on both sides", () => {
      test("broker: events to each other, any JSON and binary", async (t) => {
        const [ann, cat] = [await user(t, here), await user(t, node)];
        const values = {
          nested: { list: [1, -2.5, "three", null, true, { deep: [] }], empty: {} },
          text: "ünïcödé \u2028 🎉 \"quoted\" \\ </script>", big: 2 ** 53, small: 5e-324,
          bytes: Buffer.from([0, 255]), more: [Buffer.alloc(0), { b: Buffer.alloc(70_000, 1) }], long: "x".repeat(100_000),
        };
        for (const [from, to] of [[ann, cat], [cat, ann]]) {
          for (const [what, value] of Object.entries(values)) {
            const data = { senderUserId: from.userId, recipientUserId: to.userId, what, value };
            from.emit("value", data);
            assert.deepEqual((await to.next("value")).map(plain), [plain(data)], what);
          }
        }
        for (const id of [5_000_000_001, `${fresh()} #`]) {
          const [one, two] = [await user(t, there, id), await user(t, node, id)];
          ann.emit("both", { recipientUserId: id });
          for (const client of [one, two]) assert.deepEqual(await client.next("both"), [{ recipientUserId: id }]);
        }
      });

      test("broker: numbers that Node's encoder writes wrongly arrive from signalbox", needsSignalbox, async (t) => {
        const [ann, cat] = [await user(t, here), await user(t, node)];
        for (const value of [1e21, -1e21, 1.7976931348623157e308, 2 ** 63, 2 ** 64, -(2 ** 63), -(2 ** 64)]) {
          ann.emit("value", { recipientUserId: cat.userId, value });
          assert.deepEqual(await cat.next("value"), [{ recipientUserId: cat.userId, value }]);
        }
      });

      test("broker: callbacks say ok, and nobody is asked for a number that is not known", needsSignalbox, async (t) => {
        const [ann, bob, cat] = [await user(t, here), await user(t, there), await user(t, node)];
        assert.deepEqual(await ann.ask("hello", { recipientUserId: bob.userId }), [{ ok: true, delivered: 1 }]);
        const [answer] = await ann.ask("hello", { recipientUserId: cat.userId });
        assert.equal(answer.ok, true);
        await cat.next("hello");
      });

      test("broker: 2,000 events in order, in both directions at once", async (t) => {
        const [ann, cat] = [await user(t, here), await user(t, node)];
        for (const n of upTo(2000)) {
          const b = n % 7 === 0 ? { b: Buffer.from([n % 256]) } : {};
          ann.emit("n", { recipientUserId: cat.userId, n, ...b });
          cat.emit("n", { recipientUserId: ann.userId, n, ...b });
        }
        for (const client of [ann, cat]) {
          await client.until(() => client.got("n").length >= 2000, "2,000 events");
          await settled([client]);
          assert.deepEqual(client.got("n").map(([data]) => data.n), upTo(2000));
        }
      });

      test("chat: messages and notifications", async (t) => {
        const room = fresh("room");
        const [ann, bob, cat] = [await chatter(t, here, room, "ann"), await chatter(t, there, room, "bob"), await chatter(t, node, room, "cat")];
        const entered = (name) => (n) => n.title === "Someone's here" && n.description === `${name} just entered the room`;
        await ann.next("notification", entered("bob"));
        for (const client of [ann, bob]) await client.next("notification", entered("cat"));
        const dan = await chatter(t, here, room, "dan");
        for (const client of [ann, bob, cat]) await client.next("notification", entered("dan"));
        for (const [from, name] of [[ann, "ann"], [cat, "cat"], [bob, "bob"]]) {
          for (const message of ["text", { n: [1.5] }, Buffer.from("bytes")]) {
            from.emit("roomMessage", message);
            for (const client of [ann, bob, cat, dan]) {
              assert.deepEqual((await client.next("roomMessage")).map(plain), [plain({ message, from: name })]);
            }
          }
        }
        await dan.ask("logout");
        for (const client of [ann, bob, cat]) await client.next("notification", (n) => n.description === "dan just left the room");
        cat.socket.disconnect();
        for (const client of [ann, bob]) await client.next("notification", (n) => n.description === "cat just left the room");
      });

      test("/chat: messages, typing, who comes and goes", async (t) => {
        const room = fresh("room");
        const [ann, cat] = [await member(t, here, room), await member(t, node, room)];
        const who = (client) => ({ userId: client.userId, userName: client.userId });
        assert.deepEqual(await ann.next("user_joined"), [who(cat)]);
        const bob = await member(t, there, room);
        for (const client of [ann, cat]) assert.deepEqual(await client.next("user_joined"), [who(bob)]);
        for (const from of [ann, cat, bob]) {
          from.emit("message", { roomId: room, content: { from: from.userId } });
          const messages = [];
          for (const client of [ann, bob, cat]) messages.push((await client.next("message"))[0]);
          const { id, timestamp, ...rest } = messages[0];
          assert.deepEqual(rest, { roomId: room, userId: from.userId, userName: from.userId, content: { from: from.userId } });
          assert.equal(new Date(timestamp).toISOString(), timestamp);
          assert.ok(id);
          for (const message of messages) assert.deepEqual(message, messages[0]);
          from.emit("typing_start", room);
          from.emit("typing_stop", room);
          for (const client of [ann, bob, cat].filter((c) => c !== from)) {
            assert.deepEqual(await client.next("user_typing"), [who(from)]);
            assert.deepEqual(await client.next("user_stopped_typing"), [{ userId: from.userId }]);
          }
        }
        bob.emit("leave_room", room);
        for (const client of [ann, cat]) assert.deepEqual(await client.next("user_left"), [who(bob)]);
        cat.emit("leave_room", room);
        assert.deepEqual(await ann.next("user_left"), [who(cat)]);
        await settled([ann, bob, cat], "/chat");
        for (const client of [ann, bob, cat]) assert.equal(client.got("message").length, 3);
      });

      test("/ws and streams hear the members of /chat on Node, who hear /ws", needsSignalbox, async (t) => {
        const room = fresh("room");
        const cat = await member(t, node, room);
        const ws = await TextClient.rooms(t, here);
        await ws.enter(room, { type: "authenticate", userId: 5 });
        assert.deepEqual(await cat.next("user_joined"), [{ userId: 5, userName: "5" }]);
        const stream = await StreamClient.open(t, there, `/events/room/${room}`, ["user_left"], { token: tokenOf("9") });
        cat.emit("message", { roomId: room, content: ["from", "Node"] });
        const { timestamp, ...rest } = await ws.next();
        assert.deepEqual(rest, { type: "message", from: cat.userId, content: ["from", "Node"] });
        assert.equal(typeof timestamp, "number");
        const record = await stream.next();
        assert.deepEqual([record.type, JSON.parse(record.data).content], ["message", ["from", "Node"]]);
        await cat.next("message");
        ws.send({ type: "message", room, content: "from ws" });
        assert.equal((await cat.next("message"))[0].content, "from ws");
        cat.emit("leave_room", room);
        assert.deepEqual(await ws.next(), { type: "user_left", userId: cat.userId, room });
        assert.equal((await stream.next()).type, "message");
        assert.equal((await stream.next()).type, "user_left");
      });

      test("a broker user and a chat room of one name: apart among nodes, one room for Node", needsSignalbox, async (t) => {
        const name = fresh();
        const [ann, bob, cat] = [await user(t, here, name), await chatter(t, there, name), await user(t, node, name)];
        const sender = await user(t, there);
        const all = [ann, bob, cat];
        for (const client of [...all, sender]) await settled([client]);
        assert.equal((await sender.ask("to the user", { recipientUserId: name }))[0].ok, true);
        await ann.next("to the user");
        await cat.next("to the user");
        bob.emit("roomMessage", "to the room");
        await bob.next("roomMessage");
        await cat.next("roomMessage");
        await settled(all);
        assert.deepEqual([ann.got("roomMessage").length, bob.got("to the user").length], [0, 0]);
        await node.run(({ io }, name) => io.to(name).emit("to the name", 1), name);
        await heardBy("to the name", all, all);
      });
    });

    describe("what backends say to signalbox", needsSignalbox, () => {
      test("emit: users, rooms, everybody, all but some", async (t) => {
        const room = fresh("room");
        const [ann, bob, cat, dan] = [await user(t, here), await chatter(t, there, room), await user(t, node), await chatter(t, node, room)];
        const all = [ann, bob, cat, dan];
        const said = async (want, event, body) => {
          assert.equal((await emit(here, { ...body, event, args: [{ n: 1.5 }, "ü"] })).ok, true);
          for (const client of want) assert.deepEqual(await client.next(event), [{ n: 1.5 }, "ü"]);
          await heardBy(event, all, want);
        };
        await said(all, "everybody", {});
        await said([cat], "a user of Node", { users: [cat.userId] });
        await said([ann, cat], "some users", { users: [ann.userId, cat.userId] });
        await said([bob, dan], "a room", { rooms: [room] });
        await said([ann, bob, dan], "both", { users: [ann.userId], rooms: [room] });
        await said([ann, bob], "all but Node", { except: { users: [cat.userId], rooms: [], sockets: [dan.id] } });
        await said([ann, cat], "all but a room", { except: { rooms: [room] } });
        await said([], "nobody", { users: [] });
      });

      test("emit with ack collects the answers of clients on Node as well", async (t) => {
        const id = fresh();
        const clients = [await user(t, here, id), await user(t, there, id), await user(t, node, id)];
        clients.forEach((client, n) => client.socket.on("question", (q, done) => done({ q, n })));
        const { ok, answers, missing } = await emit(here, { users: [id], event: "question", args: ["?"], ack: true });
        assert.deepEqual([ok, missing], [true, 0]);
        assert.deepEqual(answers.map((a) => a.args[0]).sort((a, b) => a.n - b.n), upTo(3).map((n) => ({ q: "?", n })));
      });

      test("emit to /chat, and publish to users and rooms", async (t) => {
        const room = fresh("room");
        const [ann, cat] = [await member(t, here, room), await member(t, node, room)];
        assert.equal((await emit(there, { namespace: "/chat", rooms: [room], event: "notice", args: [1] })).ok, true);
        for (const client of [ann, cat]) assert.deepEqual(await client.next("notice"), [1]);
        assert.equal((await emit(there, { namespace: "/chat", users: [cat.userId], event: "notice", args: [2] })).ok, true);
        assert.deepEqual(await cat.next("notice"), [2]);
        const order = await publish(there, KEY, `user:${cat.userId}`, { type: "order", data: { id: 7 } });
        assert.deepEqual(order.body, { ok: true, delivered: 1 });
        assert.deepEqual(await cat.next("order"), [{ id: 7 }]);
        await publish(there, KEY, `room:${room}`, { type: "announcement", data: "x" });
        for (const client of [ann, cat]) assert.deepEqual(await client.next("announcement"), ["x"]);
        await publish(there, KEY, "broadcast", { type: "to all", data: null });
        for (const client of [ann, cat]) assert.deepEqual(await client.next("to all"), [null]);
        await heardBy("order", [ann, cat], [cat], "/chat");
        await heardBy("announcement", [ann, cat], [ann, cat], "/chat");
      });

      test("disconnect a user: the sockets on Node as well", async (t) => {
        const id = fresh();
        const [ann, cat, other] = [await member(t, here, undefined, id), await member(t, node, undefined, id), await member(t, node)];
        assert.deepEqual(await api(there, `/api/users/${id}/disconnect`, { close: true }), { ok: true, disconnected: 2 });
        for (const client of [ann, cat]) assert.match(await client.gone(), /^(io server disconnect|transport close)$/);
        assert.ok(other.socket.connected);
      });
    });

    test("nothing of this made Node complain", () => {
      for (const server of cluster.all) server.assertHealthy();
    });
  });
}

describe("a mixed cluster", () => {
  const join = async (t, server, id) => {
    const client = await connect(t, server, websocket);
    client.emit("join", { senderUserId: id, recipientUserId: -1 });
    client.emit("echo", { recipientUserId: id });
    await client.next("echo");
    return client;
  };

  test("with Node servers that answer on channels of the askers' own", async (t) => {
    const cluster = await useCluster({ t, nodes: 1, servers: 2, env: { SPECIFIC_RESPONSES: "true" } });
    const [node] = cluster.servers;
    const id = fresh();
    const clients = [];
    for (const server of cluster.all) clients.push(await join(t, server, id));
    clients.forEach((client, n) => client.socket.on("question", (done) => done(n)));
    assert.equal((await node.run(async ({ io }) => (await io.fetchSockets()).map((s) => s.id))).length, 3);
    assert.deepEqual((await node.run(({ io }) => io.timeout(5000).emitWithAck("question"))).sort(), [0, 1, 2]);
    const rooms = await node.run(async ({ io }) => [...(await io.sockets.adapter.allRooms())]);
    for (const client of clients) assert.ok(rooms.includes(client.id));
    if (onReference) return;
    const { answers, missing } = await emit(cluster.nodes[0], { users: [id], event: "question", ack: true });
    assert.deepEqual([answers.map((a) => a.args[0]).sort(), missing], [[0, 1, 2], 0]);
  });

  test("a node that stops, dies or starts keeps no Node server waiting", needsSignalbox, async (t) => {
    const cluster = await useCluster({ t, nodes: 2, servers: 1, env: { DRAIN_DELAY: "500ms", DRAIN_SPREAD: "500ms", SHUTDOWN_TIMEOUT: "5s" } });
    const [node] = cluster.servers;
    const [stays, goes] = cluster.nodes;
    const [ann, bob] = [await join(t, stays, "ann"), await join(t, node, "bob")];
    await join(t, goes, "cat");
    let going = true;
    const slow = [];
    const asking = (async () => {
      while (going) {
        const took = await node.run(async ({ io }) => {
          const began = Date.now();
          await io.fetchSockets().catch(() => {});
          return Date.now() - began;
        });
        if (took > 1000) slow.push(took);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    await goes.stop();
    await goes.start();
    await join(t, goes, "cat");
    await goes.kill();
    await goes.start();
    going = false;
    await asking;
    // Node counts the servers, and then asks them: one that goes between the two is waited for, and nobody can change that.
    assert.ok(slow.length <= 1, `waited ${slow} ms`);
    ann.emit("word", { recipientUserId: "bob" });
    await bob.next("word");
    bob.emit("word", { recipientUserId: "ann" });
    await ann.next("word");
  });

  test("is whole again when Redis was away", async (t) => {
    const cluster = await useCluster({ t, nodes: 2, servers: 1 });
    for (const server of cluster.servers) server.mayLoseRedis = true;
    if (onReference) for (const server of cluster.nodes) server.mayLoseRedis = true;
    const people = [];
    for (const [n, server] of cluster.all.entries()) people.push(await join(t, server, `user${n}`));
    await cluster.redis.stop();
    await cluster.redis.start();
    for (const [n, from] of people.entries()) {
      for (const [k, to] of people.entries()) {
        const reached = async () => {
          from.emit("word", { recipientUserId: `user${k}`, from: n });
          await new Promise((resolve) => setTimeout(resolve, 50));
          return to.got("word").some(([data]) => data.from === n);
        };
        await eventually(reached, `user${k} to hear user${n}`);
      }
    }
    const [node] = cluster.servers;
    const fetched = () => node.run(async ({ io }) => (await io.fetchSockets().catch(() => [])).length === 3);
    await eventually(fetched, "all sockets to be told of");
    for (const client of people) assert.ok(!client.names().includes("disconnect"));
  });
});
