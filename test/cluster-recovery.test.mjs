// Clients that are cut and come back at another node of a cluster, with the client of today untouched.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connect, eachClient, fresh, newest } from "./support/clients.mjs";
import { Cluster, eventually, modes } from "./support/cluster.mjs";
import { Cuttable } from "./support/cuttable.mjs";
import { TextClient } from "./support/doors.mjs";
import { long } from "./support/long.mjs";
import { needsRealRedis } from "./support/redis.mjs";
import { tokenOf } from "./support/tokens.mjs";

const patient = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100, randomizationFactor: 0 };
const env = { RECOVERY: "true", LOG_LEVEL: "debug" };

/** Connects to a node over a way that can be cut, and lead to another node then. */
async function phone(t, node, row, options = {}) {
  const way = await Cuttable.open(t, node);
  const client = await connect(t, way, row, { ...patient, ...options });
  client.way = way;
  client.socket.on("connect", () => client.note(["connect", client.socket.recovered]));
  return client;
}

/** Cuts a client, has it come back at another node, and resolves with whether it was recovered. */
async function roam(client, node, meanwhile = async () => {}) {
  let gone = false;
  const noticed = client.next("disconnect").then(() => (gone = true));
  client.way.server = node;
  while (!gone) {
    client.way.cut();
    await Promise.race([noticed, pause(10)]);
  }
  await meanwhile();
  return (await client.next("connect"))[0];
}

/** The broker's events n of a client by one sender, without offsets. */
const numbers = (client, from) => client.got("n").filter(([data]) => data.from === from).map(([data]) => data.n);
const upTo = (count) => Array.from({ length: count }, (_, n) => n);

/** Has a client of each node send numbers to a user until stop is called, which resolves with how many each has sent. */
async function senders(t, nodes, id) {
  const clients = await Promise.all(nodes.map((node) => connect(t, node, newest[1])));
  const sent = clients.map(() => 0);
  const timer = setInterval(() => clients.forEach((c, from) => c.emit("n", { recipientUserId: id, from, n: sent[from]++ })), 2);
  t.after(() => clearInterval(timer));
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(clients.map((c) => c.ask("time"))); // everything before it has gone out
      return sent;
    },
  };
}

/** Waits until a client has the numbers of all senders, each once and in order. */
async function wantAll(client, sent) {
  for (const [from, count] of sent.entries()) {
    await client.until(() => numbers(client, from).length >= count, () => `${count} numbers of sender ${from}`);
    assert.deepEqual(numbers(client, from), upTo(count), `of sender ${from}`);
  }
}

