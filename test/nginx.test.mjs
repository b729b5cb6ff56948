// The configuration of nginx in docs/deploy.md, with the real nginx in front of three nodes on one Redis.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { onReference } from "./support/build.mjs";
import { Client, connect, fresh, newest } from "./support/clients.mjs";
import { Cluster, KEY, eventually } from "./support/cluster.mjs";
import { StreamClient, TextClient, publish } from "./support/doors.mjs";
import { Nginx, findNginx } from "./support/nginx.mjs";
import { request } from "./support/raw.mjs";
import { tokenOf } from "./support/tokens.mjs";

const skip = onReference
  ? "not the reference's"
  : process.platform !== "linux"
    ? "clients come from many loopback addresses, which only Linux has"
    : findNginx() === undefined && "there is no nginx here";

describe("nginx as in docs/deploy.md", { skip }, () => {
  let cluster, nodes, nginx;

  before(async () => {
    // The limit is for those of one address. It would be reached soon if the servers took nginx for all of them.
    cluster = await Cluster.start({
      nodes: 3,
      env: { TRUSTED_PROXIES: "127.0.0.1", MAX_CONNECTIONS_PER_IP: "10", DRAIN_SPREAD: "2s", HANDOVER_GRACE: "5s" },
    });
    nodes = cluster.nodes;
    nginx = await Nginx.start(nodes);
  });
  after(async () => {
    await nginx?.stop();
    await cluster?.stop();
  });

  let last = 1;
  /** Makes a client's connections come from an address that no other client has. */
  const elsewhere = () => {
    last++;
    return new http.Agent({ localAddress: `127.0.${Math.floor(last / 250)}.${(last % 250) + 2}` });
  };

  /** A client that comes back by itself, and joins as its user whenever it is connected. */
  async function dweller(t, row) {
    const client = new Client(nginx, row, "", {
      agent: elsewhere(), reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 200, timeout: 5000,
    });
    t.after(() => client.socket.disconnect());
    client.userId = fresh();
    client.row = row;
    client.failures = [];
    client.socket.on("connect_error", (err) => client.failures.push(err));
    client.socket.on("connect", () => {
      client.socket.emit("join", { senderUserId: client.userId, recipientUserId: -1 }, (answer) => client.note(["joined", client.id, answer]));
    });
    await settled(client);
    return client;
  }

  /** Waits until a client is connected by its best transport, and its user's. */
  async function settled(client) {
    const ready = () => client.socket.connected && client.log.some(([what, id]) => what === "joined" && id === client.id);
    const best = client.row.transports.at(-1);
    await eventually(() => ready() && client.transport === best, `a client over ${client.row.name} to be settled`);
  }

  const population = (t, count) => Promise.all(Array.from({ length: count }, (_, n) => dweller(t, newest[n % newest.length])));

  /** Everybody addresses the next one, many times; all of it arrives, in order. */
  async function ring(clients, count = 5) {
    const mark = fresh("mark");
    const to = (n) => clients[(n + 1) % clients.length];
    await Promise.all(clients.map(async (client, n) => {
      for (let i = 0; i < count; i++) client.emit("word", { recipientUserId: to(n).userId, mark, i });
      const [answer] = await client.ask("word", { recipientUserId: to(n).userId, mark, i: count });
      // The session of one who polls outlives a change of servers for a while: then there are two.
      assert.ok(answer.ok && answer.delivered >= 1, `${client.row.name}: ${JSON.stringify(answer)}`);
    }));
    for (const client of clients) {
      const got = () => client.got("word").filter(([data]) => data.mark === mark).map(([data]) => data.i);
      await client.until(() => got().length > count, "all words");
      assert.deepEqual(got(), Array.from({ length: count + 1 }, (_, i) => i), client.row.name);
    }
  }

  /** Waits until a client that may have lost its server, and not know it yet, has one again, and is found there. */
  async function regained(client) {
    const answers = () => client.socket.timeout(500).emitWithAck("word", { recipientUserId: client.userId }).then((answer) => answer.delivered > 0, () => false);
    await eventually(answers, "an answer");
    await settled(client);
  }

  /** Waits until nginx sends a node new clients again, those that poll as well. */
  async function welcomed(t, node) {
    const some = async () => {
      for (const row of newest) await dweller(t, row);
      return (await gauge(node, /^signalbox_connections\{kind="polling"\} (\d+)$/m)) > 0;
    };
    await eventually(some, "new clients to be sent to a server that is back");
  }

  /** A value of a node's metrics. */
  async function gauge(node, line) {
    const page = await request(node, "/metrics");
    return Number(line.exec(page.text)[1]);
  }

  test("polling, websocket and upgrade: each client stays with its server, and all servers have some", async (t) => {
    const clients = await population(t, 24);
    for (const node of nodes) assert.ok((await gauge(node, /^signalbox_sockets (\d+)$/m)) > 0, `${node.url} has clients`);
    await ring(clients, 50);
    for (const client of clients) {
      assert.equal(client.log.filter(([what]) => what === "disconnect").length, 0, client.row.name);
      assert.deepEqual(client.failures, [], client.row.name);
    }
    for (const client of clients.slice(0, 3)) {
      const text = "x".repeat(900_000);
      assert.deepEqual(await client.ask("long", { recipientUserId: client.userId, text }), [{ ok: true, delivered: 1 }]);
      assert.equal((await client.next("long"))[0].text, text, client.row.name);
    }
  });

  test("rooms: /chat, /ws and streams; the API", async (t) => {
    const room = fresh("room");
    const streams = await Promise.all([1, 2, 3].map(() => StreamClient.open(t, nginx, `/events/room/${room}`, [], { token: tokenOf("9") })));
    const plain = await Promise.all([1, 2, 3].map(() => TextClient.rooms(t, nginx)));
    for (const client of plain) {
      client.send({ type: "join", room });
      assert.deepEqual((await client.quiet()).filter(({ type }) => type !== "user_joined"), []);
    }
    const chat = await connect(t, nginx, newest[0], { namespace: "/chat", auth: { token: tokenOf("1") }, agent: elsewhere() });
    assert.deepEqual(await chat.ask("join_room", room), [{ ok: true }]);
    await chat.ask("message", { roomId: room, content: "hello" });
    for (const client of plain) {
      await client.inbox.until((all) => all.some(({ type, content }) => type === "message" && content === "hello"), "the message on /ws");
    }
    for (const client of streams) assert.equal(JSON.parse((await client.next()).data).content, "hello");
    const { status, body } = await publish(nginx, KEY, `room:${room}`, { type: "message", data: { content: "from a backend" } });
    assert.deepEqual([status, body], [200, { ok: true, delivered: 7 }]);
    for (const client of streams) assert.equal(JSON.parse((await client.next()).data).content, "from a backend");
    assert.equal((await request(nginx, "/metrics")).status, 403);
    const home = await request(nginx, "/");
    assert.equal(home.text, "Real-Time Signal Broker");
  });

  test("a server that stops: its clients go to the others, and who comes meanwhile notices nothing", async (t) => {
    const clients = await population(t, 24);
    const tap = await TextClient.open(t, nginx, "/tap");
    const streams = await Promise.all(Array.from({ length: 6 }, () => StreamClient.events(t, nginx)));
    const stopped = nodes[0].stop();
    let over = false;
    stopped.finally(() => (over = true)).catch(() => {});
    const more = [];
    for (let n = 0; !over && n < 30; n++) {
      const client = await dweller(t, newest[n % newest.length]);
      assert.deepEqual(client.failures, [], client.row.name);
      more.push(client);
    }
    await stopped;
    assert.ok(more.length > 2, "some came while it stopped");
    await Promise.all([...clients, ...more].map(settled));
    await ring([...clients, ...more]);
    // EventSource comes back by itself, unless it was answered anything but 200.
    const opened = tap.ws.readyState === tap.ws.OPEN ? tap : await TextClient.open(t, nginx, "/tap");
    for (const stream of streams) {
      await eventually(() => stream.source.readyState === stream.source.OPEN, "the stream to be back");
      assert.notEqual(stream.source.readyState, stream.source.CLOSED);
    }
    opened.send({ connectionId: 1, word: "after" });
    for (const stream of streams) {
      await stream.inbox.until((all) => all.some(({ data }) => data.includes("after")), "what was said after");
    }
    await nodes[0].start();
    await welcomed(t, nodes[0]);
  });

  test("a server that dies, and is back", async (t) => {
    const clients = await population(t, 24);
    await nodes[1].kill();
    await Promise.all(clients.map(regained));
    await ring(clients);
    await nodes[1].start();
    await welcomed(t, nodes[1]);
    // Clients that poll are its own again, by their address: it does not know their sessions, and they begin new ones.
    await Promise.all(clients.map(regained));
    await ring(clients);
  });

  test("while Redis is away clients are let in", async (t) => {
    await cluster.redis.stop();
    for (const node of nodes) await eventually(async () => (await request(node, "/readyz")).status === 503, "/readyz to say so");
    for (let n = 0; n < 4; n++) assert.equal((await request(nginx, "/readyz")).status, 503);
    const clients = await population(t, 9);
    for (const client of clients) {
      assert.deepEqual(await client.ask("word", { recipientUserId: client.userId }), [{ ok: true, delivered: 1, partial: true }]);
      assert.deepEqual(client.failures, [], client.row.name);
    }
    await cluster.redis.start();
    for (const node of nodes) await eventually(async () => (await request(node, "/readyz")).status === 200, "Redis to be back");
    await ring(clients);
  });
});
