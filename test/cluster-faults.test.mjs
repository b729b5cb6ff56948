// Nodes that die, hang and restart while people talk: who stays notices nothing but that the others are gone.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Balancer } from "./support/balancer.mjs";
import { Client, connect, fresh, newest } from "./support/clients.mjs";
import { KEY, eventually, useCluster } from "./support/cluster.mjs";
import { within } from "./support/deadline.mjs";
import { StreamClient, TextClient } from "./support/doors.mjs";
import { request } from "./support/raw.mjs";
import { tokenOf } from "./support/tokens.mjs";

const websocket = newest[1];
const upTo = (count) => Array.from({ length: count }, (_, n) => n);
const left = (name) => `${name} just left the room`;

/** What the promise allows: a node that is gone without a word is gone from every list. */
const GONE_MS = 10_000;

const api = async (node, path) => JSON.parse((await request(node, path, { headers: { "X-API-Key": KEY } })).text);
const metric = async (node, name) => {
  const { text } = await request(node, "/metrics");
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1]);
};

/** The names in the last list that a client of the chat was sent. */
const names = (client) => (client.got("users").at(-1)?.[0] ?? []).map((user) => user.name).sort();

/** Waits until what a client sends to a user is counted as said. It may take a moment until a node that was lost is forgotten. */
async function counts(client, recipientUserId, delivered) {
  let answer;
  const right = async () => {
    [answer] = await client.ask("count", { recipientUserId });
    return isDeepStrictEqual(answer, { ok: true, delivered });
  };
  await eventually(right, () => `${delivered} to be counted, not ${JSON.stringify(answer)}`);
}

/** Sends numbers from one broker user to another until it is stopped, some every few milliseconds. */
class Traffic {
  constructor(from, to) {
    Object.assign(this, { from, to, event: fresh("n"), sent: 0, going: true });
    this.done = this.#run();
  }

  async #run() {
    while (this.going) {
      for (const _ of upTo(5)) this.from.emit(this.event, { recipientUserId: this.to.userId, n: this.sent++ });
      await pause(5);
    }
  }

  get got() {
    return this.to.got(this.event).map(([data]) => data.n);
  }

  /** Stops, and checks that everything has come, in order and once. */
  async complete() {
    this.going = false;
    await this.done;
    await this.to.until(() => this.got.length >= this.sent, `${this.sent} events`);
    assert.deepEqual(this.got, upTo(this.sent));
  }

  /** Stops, and checks that what has come is in order and without doubles. */
  async ordered() {
    this.going = false;
    await this.done;
    const got = this.got;
    assert.ok(got.every((n, i) => i === 0 || n > got[i - 1]), "in order, each at most once");
    return got;
  }
}

/** People at all doors of three nodes, in rooms of one name: two who chat, one of /chat, one of /ws, one of the tap, each. */
class People {
  static async gather(t, nodes) {
    const people = new People(t, nodes, fresh("room"));
    for (const [n, node] of nodes.entries()) await people.arrive(node, n);
    await people.complete(nodes);
    people.streams = [];
    for (const node of nodes) people.streams.push(await StreamClient.events(t, node));
    return people;
  }

  constructor(t, nodes, room) {
    Object.assign(this, { t, nodes, room, on: new Map() });
  }

  /** All five come to a node. */
  async arrive(node, n) {
    const { t, room } = this;
    const lodgers = [await connect(t, node, websocket), await connect(t, node, websocket)];
    for (const [k, client] of lodgers.entries()) {
      client.userId = fresh();
      await client.join(client.userId);
      client.name = `p${n}${k}`;
      await client.login(client.name, room);
    }
    const member = await connect(t, node, websocket, { namespace: "/chat", auth: { token: tokenOf(`m${n}`) } });
    await member.ask("join_room", room);
    const ws = await TextClient.rooms(t, node);
    ws.send({ type: "authenticate", userId: `w${n}` }, { type: "join", room });
    const tap = await TextClient.open(t, node, "/tap");
    this.on.set(node, { lodgers, member, ws, tap, n });
  }

