// The tap: plain WebSocket in, event streams out.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fresh } from "./support/clients.mjs";
import { Cuttable } from "./support/cuttable.mjs";
import { within } from "./support/deadline.mjs";
import { StreamClient, TextClient } from "./support/doors.mjs";
import { useServer } from "./support/server.mjs";

/** Everybody hears everything on the tap, so each test has a server of its own. */
const start = (t) => useServer({ t });
const tap = (t, server) => TextClient.open(t, server, "/tap");

/** Listens at three places, so on each node where the server is three, and returns a wait for the next message at all of them. */
async function everywhere(t, server) {
  const streams = await Promise.all([1, 2, 3].map(() => StreamClient.events(t, server)));
  return (id) => Promise.all(streams.map((stream) => about(stream, id)));
}

/** Returns the next message of the tap, which has to be about this connectionId. */
async function about(stream, id) {
  const m = await stream.next(`a message of ${id}`);
  assert.equal(m.type, "message");
  assert.ok(m.data.includes(JSON.stringify(id)), `${m.data} is about ${id}`);
  return m;
}

describe("frames", () => {
  for (const [name, id] of Object.entries({ "a number": 7_000_001, "text": fresh("tap"), "text of a number": "7000002" })) {
    test(`with ${name} as connectionId come out unnamed, byte for byte`, async (t) => {
      const server = await start(t);
      const stream = await StreamClient.events(t, server);
      const source = await tap(t, server);
      const frame = `{"z":1.50,"connectionId":${JSON.stringify(id)},"a":{"unicode":"\\u00e9 ☃","empty":[]},"n":1e3}`;
      source.send(frame);
      assert.equal((await about(stream, id)).data, frame);
    });
  }

  test("over several lines come out in one", async (t) => {
    const server = await start(t);
    const stream = await StreamClient.events(t, server);
    const source = await tap(t, server);
    const id = fresh("tap");
    source.send(JSON.stringify({ connectionId: id, lines: "a\nb" }, null, 2));
    assert.equal((await about(stream, id)).data, JSON.stringify({ connectionId: id, lines: "a\nb" }));
  });

  test("in binary count as text, and nothing is ever sent back", async (t) => {
    const server = await start(t);
    const stream = await StreamClient.events(t, server);
    const source = await tap(t, server);
    const id = fresh("tap");
    source.send(Buffer.from(JSON.stringify({ connectionId: id })));
    await about(stream, id);
    assert.deepEqual(source.inbox.all, []);
  });

  test("that are no good are dropped, and the socket stays", async (t) => {
    const server = await start(t);
    const stream = await StreamClient.events(t, server);
    const source = await tap(t, server);
    const last = fresh("tap");
    source.send("{", "null", "[]", '"text"', "7", "", "{}", '{"connectionId":null}', '{"connectionId":0}', '{"connectionId":""}', '{"connectionId":false}', "\u0000", Buffer.from([0xff, 0xfe]));
    source.send({ connectionId: last });
    const m = await stream.next("the first message");
    assert.equal(m.data, JSON.stringify({ connectionId: last }), "nothing came before it");
  });

  test("reach everybody who listens, 500 of them in order", async (t) => {
    const server = await start(t);
    const streams = await Promise.all([1, 2, 3].map(() => StreamClient.events(t, server)));
    const source = await tap(t, server);
    const id = fresh("tap");
    const frames = Array.from({ length: 500 }, (_, n) => JSON.stringify({ connectionId: id, n }));
    source.send(...frames);
    for (const stream of streams) {
      const got = await stream.take(500, "500 messages");
      assert.deepEqual(got.map((m) => m.data), frames);
    }
  });
});

