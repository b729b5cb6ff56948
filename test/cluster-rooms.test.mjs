// Rooms of /chat and /ws over three nodes: who is there, what is said, and the history of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, fresh, newest } from "./support/clients.mjs";
import { Cluster, eventually, modes } from "./support/cluster.mjs";
import { StreamClient, TextClient } from "./support/doors.mjs";
import { needsRealRedis } from "./support/redis.mjs";
import { tokenOf } from "./support/tokens.mjs";

const websocket = newest[1];
const upTo = (count) => Array.from({ length: count }, (_, n) => n);

for (const mode of modes) {
  describe(mode, mode !== "classic" ? needsRealRedis : {}, () => {
    let cluster, nodes;
    before(async () => {
      cluster = await Cluster.start({ nodes: 3, mode });
      nodes = cluster.nodes;
    });
    after(() => cluster?.stop());

    const chat = (t, node, sub, claims) => connect(t, node, websocket, { namespace: "/chat", auth: { token: tokenOf(sub, claims) } });

    /** Joins a room and takes its history. */
    async function join(client, room) {
      assert.deepEqual(await client.ask("join_room", room), [{ ok: true }]);
      const [history] = await client.next("room_history", (h) => h.roomId === room);
      return history.messages;
    }

    /** Opens /ws as somebody who joins a room. */
    async function ws(t, node, room, userId, options) {
      const client = await TextClient.rooms(t, node, options);
      await client.enter(room, { type: "authenticate", userId });
      return client;
    }

    test("/chat: join, message, typing, leave", async (t) => {
      const room = fresh("room");
      const [ada, bob, cid] = await Promise.all(nodes.map((node, n) => chat(t, node, `${n}`, { name: `N${n}` })));
      const who = (n) => ({ userId: `${n}`, userName: `N${n}` });
      assert.deepEqual(await join(ada, room), []);
      await join(bob, room);
      assert.deepEqual(await ada.next("user_joined"), [who(1)]);
      await join(cid, room);
      for (const client of [ada, bob]) assert.deepEqual(await client.next("user_joined"), [who(2)]);
      for (const [n, from] of [ada, bob, cid].entries()) {
        const others = [ada, bob, cid].filter((c) => c !== from);
        assert.deepEqual(await from.ask("message", { roomId: room, content: { n } }), [{ ok: true }]);
        const messages = [];
        for (const client of [ada, bob, cid]) messages.push((await client.next("message"))[0]);
        assert.deepEqual([messages[0].userId, messages[0].content], [`${n}`, { n }]);
        for (const message of messages) assert.deepEqual(message, messages[0]);
        from.emit("typing_start", room);
        for (const client of others) assert.deepEqual(await client.next("user_typing"), [who(n)]);
        from.emit("typing_stop", room);
        for (const client of others) assert.deepEqual(await client.next("user_stopped_typing"), [{ userId: `${n}` }]);
      }
      await bob.ask("leave_room", room);
      for (const client of [ada, cid]) assert.deepEqual(await client.next("user_left"), [who(1)]);
      cid.emit("typing_start", room);
      await ada.next("user_typing");
      cid.socket.disconnect();
      assert.deepEqual(await ada.next("user_stopped_typing"), [{ userId: "2" }]);
      assert.deepEqual(await ada.next("user_left"), [who(2)]);
      assert.deepEqual(bob.names().slice(bob.names().lastIndexOf("ack leave_room") + 1), [], "who has left hears no more");
    });

    test("/ws, /chat and the room's stream, each on another node", async (t) => {
      const room = fresh("room");
      const a = await ws(t, nodes[0], room, 5);
      const socket = await chat(t, nodes[1], "9", { name: "Nine" });
      await join(socket, room);
      assert.deepEqual(await a.next(), { type: "user_joined", userId: "9", room });
      const stream = await StreamClient.open(t, nodes[2], `/events/room/${room}`, ["user_joined", "user_left"], { token: tokenOf("1") });
      const b = await ws(t, nodes[2], room, "b");
      assert.deepEqual(await a.next(), { type: "user_joined", userId: "b", room });
      assert.deepEqual(await socket.next("user_joined"), [{ userId: "b", userName: "b" }]);
      assert.equal((await stream.next()).type, "user_joined");

      a.send({ type: "message", room, content: { any: ["JSON", null, 1.5] } });
      const { timestamp, ...rest } = await b.next();
      assert.deepEqual(rest, { type: "message", from: 5, content: { any: ["JSON", null, 1.5] } });
      const [message] = await socket.next("message");
      assert.deepEqual([message.userId, message.content], [5, { any: ["JSON", null, 1.5] }]);
      assert.deepEqual(JSON.parse((await stream.next()).data), message);
      assert.equal(new Date(message.timestamp).getTime(), timestamp);

      await socket.ask("message", { roomId: room, content: "from chat" });
      for (const client of [a, b]) assert.equal((await client.next()).content, "from chat");
      assert.equal(JSON.parse((await stream.next()).data).content, "from chat");
      a.ws.terminate();
      assert.deepEqual(await b.next(), { type: "user_left", userId: 5, room });
      assert.deepEqual(await socket.next("user_left"), [{ userId: 5, userName: "5" }]);
      assert.equal((await stream.next()).type, "user_left");
      assert.deepEqual([await b.quiet(), stream.inbox.rest], [[], []]);
    });

    test("a text frame of /ws is the same, byte for byte, on all nodes", async (t) => {
      const room = fresh("room");
      const receivers = [];
      for (const node of nodes) {
        const client = await TextClient.open(t, node, "/ws", { json: false });
        await client.next();
        client.send({ type: "join", room });
        client.send({ type: "ping" });
        for (;;) if ((await client.next()) === '{"type":"pong"}') break;
        receivers.push(client);
      }
      const sender = await ws(t, nodes[0], room, 1);
      const joined = [];
      for (const client of receivers) {
        let text;
        do text = await client.next(); while (!text.includes('"userId":1'));
        joined.push(text);
      }
      assert.deepEqual(new Set(joined).size, 1);
      for (const content of ['{"b":1.0,"a":1e2,"u":"\\u00e9\\/ é"}', "12345678901234567890", '"\\ud800"', "[1,2,{}]"]) {
        sender.send(`{"type":"message","room":"${room}","content":${content}}`);
        const texts = [];
        for (const client of receivers) {
          let text;
          do text = await client.next(); while (text.includes('"user_joined"')); // of a receiver on another node, which may come late
          texts.push(text);
        }
        assert.equal(new Set(texts).size, 1, texts.join("\n"));
        assert.ok(texts[0].includes(`"content":${content}`), texts[0]);
      }
    });

    test("300 messages from each of six, at both doors of all nodes: in order, each once", async (t) => {
      const room = fresh("room");
      const sockets = [], plain = [];
      for (const [n, node] of nodes.entries()) {
        sockets.push(await chat(t, node, `s${n}`));
        await join(sockets[n], room);
      }
      for (const [n, node] of nodes.entries()) plain.push(await ws(t, node, room, `w${n}`));
      for (const n of upTo(300)) {
        for (const client of sockets) client.emit("message", { roomId: room, content: n });
        for (const client of plain) client.send({ type: "message", room, content: n });
      }
      for (const client of sockets) {
        await client.until(() => client.got("message").length >= 1800, "1,800 messages");
        for (const from of ["s0", "s1", "s2", "w0", "w1", "w2"]) {
          assert.deepEqual(client.got("message").flatMap(([m]) => (m.userId === from ? [m.content] : [])), upTo(300), from);
        }
      }
      for (const [me, client] of plain.entries()) {
        const messages = () => client.inbox.all.filter((m) => m.type === "message");
        await client.inbox.until(() => messages().length >= 1500, "1,500 messages");
        for (const from of ["s0", "s1", "s2", "w0", "w1", "w2"]) {
          const want = from === `w${me}` ? [] : upTo(300);
          assert.deepEqual(messages().flatMap((m) => (m.from === from ? [m.content] : [])), want, from);
        }
      }
    });

    describe("history", () => {
      test("of what was said on all nodes: the last 50 for who joins anywhere, and pages back", async (t) => {
        const room = fresh("room");
        const people = [];
        for (const [n, node] of nodes.entries()) {
          people.push(await chat(t, node, `${n}`));
          await join(people[n], room);
        }
        for (const n of upTo(120)) {
          const from = people[n % 3];
          await from.ask("message", { roomId: room, content: n });
          for (const client of people) await client.next("message", (m) => m.content === n);
        }
        const live = people[0].got("message").map(([m]) => m);
        for (const node of nodes) {
          const late = await chat(t, node, fresh());
          const history = await join(late, room);
          assert.deepEqual(history, live.slice(70));
          const [page] = await late.ask("room_history_before", { roomId: room, before: history[0].id, limit: 200 });
          assert.deepEqual(page.messages, live.slice(0, 70));
        }
      });

      test("who joins while people on all nodes talk gets each message once", async (t) => {
        const room = fresh("room");
        const total = 150;
        const senders = [];
        for (const [n, node] of [...nodes, ...nodes].entries()) {
          senders.push(await chat(t, node, `s${n}`));
          await join(senders[n], room);
        }
        const joiners = await Promise.all(upTo(12).map((n) => chat(t, nodes[n % 3], `j${n}`)));
        const all = (c) => [...(c.got("room_history")[0]?.[0].messages ?? []), ...c.got("message").flat()];
        const last = (c) => senders.every((_, n) => all(c).some((m) => m.userId === `s${n}` && m.content === total - 1));
        const done = joiners.map(async (client, n) => {
          await senders[n % 6].next("message", (m) => m.content === 10 * (n + 1));
          client.emit("join_room", room);
          await client.until(() => client.got("room_history").length > 0 && last(client), "the last message of everybody");
          assert.ok(client.names().indexOf("room_history") < client.names().indexOf("message") || !client.got("message").length, "the history comes first");
          const ids = all(client).map((m) => m.id);
          assert.equal(new Set(ids).size, ids.length, "each once");
          for (const from of upTo(6)) {
            const numbers = all(client).flatMap((m) => (m.userId === `s${from}` ? [m.content] : []));
            assert.deepEqual(numbers, upTo(total).slice(numbers[0]), `of sender ${from}, in order and without a gap`);
          }
        });
        for (const n of upTo(total)) {
          for (const client of senders) client.emit("message", { roomId: room, content: n });
          // One at a time gives the joins time to fall in between.
          await senders[n % 6].next("message", (m) => m.userId === `s${n % 6}` && m.content === n);
        }
        await Promise.all(done);
      });

      test("outlives the node on which it was said", async (t) => {
        const room = fresh("room");
        const small = await Cluster.start({ nodes: 2, mode, redis: cluster.redis, env: { REDIS_PREFIX: fresh("prefix") } });
        t.after(() => small.stop());
        const ada = await chat(t, small.nodes[0], "1");
        await join(ada, room);
        for (const n of upTo(5)) await ada.ask("message", { roomId: room, content: n });
        await small.nodes[0].stop();
        const bob = await chat(t, small.nodes[1], "2");
        assert.deepEqual((await join(bob, room)).map((m) => m.content), upTo(5));
        await small.nodes[0].start();
        const cid = await chat(t, small.nodes[0], "3");
        assert.deepEqual((await join(cid, room)).map((m) => m.content), upTo(5));
      });
    });

    test("presence: who is in a room and who is online, wherever", async (t) => {
      const room = fresh("room");
      const [me, twice, guest] = [fresh(), fresh(), fresh()];
      const ada = await chat(t, nodes[0], me, { name: "Ada" });
      await join(ada, room);
      for (const node of [nodes[0], nodes[1]]) await join(await chat(t, node, twice, { name: "Two" }), room);
      const nameless = await TextClient.rooms(t, nodes[2]);
      await nameless.enter(room);
      const visitor = await ws(t, nodes[1], room, guest);
      for (const node of nodes) {
        const asker = await chat(t, node, me, { name: "Ada" });
        await join(asker, room);
        const [answer] = await asker.ask("presence", { roomId: room });
        const users = [
          { userId: me, userName: "Ada", connections: 2, verified: true },
          { userId: twice, userName: "Two", connections: 2, verified: true },
          { userId: guest, userName: guest, connections: 1, verified: false },
        ];
        const sorted = (list) => [...list].sort((a, b) => (a.userId < b.userId ? -1 : 1));
        assert.deepEqual({ ...answer, users: sorted(answer.users) }, { ok: true, roomId: room, users: sorted(users), nameless: 1 });
        const [online] = await asker.ask("presence", { userIds: [twice, fresh("nobody"), me] });
        assert.deepEqual(online, { ok: true, online: [twice, me] });
        await asker.ask("leave_room", room);
        asker.socket.disconnect();
        await ada.next("user_left", (u) => u.userId === me);
        // The others have seen it go, and it counts no more.
        const gone = async () => (await ada.ask("presence", { roomId: room }))[0].users.find((u) => u.userId === me).connections === 1;
        await eventually(gone, "one connection to be left");
      }
      visitor.ws.close();
    });
  });
}