  /** Those on these nodes, as a list of {lodgers, member, ws, tap, n}. */
  of(nodes) {
    return nodes.map((node) => this.on.get(node));
  }

  /** Waits until everybody on some nodes has a list of exactly those on other ones. */
  async complete(nodes, of = nodes, ms) {
    const want = JSON.stringify(this.of(of).flatMap((p) => p.lodgers.map((c) => c.name)).sort());
    for (const { lodgers } of this.of(nodes)) {
      for (const client of lodgers) {
        await within(client.until(() => JSON.stringify(names(client)) === want, `the list ${want}`), `the list ${want}; got ${names(client)}`, ms);
      }
    }
    for (const node of nodes) {
      const members = async () => {
        const { users } = await api(node, `/api/rooms/${this.room}/users?kind=room`);
        const want = this.of(of).flatMap((p) => [`m${p.n}`, `w${p.n}`]);
        return JSON.stringify(users.map((u) => `${u.userId}`).sort()) === JSON.stringify(want.sort());
      };
      await eventually(members, "the members of the room", ms);
    }
  }

  /** Waits until each event is answered for and counted, from everywhere on these nodes to everywhere on them. */
  async counted(nodes) {
    const everybody = this.of(nodes).flatMap((p) => p.lodgers);
    for (const { lodgers } of this.of(nodes)) {
      for (const to of everybody) await counts(lodgers[0], to.userId, 1);
    }
  }

  /** Checks that those on some nodes were told once of each who has left there: in the chat, in the rooms, on the tap. */
  async toldOnce(nodes, gone) {
    for (const { lodgers, member, ws } of this.of(nodes)) {
      for (const them of this.of(gone)) {
        for (const client of lodgers) {
          for (const { name } of them.lodgers) {
            await client.until(() => client.got("notification").some(([n]) => n.description === left(name)), left(name));
            assert.equal(client.got("notification").filter(([n]) => n.description === left(name)).length, 1);
          }
        }
        for (const id of [`m${them.n}`, `w${them.n}`]) {
          await member.until(() => member.got("user_left").some(([u]) => u.userId === id), `${id} to leave /chat`);
          assert.equal(member.got("user_left").filter(([u]) => u.userId === id).length, 1, id);
          const leaves = (all) => all.filter((m) => m.type === "user_left" && m.userId === id);
          await ws.inbox.until((all) => leaves(all).length > 0, () => `${id} to leave /ws`);
          assert.equal(leaves(ws.inbox.all).length, 1, id);
        }
      }
    }
  }
}

// They mostly wait for time to pass that must, so they run side by side, each on a cluster of its own.
const together = { concurrency: 3 };

