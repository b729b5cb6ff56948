// Servers that share a stream of Redis: all clients have everything in one order, and no server of another mode joins.

import assert from "node:assert/strict";
import { test } from "node:test";
import { onReference } from "./support/build.mjs";
import { connect, fresh, newest } from "./support/clients.mjs";
import { Cluster, useCluster } from "./support/cluster.mjs";
import { needsRealRedis } from "./support/redis.mjs";

const websocket = newest[1];
const options = onReference ? { skip: "there is no signalbox in it" } : needsRealRedis;

test("clients of all servers have the messages of all senders in one order, Node's too", options, async (t) => {
  const cluster = await useCluster({ t, nodes: 3, servers: 1, mode: "streams" });
  const id = fresh();
  const listeners = await Promise.all(cluster.nodes.map(async (node) => (await connect(t, node, websocket)).join(id)));
  const senders = await Promise.all(cluster.all.map((server) => connect(t, server, websocket)));
  for (let n = 0; n < 200; n++) senders.forEach((sender, from) => sender.emit("n", { recipientUserId: id, from, n }));
  const heard = (client) => client.got("n").map(([data]) => `${data.from}:${data.n}`);
  for (const client of listeners) await client.until(() => heard(client).length === 800, "all of it");
  for (const client of listeners.slice(1)) assert.deepEqual(heard(client), heard(listeners[0]));
  for (const from of senders.keys()) {
    assert.deepEqual(heard(listeners[0]).filter((m) => m.startsWith(`${from}:`)), Array.from({ length: 200 }, (_, n) => `${from}:${n}`));
  }
});

for (const [there, here] of [["streams", "classic"], ["classic", "streams"]]) {
  test(`beside Node servers in the mode ${there} one in the mode ${here} does not start, and says why`, options, async (t) => {
    const cluster = await useCluster({ t, nodes: 0, servers: 1, mode: there });
    await assert.rejects(Cluster.start({ nodes: 1, mode: here, redis: cluster.redis, ownsRedis: false }), (err) => {
      assert.match(err.message, new RegExp(`REDIS_MODE: servers in the mode ${there}`));
      return true;
    });
  });
}
