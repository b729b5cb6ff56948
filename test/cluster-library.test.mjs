// A program in Go that uses the library beside a Node server: what one does with the sockets of the other.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { goProgram, onReference } from "./support/build.mjs";
import { Client, connect as connectClient, fresh, msgpack, newest, plain } from "./support/clients.mjs";
import { Cluster, eventually, modes } from "./support/cluster.mjs";
import { within } from "./support/deadline.mjs";
import { needsRealRedis } from "./support/redis.mjs";
import { Server } from "./support/server.mjs";

const websocket = newest[1];
const upTo = (count) => Array.from({ length: count }, (_, n) => n);
const sorted = (list, by = (x) => x) => [...list].sort((a, b) => (by(a) < by(b) ? -1 : 1));

/** The program of test/member. */
class Member extends Server {
  /** Has it do something with the library; rejects with the error that the library gave. */
  async call(what, options = {}) {
    const res = await within(fetch(`${this.url}/call`, { method: "POST", body: JSON.stringify({ do: what, ...options }) }), what);
    assert.equal(res.status, 200, await (res.status === 200 ? "" : res.text()));
    const { value, error } = await res.json();
    if (error) throw Object.assign(new Error(error), { value });
    return value;
  }
}

for (const mode of modes) {
  describe(mode, onReference ? { skip: "there is no Go in it" } : mode !== "classic" ? needsRealRedis : {}, () => {
    let cluster, node, member;

    before(async () => {
      cluster = await Cluster.start({ nodes: 0, servers: 1, mode });
      [node] = cluster.servers;
      await node.run(({ io, heard }) => {
        io.of("/lib").on("connection", (socket) => {
          socket.data = { by: "Node" };
          socket.on("join", (room, done) => {
            socket.join(room);
            done("joined");
          });
        });
        io.of("/lib").on("told", (...args) => heard.push(["told", ...args]));
        io.of("/lib").on("asked", (question, answer) => answer({ answer: question, by: "Node" }));
      });
      await node.subscribed();
      member = await Member.start({ env: cluster.env, command: [goProgram("member"), []] });
    });
    after(async () => {
      await member?.stop();
      await cluster?.stop();
    });

    /** Connects somebody to /lib who joins a room. */
    async function connect(t, server, room, row = websocket) {
      const client = await connectClient(t, server, row, { namespace: "/lib" });
      if (room) assert.deepEqual(await client.ask("join", room), ["joined"]);
      await server.subscribed?.();
      client.log = [];
      return client;
    }

    /** Two on Node and two on the program, one of each in a room. The one in the program's speaks msgpack. */
    async function people(t) {
      const room = fresh("room");
      const [a, b] = [await connect(t, node, room), await connect(t, node)];
      const [c, d] = [await connect(t, member, room, msgpack), await connect(t, member)];
      return { room, a, b, c, d, all: [a, b, c, d] };
    }

    /** Waits until want have got an event, and proves that the others of all have not. */
    async function heardBy(event, all, want, args) {
      for (const client of want) assert.deepEqual((await client.next(event)).map(plain), args ?? [1]);
      const mark = fresh("mark");
      await member.call("emit", { event: mark });
      await node.run(({ io }, mark) => io.of("/lib").emit(mark), mark);
      for (const client of all) {
        await client.until(() => client.got(mark).length === 2, "both marks");
        assert.equal(client.got(event).length, want.includes(client) ? 1 : 0, event);
        client.log = [];
      }
    }

    test("both count two servers", async () => {
      assert.equal(await member.call("servers"), 2);
      assert.equal(await node.run(({ io }) => io.of("/lib").adapter.serverCount()), 2);
    });

    test("the program emits: to all, rooms, all but some, a socket; volatile, binary", async (t) => {
      const { room, a, b, c, d, all } = await people(t);
      const emit = (event, options) => member.call("emit", { event, args: [1], ...options });
      await emit("all");
      await heardBy("all", all, all);
      await emit("room", { rooms: [room] });
      await heardBy("room", all, [a, c]);
      await emit("rooms", { rooms: [room, b.id, a.id, "nobody"] });
      await heardBy("rooms", all, [a, b, c]);
      await emit("but", { except: [room] });
      await heardBy("but", all, [b, d]);
      await emit("socket", { rooms: [b.id] });
      await heardBy("socket", all, [b]);
      await emit("room but a socket", { rooms: [room], except: [a.id] });
      await heardBy("room but a socket", all, [c]);
      await member.call("volatile", { event: "volatile", args: [1] });
      await heardBy("volatile", all, all);
      const bytes = Buffer.from([0, 1, 255]);
      await emit("binary", { rooms: [room], args: [{ deep: ["ü", null, 1.5] }], bytes: bytes.toString("base64") });
      await heardBy("binary", all, [a, c], [{ deep: ["ü", null, 1.5] }, { bytes: "0001ff" }]);
    });

    test("Node emits to rooms that the program has made", async (t) => {
      const { room, a, b, c, d, all } = await people(t);
      const emit = (event, rooms, except = [], args = [1]) =>
        node.run(({ io }, event, rooms, except, args) => io.of("/lib").to(rooms).except(except).emit(event, ...args), event, rooms, except, args);
      await emit("all", []);
      await heardBy("all", all, all);
      await emit("room", [room]);
      await heardBy("room", all, [a, c]);
      await emit("but", [], [room, b.id]);
      await heardBy("but", all, [d]);
      await emit("binary", [room], [], [Buffer.from([7]), new Date(0)]);
      await heardBy("binary", all, [a, c], [{ bytes: "07" }, "1970-01-01T00:00:00.000Z"]);
    });

    test("2,000 events of the program arrive in order, on Node as well", async (t) => {
      const { room, a, c } = await people(t);
      await member.call("burst", { event: "n", rooms: [room], count: 2000 });
      for (const client of [a, c]) {
        await client.until(() => client.got("n").length >= 2000, "2,000 events");
        assert.deepEqual(client.got("n").flat(), upTo(2000));
      }
    });

    test("fetchSockets, on both sides", async (t) => {
      const { room, a, b, c, d, all } = await people(t);
      const ids = (sockets) => sorted(sockets.map((s) => s.id));
      const byMember = await member.call("fetch");
      const byNode = await node.run(async ({ io }) =>
        (await io.of("/lib").fetchSockets()).map((s) => ({ id: s.id, rooms: [...s.rooms], data: s.data, headers: s.handshake.headers })));
      for (const sockets of [byMember, byNode]) {
        assert.deepEqual(ids(sockets), ids(all));
        for (const [client, by, rooms] of [[a, "Node", [room]], [b, "Node", []], [c, "member", [room]], [d, "member", []]]) {
          const socket = sockets.find((s) => s.id === client.id);
          assert.deepEqual(socket.data, { by });
          assert.deepEqual(sorted(socket.rooms), sorted([client.id, ...rooms]));
          assert.equal(typeof socket.headers, "object");
        }
      }
      assert.deepEqual(ids(await member.call("fetch", { rooms: [room, b.id], except: [c.id] })), ids([a, b]));
      assert.deepEqual(await member.call("fetch", { rooms: ["nobody"] }), []);
    });

    test("socketsJoin, socketsLeave and disconnectSockets by the program", async (t) => {
      const { room, a, b, c, d, all } = await people(t);
      const extra = fresh("extra");
      const there = (...clients) =>
        eventually(async () => isDeepStrictEqual(sorted((await member.call("fetch", { rooms: [extra] })).map((s) => s.id)), sorted(clients.map((s) => s.id))), `the members of ${extra}`);
      await member.call("join", { rooms: [room, b.id], into: [extra, "another"] });
      await there(a, b, c);
      await node.subscribed();
      await member.call("emit", { rooms: [extra], event: "joined", args: [1] });
      await heardBy("joined", all, [a, b, c]);
      await member.call("leave", { except: [b.id], into: [extra] });
      await there(b);
      await member.call("disconnect", { rooms: [b.id] });
      assert.equal(await b.gone(), "io server disconnect");
      await member.call("disconnect", { rooms: [room], close: true });
      for (const client of [a, c]) assert.match(await client.gone(), /^(io server disconnect|transport close)$/);
      assert.ok(d.socket.connected);
    });

    test("emitWithAck collects the answers of all clients, on both sides", async (t) => {
      const { room, all } = await people(t);
      all.forEach((client, n) => {
        client.socket.on("question", (q, done) => done({ q, n }));
        if (n) client.socket.on("some", (q, done) => done(n));
      });
      const byMember = await member.call("ask", { event: "question", args: ["?"], timeoutMs: 5000 });
      assert.deepEqual(sorted(byMember.flat(), (x) => x.n), upTo(4).map((n) => ({ q: "?", n })));
      const byNode = await node.run(({ io }) => io.of("/lib").timeout(5000).emitWithAck("question", "?"));
      assert.deepEqual(sorted(byNode, (x) => x.n), upTo(4).map((n) => ({ q: "?", n })));
      const ofRoom = await member.call("ask", { rooms: [room], event: "question", args: ["?"], timeoutMs: 5000 });
      assert.deepEqual(sorted(ofRoom.flat(), (x) => x.n).map((x) => x.n), [0, 2]);
      await assert.rejects(member.call("ask", { event: "some", args: ["?"], timeoutMs: 500 }), (err) => {
        assert.deepEqual(sorted(err.value.flat()), [1, 2, 3]);
        return true;
      });
      const late = await node.run(({ io }) => io.of("/lib").timeout(500).emitWithAck("some", "?").catch((err) => err.responses));
      assert.deepEqual(sorted(late), [1, 2, 3]);
    });

    test("middleware of the program: who comes in, in which room, and what is heard of them", async (t) => {
      const [a, room] = [await connect(t, node), fresh("room")];
      const refused = new Client(member, websocket, "/lib", { auth: { room, refuse: true } });
      t.after(() => refused.socket.disconnect());
      const error = await within(new Promise((resolve) => refused.socket.once("connect_error", resolve)), "the refusal");
      assert.deepEqual([error.message, error.data], ["not you", { code: 7 }]);
      assert.deepEqual(await member.call("fetch", { rooms: [room] }), []);
      const c = await connectClient(t, member, websocket, { namespace: "/lib", auth: { room } });
      await node.subscribed();
      await node.run(({ io }, room) => io.of("/lib").to(room).emit("welcome", 1), room);
      assert.deepEqual(await c.next("welcome"), [1]);
      c.emit("forbidden", "x");
      assert.deepEqual(await c.next("refused"), ["not this"]);
      c.emit("say", room, "nobody else is here");
      assert.deepEqual(a.log, []);
    });

    test("a socket of the program speaks to others in its room, asks them, and tells them that it leaves", async (t) => {
      const { room, a, b, c, d, all } = await people(t);
      c.emit("say", room, 1);
      await heardBy("said", all, [a]);
      d.emit("say", room, 1);
      await heardBy("said", all, [a, c]);
      a.socket.on("question", (q, done) => done(`${q} here`));
      c.socket.on("question", (q, done) => done(`${q} there`));
      assert.deepEqual(sorted(await d.ask("ask", room, "who is")), ["who is here", "who is there"]);
      const id = c.id;
      c.socket.disconnect();
      assert.deepEqual(await a.next("leaving"), [id, "client namespace disconnect"]);
      assert.deepEqual(b.got("leaving"), []);
    });

    test("serverSideEmit, with and without an answer, on both sides", async () => {
      await node.run(({ heard }) => heard.splice(0));
      await member.call("tell", { event: "told", args: [1, { a: ["ü", null] }] });
      await eventually(async () => (await node.run(({ heard }) => heard)).length > 0, "Node to hear");
      assert.deepEqual(await node.run(({ heard }) => heard), [["told", 1, { a: ["ü", null] }]]);
      await node.run(({ io }) => {
        io.of("/lib").serverSideEmit("told", "by Node", { b: [1.5] });
      });
      await eventually(async () => (await member.call("heard")).length > 0, "the program to hear");
      assert.deepEqual(await member.call("heard"), [["told", "by Node", { b: [1.5] }]]);
      assert.deepEqual(await member.call("askServers", { event: "asked", args: ["?"] }), [{ answer: "?", by: "Node" }]);
      assert.deepEqual(await node.run(({ io }) => io.of("/lib").serverSideEmitWithAck("asked", "?")), [{ answer: "?", by: "member" }]);
    });

    test("nothing of this made Node complain", () => node.assertHealthy());
  });
}