describe("a node that is killed in mid-traffic", together, () => {
  test("its people are gone within 10 s, told once; the others go on; a new one takes its place", async (t) => {
    const cluster = await useCluster({ t });
    const [a, b, c] = cluster.nodes;
    const people = await People.gather(t, cluster.nodes);
    await people.counted(cluster.nodes);
    const [pa, pb, pc] = people.of([a, b, c]);
    pc.tap.send({ connectionId: "of the dead" });
    for (const stream of people.streams) await stream.next();
    const traffic = [new Traffic(pa.lodgers[0], pb.lodgers[0]), new Traffic(pb.lodgers[1], pa.lodgers[1])];
    const doomed = [new Traffic(pc.lodgers[0], pa.lodgers[0]), new Traffic(pa.lodgers[1], pc.lodgers[1])];
    await pa.lodgers[0].until(() => doomed[0].got.length > 50, "traffic");

    const began = Date.now();
    await c.kill();
    await people.complete([a, b], [a, b], GONE_MS);
    const took = Date.now() - began;
    assert.ok(took < GONE_MS, `it took ${took} ms`);
    await people.toldOnce([a, b], [c]);
    for (const stream of people.streams.slice(0, 2)) {
      assert.equal((await stream.next("the end of the tap")).data, '{"close":{"connectionId":"of the dead"}}');
    }
    for (const flow of doomed) await flow.ordered();
    await people.counted([a, b]);
    for (const { lodgers } of [pa, pb]) await counts(lodgers[0], pc.lodgers[0].userId, 0);
    for (const node of [a, b]) {
      assert.equal((await api(node, `/api/users/${pc.lodgers[0].userId}`)).online, false);
      assert.equal((await api(node, `/api/users/m2`)).online, false);
    }

    await c.start();
    await people.arrive(c, 3);
    await people.complete([a, b, c]);
    await people.counted([a, b, c]);
    for (const flow of traffic) await flow.complete();
    await people.toldOnce([a, b], []);
    for (const client of [...pa.lodgers, ...pb.lodgers]) assert.ok(!client.names().includes("disconnect"));
    assert.deepEqual(people.streams.slice(0, 2).flatMap((s) => s.inbox.rest), [], "nothing was told twice");
  });

  test("two of three at once: the last one tells of both", async (t) => {
    const cluster = await useCluster({ t });
    const [a, b, c] = cluster.nodes;
    const people = await People.gather(t, cluster.nodes);
    const began = Date.now();
    await Promise.all([b.kill(), c.kill()]);
    await people.complete([a], [a], GONE_MS);
    assert.ok(Date.now() - began < GONE_MS);
    await people.toldOnce([a], [b, c]);
    await people.counted([a]);
    await Promise.all([b.start(), c.start()]);
  });
});

describe("a node that hangs for longer than its lease", () => {
  test("its people are gone, and back when it goes on", async (t) => {
    const cluster = await useCluster({ t });
    const [a, b, c] = cluster.nodes;
    const people = await People.gather(t, cluster.nodes);
    const [pa, pb, pc] = people.of([a, b, c]);
    const traffic = [new Traffic(pa.lodgers[0], pb.lodgers[0]), new Traffic(pb.lodgers[1], pa.lodgers[1])];
    const late = new Traffic(pa.lodgers[1], pc.lodgers[1]);
    await pc.lodgers[1].until(() => late.got.length > 20, "traffic");

    c.signal("SIGSTOP");
    t.after(() => c.signal("SIGCONT"));
    const began = Date.now();
    await people.complete([a, b], [a, b], GONE_MS);
    assert.ok(Date.now() - began < GONE_MS);
    await people.toldOnce([a, b], [c]);
    // It may still be asked, and does not answer; nobody waits for that for long.
    const asked = Date.now();
    const [answer] = await pa.lodgers[0].ask("count", { recipientUserId: pb.lodgers[0].userId });
    assert.deepEqual([answer.ok, answer.delivered], [true, 1]);
    assert.ok(Date.now() - asked < 3000, `${Date.now() - asked} ms`);

    c.signal("SIGCONT");
    await people.complete([a, b, c]);
    await people.counted([a, b, c]);
    await late.ordered();
    for (const flow of traffic) await flow.complete();
    for (const { lodgers, member } of people.of([a, b, c])) {
      for (const client of [...lodgers, member]) assert.ok(!client.names().includes("disconnect"), "connections stay");
    }
    // Whoever is back can leave again, and is told of once more.
    const [first] = pc.lodgers;
    first.socket.disconnect();
    await pa.lodgers[0].until(() => pa.lodgers[0].got("notification").filter(([n]) => n.description === left(first.name)).length === 2, "a second notice");
    await pa.lodgers[0].until(() => !names(pa.lodgers[0]).includes(first.name), "the list without it");
  });
});