for (const mode of modes) {
  describe(mode, mode !== "classic" ? needsRealRedis : {}, () => {
    let cluster, nodes;
    before(async () => {
      cluster = await Cluster.start({ nodes: 3, mode, env });
      nodes = cluster.nodes;
    });
    after(() => cluster?.stop());

    eachClient(newest, (row) => {
      test("what is sent by people on all nodes comes once and in order", async (t) => {
        const id = fresh();
        const ann = await (await phone(t, nodes[0], row)).join(id);
        const sid = ann.id;
        const { stop } = await senders(t, nodes, id);
        for (let i = 1; i <= 6; i++) {
          assert.equal(await roam(ann, nodes[i % 3]), true);
          await pause(10);
        }
        assert.equal(ann.id, sid);
        await wantAll(ann, await stop());
      });
    });

    const row = newest[1];

    test("a half-open connection at another node is taken over", async (t) => {
      const id = fresh();
      const ann = await (await phone(t, nodes[0], row)).join(id);
      const { stop } = await senders(t, nodes, id);
      await ann.until(() => numbers(ann, 0).length > 5, "numbers");
      ann.way.swallow();
      ann.way.server = nodes[1];
      const gone = ann.next("disconnect");
      await pause(20);
      ann.socket.io.engine.close();
      await gone;
      assert.deepEqual(await ann.next("connect"), [true]);
      await wantAll(ann, await stop());
    });

    test("the chat's login, list and notices do not flicker", async (t) => {
      const room = fresh("room");
      const bob = await connect(t, nodes[2], row);
      await bob.login("bob", room);
      const ann = await phone(t, nodes[0], row);
      await ann.login("ann", room);
      await bob.next("notification");
      const before = bob.log.length;
      for (const node of [nodes[1], nodes[2], nodes[0]]) assert.equal(await roam(ann, node), true);
      assert.deepEqual(await ann.ask("roomMessage", "hello"), [{ ok: true }]);
      await bob.next("roomMessage");
      for (const [event, data] of bob.log.slice(before)) {
        if (event === "users") assert.deepEqual(data.map((u) => u.name), ["bob", "ann"]);
        else assert.equal(event, "roomMessage");
      }
      assert.deepEqual(ann.got("users").at(-1)[0].map((u) => u.name), ["bob", "ann"]);
      await ann.ask("logout");
      const [left] = await bob.next("notification");
      assert.match(left.description, /ann just left/);
    });

    test("/chat: rooms and presence come along, and a token is verified again", async (t) => {
      const [user, room] = [fresh(), fresh("room")];
      const bob = await connect(t, nodes[2], row, { namespace: "/chat", auth: { token: tokenOf(fresh()) } });
      let token = tokenOf(user);
      const eve = await phone(t, nodes[0], row, { namespace: "/chat", auth: (send) => send({ token }) });
      const sid = eve.id;
      await eve.ask("join_room", room);
      await bob.ask("join_room", room);
      const say = (content) => bob.ask("message", { roomId: room, content });
      assert.equal(await roam(eve, nodes[1], () => say("missed")), true);
      await say("heard");
      await eve.until(() => eve.got("message").some(([m]) => m.content === "heard"), "heard");
      assert.deepEqual(eve.got("message").map(([m]) => m.content), ["missed", "heard"]);
      assert.equal(eve.id, sid);
      const here = async () => (await bob.ask("presence", { roomId: room }))[0].users.find((u) => u.userId === user);
      assert.equal((await eventually(here, "eve in the room")).connections, 1);
      assert.equal((await eve.ask("message", { roomId: room, content: "mine" }))[0].ok, true);
      assert.deepEqual([...bob.got("user_left"), ...bob.got("user_joined")], []);
      token = tokenOf(fresh()); // somebody else
      assert.equal(await roam(eve, nodes[0]), false);
      assert.notEqual(eve.id, sid);
    });

    test("/ws", async (t) => {
      const room = fresh("room");
      const ann = await TextClient.rooms(t, nodes[0]);
      await ann.enter(room, { type: "authenticate", userId: "ann" });
      const bob = await TextClient.rooms(t, nodes[2]);
      await bob.enter(room, { type: "authenticate", userId: "bob" });
      await ann.next();
      let { session } = ann.hello;
      let last = ann;
      for (const [i, node] of [nodes[1], nodes[2], nodes[0]].entries()) {
        const { offset } = last.inbox.all.at(-1);
        if (i !== 1) last.ws.terminate(); // else it is still open
        bob.send({ type: "message", room, content: i });
        await pause(20);
        const back = await TextClient.rooms(t, node);
        back.send({ type: "resume", session, offset });
        if (i !== 1) assert.equal((await back.next()).content, i);
        else if ((await back.next()).type !== "resumed") await back.next();
        await back.inbox.until((all) => all.some((m) => m.type === "resumed"), "resumed");
        assert.equal(back.inbox.all.find((m) => m.type === "resumed").recovered, true);
        last = back;
        bob.send({ type: "message", room, content: `to ${i}` });
        await last.inbox.until((all) => all.some((m) => m.content === `to ${i}`), `to ${i}`);
      }
      assert.deepEqual(bob.inbox.all.filter((m) => m.type === "user_left"), []);
    });

    test("the secret is in no log", async (t) => {
      const ann = await phone(t, nodes[0], row);
      const pid = ann.socket._pid;
      assert.equal(await roam(ann, nodes[1]), true);
      for (const node of nodes) assert.ok(!node.output.includes(pid));
    });
  });
}

// cmd/signalbox has the same with clients in Go, in every run.
describe("a rolling restart of three nodes under load", { skip: !long && "in long runs" }, () => {
  test("loses nothing and doubles nothing", async (t) => {
    const cluster = await Cluster.start({ nodes: 3, env: { ...env, HANDOVER_GRACE: "5s" } });
    t.after(() => cluster.stop());
    const { nodes } = cluster;
    const sender = await phone(t, nodes[2], newest[1]);
    const people = await Promise.all(upTo(12).map((i) => phone(t, nodes[i % 3], newest[i % 3])));
    const room = fresh("room");
    for (const [i, ann] of people.entries()) await ann.login(`ann${i}`, room);
    await sender.login("sender", room);
    for (const ann of people) await ann.next("notification", (n) => n.description.startsWith("sender"));
    const before = people.map((ann) => ann.log.length);
    let n = 0;
    let said = 0;
    const timer = setInterval(() => sender.socket.connected && sender.emit("roomMessage", said++), 3);
    t.after(() => clearInterval(timer));
    for (const i of [0, 1, 2]) {
      await pause(100);
      if (i === 2) {
        clearInterval(timer); // what the sender sends while it is cut is not promised
        await sender.ask("ping");
        n = said;
      }
      for (const client of [...people, sender]) if (client.way.server === nodes[i]) client.way.server = nodes[(i + 1) % 3];
      await nodes[i].stop();
      await nodes[i].start();
    }
    for (const [i, ann] of people.entries()) {
      await ann.until(() => ann.got("roomMessage").length >= n, () => `${n} messages; ${ann.got("roomMessage").length} came`);
      assert.deepEqual(ann.got("roomMessage").map(([m]) => m.message), upTo(n), `of person ${i}`);
      const rest = ann.log.slice(before[i]).filter((e) => e[0] === "notification").map((e) => e[1].description);
      assert.deepEqual(rest, [], "somebody was said to have left or come");
      assert.deepEqual([...new Set(ann.got("connect").map(([recovered]) => recovered))], [true]);
    }
  });
});
