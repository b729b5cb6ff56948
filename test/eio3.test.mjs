// Clients of Engine.IO 3 beside those of today, with ALLOW_EIO3.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, describe, test } from "node:test";
import { onReference } from "./support/build.mjs";
import { Client, connect, eachClient, fresh, newest, plain, ways } from "./support/clients.mjs";
import { Cluster } from "./support/cluster.mjs";
import { Cuttable } from "./support/cuttable.mjs";
import { happens, within } from "./support/deadline.mjs";
import { Robin } from "./support/robin.mjs";
import { Server, useServer } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const require = createRequire(import.meta.url);
const API_KEY = "a key of the tests, which is long";
const env = { ALLOW_EIO3: "true", JWT_SECRET: SECRET, API_KEY };
const skip = onReference && "doors of signalbox";
const server = skip ? undefined : await useServer({ env });

// An old socket that was refused leaves its connection open when it is told to disconnect.
const managers = [];
after(() => managers.forEach((manager) => manager.close()));

/** What makes sockets of an old build, with the onAny that newer ones have. */
const withOnAny = (name) => {
  const io = require(name);
  return (url, options) => {
    const socket = io(url, options);
    managers.push(socket.io);
    const { onevent } = socket;
    socket.onAny = (listener) => {
      socket.onevent = function (packet) {
        listener(...packet.data);
        onevent.call(this, packet);
      };
    };
    return socket;
  };
};

// 2.0.4 and 1.7.4 leave connections open that keep a process alive: run.mjs has them in a run that ends when its tests have.
const builds = process.env.EIO3 === "oldest"
  ? [["socket.io-client 2.0.4", "socket.io-client-2.0"], ["socket.io-client 1.7.4", "socket.io-client-1"]]
  : [["socket.io-client 2.5.0", "socket.io-client-2"]];
const rows = builds.flatMap(([name, module]) => ways.map((way) => ({ name: `${name}, ${way.name}`, io: withOnAny(module), transports: way.transports, first: name.includes("1.7") })));
const back = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50, randomizationFactor: 0 };

/** Joins as a broker user whenever the client connects. */
function joins(client, user) {
  const join = () => client.socket.emit("join", { senderUserId: user, recipientUserId: -1 }, (answer) => client.note(["joined", answer]));
  client.socket.on("connect", join);
}

async function ask(body) {
  const headers = { "Content-Type": "application/json", "X-API-Key": API_KEY };
  return (await within(fetch(`${server.url}/api/emit`, { method: "POST", headers, body: JSON.stringify(body) }), "the API")).json();
}