describe("a rolling restart", together, () => {
  const reconnecting = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };

  const arrived = (client, answer) => {
    client.there = client.id;
    client.note(["there", answer]);
  };

  /** Somebody who logs in whenever there is a connection, as applications do. */
  function lodger(t, way, name, room) {
    const client = new Client(way, websocket, "", reconnecting);
    client.name = name;
    client.socket.on("connect", () => {
      client.socket.emit("login", { name, room }, (answer) => arrived(client, answer));
    });
    t.after(() => client.socket.disconnect());
    return client;
  }

  /** Somebody of /chat who joins whenever there is a connection. */
  function member(t, way, id, room) {
    const client = new Client(way, websocket, "/chat", { ...reconnecting, auth: { token: tokenOf(id) } });
    client.socket.on("connect", () => client.socket.emit("join_room", room, (answer) => arrived(client, answer)));
    t.after(() => client.socket.disconnect());
    return client;
  }

  /** Somebody of /ws who comes back when the connection ends; heard collects what came over all connections. */
  async function visitor(t, way, userId, room) {
    const it = { heard: [], comebacks: -1 };
    let over = false;
    t.after(() => {
      over = true;
      it.client?.ws.terminate();
    });
    const come = async () => {
      const client = new TextClient(way, "/ws", true, {});
      it.client = client;
      client.closed.then(async () => {
        if (!over) await pause(50).then(come);
      });
      await client.opened.catch(() => {});
      if (client.ws.readyState !== 1) return;
      client.ws.on("message", (data) => it.heard.push(JSON.parse(data)));
      client.send({ type: "authenticate", userId }, { type: "join", room });
      it.comebacks++;
    };
    await come();
    return it;
  }

  test("nobody who comes back within the grace vanishes from a list, or is told to have left or come", async (t) => {
    const env = { HANDOVER_GRACE: "10s", DRAIN_DELAY: "200ms", DRAIN_SPREAD: "500ms", SHUTDOWN_TIMEOUT: "5s" };
    const cluster = await useCluster({ t, env });
    const way = await Balancer.open(t, cluster.nodes);
    const room = fresh("room");
    // Two have the same name, and are two.
    const lodgers = ["ann", "bob", "cat", "dan", "eve", "twin", "twin"].map((name) => lodger(t, way, name, room));
    const everybody = JSON.stringify(lodgers.map((c) => c.name).sort());
    const members = ["m1", "m2", "m3"].map((id) => member(t, way, id, room));
    const visitors = await Promise.all(["w1", "w2", "w3"].map((id) => visitor(t, way, id, room)));
    /** Waits until everybody is connected and in the room, and has heard what everybody else says there. */
    const complete = async () => {
      for (const client of [...lodgers, ...members]) {
        const there = () => client.socket.connected && client.there === client.id;
        await client.until(there, "somebody to be there again", { evenGone: true });
      }
      const mark = fresh("mark");
      const heard = (list) => list.filter((m) => m.content === mark).length;
      const all = async () => {
        for (const client of members) client.emit("message", { roomId: room, content: mark });
        for (const { client } of visitors) if (client.ws.readyState === 1) client.send({ type: "message", room, content: mark });
        await pause(20);
        return members.every((c) => heard(c.got("message").flat()) >= 6) && visitors.every((v) => heard(v.heard) >= 5);
      };
      await eventually(all, "everybody to hear everybody");
      for (const client of lodgers) await client.until(() => JSON.stringify(names(client)) === everybody, `the list ${everybody}`, { evenGone: true });
      for (const node of cluster.nodes) {
        const users = async () => {
          const { users } = await api(node, `/api/rooms/${room}/users?kind=room`);
          return JSON.stringify(users.map((u) => [u.userId, u.connections]).sort()) === JSON.stringify(["m1", "m2", "m3", "w1", "w2", "w3"].map((id) => [id, 1]));
        };
        await eventually(users, "the members of the room");
      }
    };
    await complete();
    for (const client of [...lodgers, ...members]) client.log = [];
    for (const { heard } of visitors) heard.length = 0;

    for (const node of cluster.nodes) {
      const before = node.output.length;
      await node.stop();
      await node.start();
      await complete();
      assert.ok(!/"level":"(WARN|ERROR)"/.test(node.output.slice(before)), node.output.slice(before));
    }
    const comebacks = lodgers.reduce((sum, c) => sum + c.got("disconnect").length, 0);
    assert.ok(comebacks >= lodgers.length, `${comebacks} came back`);
    for (const client of lodgers) {
      for (const [answer] of client.got("there")) assert.ok(answer.user && !answer.error, JSON.stringify(answer));
      for (const [list] of client.got("users")) {
        assert.equal(JSON.stringify(list.map((u) => u.name).sort()), everybody, `a list on the way: ${JSON.stringify(list)}`);
      }
      assert.deepEqual(client.got("notification"), []);
    }
    for (const client of members) {
      assert.deepEqual([client.got("user_left"), client.got("user_joined")], [[], []]);
    }
    for (const { heard } of visitors) {
      assert.deepEqual(heard.filter((m) => !["connected", "message"].includes(m.type)), []);
    }
  });

  test("who does not come back is told to have left, once, when the grace is over", async (t) => {
    const cluster = await useCluster({ t, env: { HANDOVER_GRACE: "2s", DRAIN_SPREAD: "100ms" } });
    const [a, b, c] = cluster.nodes;
    const people = await People.gather(t, cluster.nodes);
    await c.stop();
    const witness = people.of([a])[0].lodgers[0];
    assert.equal(names(witness).length, 6, "they are there at first");
    assert.deepEqual(witness.got("notification").filter(([n]) => n.title === "Someone just left"), []);
    await people.complete([a, b], [a, b], GONE_MS);
    await people.toldOnce([a, b], [c]);
    await c.start();
  });

  test("without a grace they leave at once", async (t) => {
    const cluster = await useCluster({ t, env: { HANDOVER_GRACE: "0s" } });
    const [a, b, c] = cluster.nodes;
    const people = await People.gather(t, cluster.nodes);
    const began = Date.now();
    await c.stop();
    await people.complete([a, b], [a, b], 5000);
    assert.ok(Date.now() - began < 5000);
    await people.toldOnce([a, b], [c]);
    await c.start();
  });

  test("clients of Socket.IO see that the transport closed, others 1001, and messages go on between those who stay", async (t) => {
    const cluster = await useCluster({ t, env: { DRAIN_SPREAD: "300ms" } });
    const [a, b, c] = cluster.nodes;
    const people = await People.gather(t, cluster.nodes);
    const [pa, pb, pc] = people.of([a, b, c]);
    const traffic = [new Traffic(pa.lodgers[0], pb.lodgers[0]), new Traffic(pb.lodgers[1], pa.lodgers[1])];
    await c.stop();
    for (const client of [...pc.lodgers, pc.member]) assert.equal(await client.gone(), "transport close");
    for (const client of [pc.ws, pc.tap]) assert.equal((await client.end()).code, 1001);
    await c.start();
    for (const flow of traffic) await flow.complete();
  });
});

