// NODE_URL: three nodes behind a load balancer that knows no sessions, so that each request of a client that polls comes to
// another node. LONG=1 does it behind nginx too, and with more clients.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { onReference } from "./support/build.mjs";
import { Client, fresh, newest } from "./support/clients.mjs";
import { Cluster, eventually } from "./support/cluster.mjs";
import { long } from "./support/long.mjs";
import { Nginx, findNginx } from "./support/nginx.mjs";
import { request } from "./support/raw.mjs";
import { Robin } from "./support/robin.mjs";

const ways = newest.filter((row) => row.transports.includes("polling"));
const many = long ? 12 : 6;

/** nginx with nothing but a list of servers. */
const plain = (port, servers) => `
upstream signalbox { ${servers.map((s) => `server 127.0.0.1:${s.port};`).join(" ")} keepalive 64; }
map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
server {
  listen 127.0.0.1:${port};
  location / {
    proxy_pass http://signalbox;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_read_timeout 75s;
  }
}`;

const fronts = [["a plain round robin", (t, nodes) => Robin.open(t, nodes)]];
if (long && findNginx()) {
  fronts.push(["nginx", async (t, nodes) => {
    const nginx = await Nginx.start(nodes, plain);
    t.after(() => nginx.stop());
    nginx.without = (node) => nginx.reload(nodes.filter((other) => other !== node));
    return nginx;
  }]);
}

/** Clients that poll, and a third as many that go on by websocket, each a user. They come back by themselves. */
async function population(t, front) {
  const clients = ways.flatMap((row, n) => Array.from({ length: n === 0 ? many : many / 3 }, () => row)).map((row) => {
    const client = new Client(front, row, "", { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 100, timeout: 5000 });
    t.after(() => client.socket.disconnect());
    client.row = row;
    client.userId = fresh();
    client.socket.on("connect", () => {
      client.socket.emit("join", { senderUserId: client.userId, recipientUserId: -1 }, (answer) => client.note(["joined", client.id, answer]));
    });
    return client;
  });
  await Promise.all(clients.map(settled));
  return clients;
}

const settled = (client) =>
  client.until(() => client.socket.connected && client.log.some(([what, id]) => what === "joined" && id === client.id), "join", { evenGone: true })
    .then(() => client.upgraded());

/** The node that has the session of a client, among names that are the same for the same node. */
const home = (client) => client.socket.io.engine.id.slice(0, 4);

/** Each client sends the next one numbers and bytes, until stop is called, which resolves when all have arrived, in order. */
function traffic(clients) {
  const mark = fresh("mark");
  const to = (n) => clients[(n + 1) % clients.length];
  const sent = clients.map(() => 0);
  let stopped = false;
  const talk = async (client, n) => {
    while (!stopped) {
      const i = sent[n]++;
      client.emit("word", { recipientUserId: to(n).userId, mark, i, bytes: Buffer.from([i & 255, 0, 255]) });
      await new Promise((resolve) => setTimeout(resolve, 5)); // how often, not how long
    }
  };
  const talking = clients.map(talk);
  return {
    sent,
    got: (client) => client.got("word").filter(([data]) => data.mark === mark).map(([data]) => data),
    async stop() {
      stopped = true;
      await Promise.all(talking);
      for (const [n, client] of clients.entries()) {
        const got = () => this.got(to(n));
        await to(n).until(() => got().length >= sent[n], `${sent[n]} words over ${client.row.name}`);
        assert.deepEqual(got().map(({ i }) => i), Array.from({ length: sent[n] }, (_, i) => i), to(n).row.name);
        for (const { i, bytes } of got()) assert.deepEqual([...new Uint8Array(bytes)], [i & 255, 0, 255]);
      }
    },
  };
}

const count = async (node, name) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec((await request(node, "/metrics")).text)[1]);
const losses = (client) => client.log.filter(([what]) => what === "disconnect").length;

const skip = onReference && "not the reference's";

for (const [name, open] of fronts) {
  describe(`clients that poll behind ${name}`, { skip }, () => {
    const start = async (t) => {
      const cluster = await Cluster.start({ nodes: 3, env: { NODE_URL: (port) => `http://127.0.0.1:${port}`, TRUSTED_PROXIES: "127.0.0.1", DRAIN_DELAY: "300ms" } });
      t.after(() => cluster.stop());
      const front = await open(t, cluster.nodes);
      return { cluster, front, clients: await population(t, front) };
    };

    test("all arrives in order, while a server stops as well", async (t) => {
      const { cluster, front, clients } = await start(t);
      const words = traffic(clients);
      await eventually(() => words.sent.every((n) => n > 50), "some traffic");
      await words.stop();
      for (const client of clients) assert.equal(losses(client), 0, client.row.name);
      for (const node of cluster.nodes) {
        assert.ok((await count(node, "signalbox_forwarded_total")) > 10);
        assert.equal(await count(node, "signalbox_forward_failures_total"), 0);
        assert.equal(await count(node, "signalbox_forwards_forged_total"), 0);
      }

      // Those who poll at the others do not notice that one stops: it has passed on what is theirs.
      const [leaver, before] = await least(cluster, clients);
      const stay = clients.filter((client) => client.transport === "polling" && home(client) !== before);
      assert.ok(stay.length > 1, "some poll at other servers");
      const more = traffic(stay);
      await eventually(() => more.sent.every((n) => n > 20), "some traffic");
      await front.without(leaver);
      await leaver.stop();
      cluster.nodes = cluster.nodes.filter((node) => node !== leaver);
      const then = more.sent.map((n) => n + 20);
      await eventually(() => more.sent.every((n, i) => n > then[i]), "some traffic more");
      await more.stop();
      for (const client of stay) assert.equal(losses(client), 0, client.row.name);
      await Promise.all(clients.map(settled));
      for (const client of clients) assert.notEqual(home(client), before, "the server that stopped");
    });

    test("a server that is killed", { skip: !long && "in long runs" }, async (t) => {
      const { cluster, clients } = await start(t);
      const [victim, before] = await least(cluster, clients);
      await victim.kill();
      cluster.nodes = cluster.nodes.filter((node) => node !== victim);
      await eventually(async () => {
        await Promise.all(clients.map(settled));
        return clients.every((client) => client.socket.connected && home(client) !== before);
      }, "all to be at the others");
      const words = traffic(clients);
      await eventually(() => words.sent.every((n) => n > 20), "some traffic");
      await words.stop();
    });
  });
}

/** The server that the fewest have their sessions at, and what the ids of its sessions begin with. */
async function least(cluster, clients) {
  const homes = await Promise.all(cluster.nodes.map(async (node) => {
    const { text } = await request(node, "/socket.io/?EIO=4&transport=polling");
    return [node, JSON.parse(text.slice(1)).sid.slice(0, 4)];
  }));
  const has = ([, at]) => clients.filter((client) => client.transport === "polling" && home(client) === at).length;
  return homes.sort((a, b) => has(a) - has(b))[0];
}