describe("the end of a connection", () => {
  for (const [name, end] of Object.entries({ closed: (ws) => ws.close(), cut: (ws) => ws.terminate() })) {
    test(`that is ${name} is told with the last id`, async (t) => {
      const server = await start(t);
      const stream = await StreamClient.events(t, server);
      const source = await tap(t, server);
      const [first, last] = [fresh("tap"), fresh("tap")];
      source.send({ connectionId: first }, { connectionId: last }, '{"connectionId":0}');
      await about(stream, first);
      await about(stream, last);
      end(source.ws);
      assert.equal((await about(stream, last)).data, `{"close":{"connectionId":${JSON.stringify(last)}}}`);
    });
  }

  test("keeps the type of a number", async (t) => {
    const server = await start(t);
    const stream = await StreamClient.events(t, server);
    const source = await tap(t, server);
    source.send({ connectionId: 42 });
    await stream.next();
    source.ws.close();
    assert.equal((await stream.next("the close")).data, '{"close":{"connectionId":42}}');
  });

  test("of one that never spoke has no id", async (t) => {
    const server = await start(t);
    const stream = await StreamClient.events(t, server);
    const source = await tap(t, server);
    source.ws.close();
    assert.equal((await stream.next("the close")).data, '{"close":{}}');
  });
});

describe("streams that come back", () => {
  test("get nothing of before without Last-Event-ID", async (t) => {
    const server = await start(t);
    const source = await tap(t, server);
    const [before, after] = [fresh("tap"), fresh("tap")];
    const arrived = await everywhere(t, server);
    source.send({ connectionId: before });
    await arrived(before);
    const stream = await StreamClient.events(t, server);
    source.send({ connectionId: after });
    assert.equal((await stream.next()).data, JSON.stringify({ connectionId: after }));
  });

  test("get what they missed with it, once", async (t) => {
    const server = await start(t);
    const source = await tap(t, server);
    const id = fresh("tap");
    const witness = await StreamClient.events(t, server);
    const send = async (n) => {
      source.send({ connectionId: id, n });
      return witness.next();
    };
    const seen = await send(0);
    await send(1);
    await send(2);
    const stream = await StreamClient.events(t, server, { lastEventId: seen.id });
    await send(3);
    assert.deepEqual((await stream.take(3)).map((m) => JSON.parse(m.data).n), [1, 2, 3]);
    assert.deepEqual(stream.inbox.rest, []);
  });

  test("by themselves, after the connection was cut, lose nothing", async (t) => {
    const server = await start(t);
    const way = await Cuttable.open(t, server);
    const [source, witness] = [await tap(t, server), await StreamClient.events(t, server)];
    const stream = await StreamClient.events(t, way);
    const id = fresh("tap");
    const send = async (n) => {
      source.send({ connectionId: id, n });
      await witness.next();
    };
    await send(0);
    await about(stream, id);
    way.cut();
    await send(1);
    await send(2);
    assert.equal((await stream.next("the second greeting")).type, "connected");
    assert.deepEqual((await stream.take(2)).map((m) => JSON.parse(m.data).n), [1, 2]);
    await send(3);
    assert.equal(JSON.parse((await stream.next()).data).n, 3);
  });

  test("with an id that was never given get the live messages only", async (t) => {
    const server = await start(t);
    const source = await tap(t, server);
    const arrived = await everywhere(t, server);
    for (const lastEventId of ["x", "0", "-", "zzzzzzzzzz-1", "1-1-1", "9".repeat(100)]) {
      const stream = await StreamClient.events(t, server, { lastEventId });
      const id = fresh("tap");
      source.send({ connectionId: id });
      await about(stream, id);
      await arrived(id);
    }
  });
});

test("a greeting comes first, with the time of the server", async (t) => {
  const server = await start(t);
  const before = Date.now();
  const stream = await StreamClient.events(t, server);
  const { time } = JSON.parse(stream.hello.data);
  assert.ok(before <= time && time <= Date.now(), `${time}`);
});

test("the headers are those that EventSource and proxies need", async (t) => {
  const server = await start(t);
  const ending = new AbortController();
  const res = await within(fetch(`${server.url}/events`, { signal: ending.signal, headers: { Origin: "https://app.example.com" } }), "/events");
  assert.equal(res.status, 200);
  assert.match(res.headers.get("content-type"), /^text\/event-stream\b/);
  assert.match(res.headers.get("cache-control"), /no-cache/);
  assert.equal(res.headers.get("access-control-allow-origin"), "*");
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n\n")) text += (await within(reader.read(), "the greeting")).value;
  assert.match(text, /^event: connected\ndata: \{"time":\d+\}\n\n$/);
  ending.abort();
});
