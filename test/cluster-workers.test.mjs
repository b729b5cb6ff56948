// A worker at one server serves the clients of others: events in order, calls of the API, and who takes over when it leaves.

import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";
import { onReference } from "./support/build.mjs";
import { useCluster } from "./support/cluster.mjs";
import { Cuttable } from "./support/cuttable.mjs";
import { within } from "./support/deadline.mjs";

const WORKER_KEY = "0123456789abcdef0123456789abcdef";

function open(t, server, namespace, options) {
  const socket = io(server.url + namespace, { transports: ["websocket"], forceNew: true, ...options });
  t.after(() => socket.disconnect());
  return socket;
}

const connected = (socket) => within(new Promise((resolve) => socket.on("connect", resolve)), "a client to connect");

/** A worker that answers an event with its name and the event's number, and emits through the API before. */
async function work(t, server, name) {
  const worker = open(t, server, "/backend", { auth: { key: WORKER_KEY } });
  const handle = async (e) => {
    if (e.type !== "event") return {};
    if (e.event === "all") await worker.timeout(5000).emitWithAck("emit", { namespace: "/game", event: "news", args: [name], idempotencyKey: e.id });
    return { ack: [[name, e.seq]] };
  };
  worker.on("events", async ({ events }, answer) => answer({ results: await Promise.all(events.map(handle)) }));
  await connected(worker);
  assert.deepEqual(await worker.timeout(5000).emitWithAck("handle", { events: ["/game:*"] }), { ok: true });
  return worker;
}

test("a worker serves the clients of every server", { skip: onReference && "not the reference's" }, async (t) => {
  const { nodes } = await useCluster({ t, nodes: 2, env: { WORKER_KEY, WORKER_EVENTS: "/game:*", HOOKS_RETRY: "*", RECOVERY: "true" } });
  const first = await work(t, nodes[0], "first");
  const way = await Cuttable.open(t, nodes[1]);
  const clients = [nodes[0], way].map((node) => open(t, node, "/game", { reconnectionDelay: 50, randomizationFactor: 0 }));
  await Promise.all(clients.map(connected));
  const news = clients.map((socket) => new Promise((resolve) => socket.on("news", resolve)));
  assert.deepEqual(await clients[1].timeout(5000).emitWithAck("all"), ["first", 1]);
  assert.deepEqual(await within(Promise.all(news), "what the worker emits"), ["first", "first"]);
  const answers = await Promise.all(Array.from({ length: 50 }, () => clients[1].timeout(5000).emitWithAck("x")));
  assert.deepEqual(answers.map(([, seq]) => seq), Array.from({ length: 50 }, (_, i) => i + 2), "in order, without a gap");
  await work(t, nodes[1], "second");
  first.disconnect();
  for (const [i, socket] of clients.entries()) {
    assert.deepEqual(await socket.timeout(10_000).emitWithAck("x"), ["second", i === 0 ? 1 : 52]);
  }
  const { id } = clients[1];
  const back = connected(clients[1]);
  way.server = nodes[0];
  way.cut();
  await back;
  assert.equal(clients[1].recovered, true);
  assert.equal(clients[1].id, id);
  assert.deepEqual(await clients[1].timeout(5000).emitWithAck("x"), ["second", 53], "the same socket to the worker, at the other server");
});