describe("clients of Engine.IO 3", { skip }, () => {
  eachClient(rows, (row) => {
    test("its id is the one that others see", async (t) => {
      const client = await connect(t, server, row);
      await client.login("ann", fresh("room")); // the answer has the id
      assert.match(client.id, /^[\w-]{20}$/);
    });

    test("text and bytes, to it and from it, with answers", async (t) => {
      const old = await connect(t, server, row);
      const young = await connect(t, server, newest[1]);
      const [a, b] = [fresh(), fresh()];
      await old.join(a);
      await young.join(b);
      // Without bytes on polling version 1 garbles what is beyond ASCII.
      const text = row.first && row.transports[0] === "polling" ? "plain" : "h\u00e9llo \u20ac \u{1f389} \u2028";
      for (const [from, to, user] of [[old, young, b], [young, old, a], [old, old, a]]) {
        const data = { recipientUserId: user, text, photo: Buffer.from([1, 2, 3]), list: [Buffer.alloc(300, 7), null] };
        assert.deepEqual(await from.ask("photo", data), [{ ok: true, delivered: 1 }]);
        assert.deepEqual(plain(await to.next("photo")), plain([data]));
        assert.deepEqual(await from.ask("word", { recipientUserId: user, text }), [{ ok: true, delivered: 1 }]);
        assert.deepEqual(await to.next("word"), [{ recipientUserId: user, text }]);
      }
    });

    test("it answers what it is asked", async (t) => {
      const client = await connect(t, server, row);
      const user = fresh();
      await client.join(user);
      client.socket.on("question", (text, done) => done(text, Buffer.from([1, 2])));
      assert.deepEqual(await ask({ users: [user], event: "question", args: ["what"], ack: true }), {
        ok: true, delivered: 1, missing: 0,
        answers: [{ sid: client.id, args: ["what", { _placeholder: true, num: 0 }], attachments: ["AQI="] }],
      });
    });

    test("a namespace with its token in the query", async (t) => {
      const [user, room] = [fresh(), fresh("room")];
      const old = await connect(t, server, row, { namespace: "/chat", query: { token: tokenOf(user) } });
      const young = await connect(t, server, newest[1], { namespace: "/chat", auth: { token: tokenOf(fresh()) } });
      if (!row.first) assert.equal(old.id, `/chat#${old.socket.io.engine.id}`);
      for (const client of [old, young]) assert.deepEqual(await client.ask("join_room", room), [{ ok: true }]);
      assert.deepEqual(await young.ask("message", { roomId: room, content: "hello" }), [{ ok: true }]);
      assert.equal((await old.next("message"))[0].content, "hello");
      assert.deepEqual(await old.ask("message", { roomId: room, content: "and back" }), [{ ok: true }]);
      assert.equal((await young.next("message", ({ content }) => content === "and back"))[0].userId, user);
    });

    test("it is refused in words", async (t) => {
      for (const [namespace, words] of [["/chat", "Authentication failed"], ["/nowhere", { message: "Invalid namespace" }]]) {
        const client = new Client(server, row, namespace);
        t.after(() => client.socket.disconnect());
        const [refused] = await happens(client.socket, "error");
        assert.deepEqual(refused, words);
      }
    });

    test("it takes no bytes but in base64", async (t) => {
      const client = await connect(t, server, row, { forceBase64: true });
      const user = fresh();
      await client.join(user);
      const data = { recipientUserId: user, photo: Buffer.from([1, 2, 3]) };
      assert.deepEqual(await client.ask("photo", data), [{ ok: true, delivered: 1 }]);
      assert.deepEqual(plain(await client.next("photo")), plain([data]));
    });

    test("it comes back after a cut", async (t) => {
      const way = await Cuttable.open(t, server);
      const user = fresh();
      const client = new Client(way, row, "", back);
      t.after(() => client.socket.disconnect());
      joins(client, user);
      assert.deepEqual(await client.next("joined"), [{ ok: true }]);
      await client.upgraded();
      const { id } = client;
      const cutting = setInterval(() => way.cut(), 20); // a client may be between two polls
      await client.gone().finally(() => clearInterval(cutting));
      assert.deepEqual(await client.next("joined"), [{ ok: true }]);
      assert.notEqual(client.id, id);
      client.emit("word", { recipientUserId: user });
      await client.next("word");
    });
  });

  test("it comes back after a restart", async (t) => {
    const own = await Server.start({ env });
    t.after(() => own.stop());
    const clients = rows.map((row) => new Client(own, row, "", back));
    t.after(() => clients.forEach((client) => client.socket.disconnect()));
    for (const client of clients) joins(client, fresh());
    for (const client of clients) assert.deepEqual(await client.next("joined"), [{ ok: true }]);
    await own.stop();
    for (const client of clients) await client.gone();
    await own.start();
    for (const client of clients) assert.deepEqual(await client.next("joined"), [{ ok: true }]);
  });

  test("over two servers: rooms across, each at its own, and polling at any with NODE_URL", async (t) => {
    const cluster = await Cluster.start({ nodes: 2, env: { ...env, NODE_URL: (port) => `http://127.0.0.1:${port}`, TRUSTED_PROXIES: "127.0.0.1" } });
    t.after(() => cluster.stop());
    const robin = await Robin.open(t, cluster.nodes);
    const places = [...rows.flatMap((row) => [[cluster.nodes[0], row], [cluster.nodes[1], row], [robin, row]]), [cluster.nodes[0], newest[1]]];
    const clients = await Promise.all(places.map(([at, row]) => connect(t, at, row)));
    const users = clients.map(() => fresh());
    await Promise.all(clients.map((client, n) => client.join(users[n])));
    const photo = Buffer.from([1, 2, 3]);
    const words = (n) => Array.from({ length: 10 }, (_, i) => ({ recipientUserId: users[(n + 1) % users.length], i, photo }));
    await Promise.all(clients.map(async (client, n) => {
      for (const word of words(n)) client.emit("word", word);
      const to = clients[(n + 1) % clients.length];
      await to.until(() => to.got("word").length >= 10, "the words");
      assert.deepEqual(to.got("word").map(([word]) => plain(word)), words(n).map(plain));
    }));
  });

  test("a client that pings lives on, and one that does not is gone", async (t) => {
    const own = await Server.start({ env: { ...env, PING_INTERVAL: "200ms", PING_TIMEOUT: "300ms" } });
    t.after(() => own.stop());
    const [living, silent] = [rows[0], rows[1]].map((row) => new Client(own, row));
    t.after(() => [living, silent].forEach((client) => client.socket.disconnect()));
    await Promise.all([living.connected(), silent.connected()]);
    silent.socket.io.engine.ping = () => {};
    let pongs = 0;
    const lived = new Promise((resolve) => living.socket.io.engine.on("heartbeat", () => ++pongs === 5 && resolve()));
    await Promise.all([within(lived, "five pongs"), silent.gone()]);
    assert.ok(living.socket.connected);
  });
});