test("nothing is left over on the nodes when everybody has gone", async (t) => {
  const cluster = await useCluster({ t });
  const [a, b, c] = cluster.nodes;
  const idle = await Promise.all(cluster.nodes.map((node) => metric(node, "go_goroutines")));
  for (const round of upTo(3)) {
    const people = new People(t, cluster.nodes, fresh("room"));
    for (const [n, node] of cluster.nodes.entries()) await people.arrive(node, n);
    await people.complete([a, b, c]);
    await people.counted([a, b, c]);
    for (const { lodgers, member, ws, tap } of people.of([a, b, c])) {
      for (const client of [...lodgers, member]) client.socket.disconnect();
      for (const client of [ws, tap]) client.ws.close();
    }
    for (const [n, node] of cluster.nodes.entries()) {
      await eventually(async () => (await metric(node, "signalbox_sockets")) === 0, `nobody to be there, round ${round}`);
      await eventually(async () => (await metric(node, "go_goroutines")) <= idle[n] + 10, "goroutines to end");
    }
    await eventually(async () => (await api(a, "/api/rooms")).rooms.length === 0, "no room to be left");
  }
  const wills = (await cluster.redis.keys()).filter(({ key }) => /:(wills|users|owners|rooms)$/.test(key) && !key.includes("history"));
  assert.deepEqual(wills.map(({ key }) => key), [], "what Redis knows of people");
});
