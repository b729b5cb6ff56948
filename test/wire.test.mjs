// What clients and browsers see of HTTP and Engine.IO. The engine's own tests cover the protocol; these are the lines that
// every client depends on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import zlib from "node:zlib";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { here, onReference } from "./support/build.mjs";
import { happens } from "./support/deadline.mjs";
import { RawPolling, RawSocket, request, upgradeStatus } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";

const dist = path.join(here, "node_modules", "socket.io-client", "dist");
const server = await useServer({ env: { CLIENT_DIST: dist } });
const ownOnly = { skip: onReference && "Node's differs" };

describe("Engine.IO over HTTP", () => {
  test("the handshake says what the client needs to know", async (t) => {
    const want = { pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000 };
    for (const [transport, upgrades] of [["polling", ["websocket"]], ["websocket", []]]) {
      let open;
      if (transport === "polling") open = (await request(server, "/socket.io/?EIO=4&transport=polling")).text;
      else open = await (await RawSocket.open(t, server)).next();
      assert.equal(open[0], "0");
      const { sid, ...rest } = JSON.parse(open.slice(1));
      assert.match(sid, /^[\w-]{20}$/);
      assert.deepEqual(rest, { ...want, upgrades });
    }
  });

  test("a socket id cannot be guessed, from the session's neither", async (t) => {
    const ids = new Set();
    for (let n = 0; n < 20; n++) {
      const raw = await RawSocket.connect(t, server);
      assert.match(raw.sid, /^[\w-]{20,}$/);
      ids.add(raw.sid).add(raw.handshake.sid);
      // Random from the first character on: a counter would share its beginning.
      ids.add(raw.sid.slice(0, 10)).add(raw.handshake.sid.slice(0, 10));
    }
    assert.equal(ids.size, 80);
  });

  const refused = {
    "no transport": ["GET", "/socket.io/?EIO=4", 0, "Transport unknown"],
    "an unknown transport": ["GET", "/socket.io/?EIO=4&transport=carrier-pigeon", 0, "Transport unknown"],
    "a transport that objects inherit": ["GET", "/socket.io/?EIO=4&transport=constructor", 0, "Transport unknown"],
    "an unknown session": ["GET", "/socket.io/?EIO=4&transport=polling&sid=nobody", 1, "Session ID unknown"],
    "an unknown session, POST": ["POST", "/socket.io/?EIO=4&transport=polling&sid=nobody", 1, "Session ID unknown"],
    "a handshake by POST": ["POST", "/socket.io/?EIO=4&transport=polling", 2, "Bad handshake method"],
    "a handshake by PUT": ["PUT", "/socket.io/?EIO=4&transport=polling", 2, "Bad handshake method"],
    "a websocket handshake without an upgrade": ["GET", "/socket.io/?EIO=4&transport=websocket", 3, "Bad request"],
    "protocol 3": ["GET", "/socket.io/?EIO=3&transport=polling", 5, "Unsupported protocol version"],
    "no protocol": ["GET", "/socket.io/?transport=polling", 5, "Unsupported protocol version"],
  };
  for (const [what, [method, url, code, message]] of Object.entries(refused)) {
    test(`${what} is refused with code ${code}`, async () => {
      const res = await request(server, url, { method, headers: { origin: "https://app.example" } });
      assert.equal(res.status, 400);
      assert.match(res.headers["content-type"], /^application\/json/);
      assert.deepEqual(JSON.parse(res.text), { code, message });
      assert.equal(res.headers["access-control-allow-origin"], "*");
    });
  }

  test("a refused websocket is never upgraded", async () => {
    const queries = ["EIO=4&transport=websocket&sid=nobody", "EIO=4&transport=nope", "EIO=4"];
    // Node upgrades this one, and closes it then.
    if (!onReference) queries.push("EIO=4&transport=polling");
    for (const query of queries) {
      assert.equal(await upgradeStatus(server, `/socket.io/?${query}`), 400, query);
    }
  });

  test("a session keeps to its transport", async (t) => {
    const raw = await RawSocket.connect(t, server);
    const res = await request(server, `/socket.io/?EIO=4&transport=polling&sid=${raw.handshake.sid}`);
    assert.equal(res.status, 400);
    assert.deepEqual(JSON.parse(res.text), { code: 3, message: "Bad request" });
  });

  test("only /socket.io/ and what is below is served", async () => {
    for (const url of ["/socket.iox/?EIO=4&transport=polling", "/SOCKET.IO/?EIO=4&transport=polling", "/elsewhere"]) {
      assert.equal((await request(server, url)).status, 404, url);
    }
  });

  test("/socket.io without its slash is served, for clients with addTrailingSlash: false", { skip: onReference }, async () => {
    assert.equal((await request(server, "/socket.io?EIO=4&transport=polling")).status, 200);
  });

  test("a poll is plain text that nobody stores, a POST is answered ok", async () => {
    const raw = await RawPolling.connect(server);
    const post = await raw.post(`420["ping"]`);
    assert.deepEqual([post.status, post.text], [200, "ok"]);
    assert.match(post.headers["content-type"], /^text\/html/);
    const poll = await raw.get();
    assert.equal(poll.text, `430["${raw.sid}"]`);
    assert.equal(poll.headers["content-type"].toLowerCase(), "text/plain; charset=utf-8");
    assert.equal(poll.headers["cache-control"], "no-store");
    await raw.leave();
  });

  test("the first subprotocol that is offered is answered", async (t) => {
    const url = server.url.replace("http", "ws");
    for (const path of ["/socket.io/?EIO=4&transport=websocket", ...(onReference ? [] : ["/ws"])]) {
      const ws = new WebSocket(url + path, ["first", "second"]); // fails where none is
      t.after(() => ws.terminate());
      await once(ws, "open");
      assert.equal(ws.protocol, "first", path);
    }
  });

  test("a POST of raw bytes is 400", async () => {
    const raw = await RawPolling.connect(server);
    const res = await raw.post(Buffer.from([4]), { "content-type": "application/octet-stream" });
    assert.equal(res.status, 400);
  });

  test("other methods on a session are 400", ownOnly, async () => {
    for (const method of ["PUT", "DELETE", "PATCH"]) {
      const raw = await RawPolling.connect(server);
      assert.equal((await request(server, raw.path, { method })).status, 400, method);
    }
  });

  test("polls are compressed from 1024 bytes on, for who accepts it", async () => {
    const raw = await RawPolling.connect(server);
    await raw.post(`420["join",{"senderUserId":"${raw.sid}"}]`);
    await raw.poll();
    const packet = (size) => {
      const head = `42["e",{"recipientUserId":"${raw.sid}","x":"`;
      return `${head}${"x".repeat(size - head.length - 3)}"}]`;
    };
    const answer = async (size, accept) => {
      await raw.post(packet(size));
      const res = await raw.get(accept ? { "accept-encoding": accept } : {});
      assert.equal(res.status, 200);
      return res;
    };
    for (const [accept, decode] of [["gzip", zlib.gunzipSync], ["deflate", zlib.inflateSync], ["gzip, deflate, br", zlib.gunzipSync]]) {
      const res = await answer(5000, accept);
      assert.equal(res.headers["content-encoding"], accept.split(",")[0], accept);
      assert.equal(decode(res.bytes).toString(), packet(5000));
      assert.ok(res.bytes.length < 1000);
    }
    for (const [size, accept] of [[5000, undefined], [5000, "identity"], [1000, "gzip"]]) {
      const res = await answer(size, accept);
      assert.equal(res.headers["content-encoding"], undefined, `${size} ${accept}`);
      assert.equal(res.text, packet(size));
    }
    await raw.leave();
  });

  test("a packet of nearly the limit passes polling", async () => {
    const raw = await RawPolling.connect(server);
    await raw.post(`420["join",{"senderUserId":"${raw.sid}"}]`);
    await raw.poll();
    const packet = `42["e",{"recipientUserId":"${raw.sid}","x":"${"y".repeat(990_000)}"}]`;
    assert.equal((await raw.post(packet)).text, "ok");
    assert.deepEqual(await raw.poll(), [packet]);
    await raw.leave();
  });
});

describe("origins", ownOnly, () => {
  const app = "https://app.example";
  const evil = "https://evil.example";
  const poll = "/socket.io/?EIO=4&transport=polling";
  const preflight = (on, url, origin) =>
    request(on, url, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
    });

  test("without a setting everybody may, without credentials", async () => {
    for (const url of ["/", "/time", poll, "/socket.io/?EIO=4"]) {
      const res = await request(server, url, { headers: { origin: app } });
      assert.equal(res.headers["access-control-allow-origin"], "*", url);
      assert.equal(res.headers["access-control-allow-credentials"], undefined, url);
      const pre = await preflight(server, url, app);
      assert.deepEqual([pre.status, pre.text], [204, ""], url);
      assert.equal(pre.headers["access-control-allow-origin"], "*", url);
      assert.match(pre.headers["access-control-allow-methods"], /POST/, url);
      assert.match(pre.headers["access-control-allow-headers"], /content-type/i, url);
    }
    assert.equal(await upgradeStatus(server, "/socket.io/?EIO=4&transport=websocket", { origin: evil }), 101);
  });

  for (const [setting, env, allowed] of [
    ["ALLOWED_ORIGINS", { ALLOWED_ORIGINS: `${app}, https://other.example:8443` }, [app, "https://other.example:8443"]],
    ["ENDPOINT", { ENDPOINT: app }, [app]],
  ]) {
    test(`${setting} decides who may, with credentials`, async (t) => {
      const strict = await useServer({ t, env });
      const websocket = "/socket.io/?EIO=4&transport=websocket";
      for (const origin of allowed) {
        for (const url of ["/", "/time", poll, "/socket.io/?EIO=4"]) {
          const res = await request(strict, url, { headers: { origin } });
          assert.equal(res.headers["access-control-allow-origin"], origin, url);
          assert.equal(res.headers["access-control-allow-credentials"], "true", url);
          assert.match(res.headers.vary ?? "", /\borigin\b/i, url);
          const pre = await preflight(strict, url, origin);
          assert.deepEqual([pre.status, pre.text], [204, ""], url);
          assert.equal(pre.headers["access-control-allow-origin"], origin, url);
          assert.equal(pre.headers["access-control-allow-credentials"], "true", url);
          assert.match(pre.headers["access-control-allow-methods"], /POST/, url);
          assert.match(pre.headers["access-control-allow-headers"], /content-type/i, url);
        }
        assert.equal(await upgradeStatus(strict, websocket, { origin }), 101);
      }
      for (const origin of [evil, "null", `${app}.evil.example`, app.replace("https", "http"), `${app}:444`]) {
        for (const url of ["/", poll]) {
          const res = await request(strict, url, { headers: { origin } });
          assert.equal(res.headers["access-control-allow-origin"], undefined, `${origin} ${url}`);
          const pre = await preflight(strict, url, origin);
          assert.equal(pre.headers["access-control-allow-origin"], undefined, `${origin} ${url}`);
        }
        const status = await upgradeStatus(strict, websocket, { origin });
        assert.ok([400, 401, 403].includes(status), `${origin}: ${status}`);
      }
      // Who sends no Origin is not a page in a browser.
      assert.equal(await upgradeStatus(strict, websocket), 101);
      assert.equal((await request(strict, poll)).status, 200);
    });
  }
});

describe("the client for browsers", ownOnly, () => {
  const types = { ".js": "application/javascript; charset=utf-8", ".map": "application/json; charset=utf-8" };
  const names = ["socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min"];
  const files = names.flatMap((name) => [`${name}.js`, `${name}.js.map`]);

  for (const file of files) {
    test(`/socket.io/${file}`, async () => {
      const want = readFileSync(path.join(dist, file));
      const res = await request(server, `/socket.io/${file}`);
      assert.equal(res.status, 200);
      assert.equal(res.headers["content-type"].toLowerCase(), types[path.extname(file)]);
      assert.equal(res.headers["content-encoding"], undefined);
      assert.ok(res.bytes.equals(want), "the file's own bytes");
      const { etag } = res.headers;
      assert.match(etag, /^(W\/)?"[^"]+"$/);
      for (const match of [etag, `W/${etag.replace(/^W\//, "")}`, `"other", ${etag}`, "*"]) {
        const again = await request(server, `/socket.io/${file}`, { headers: { "if-none-match": match } });
        assert.deepEqual([again.status, again.text], [304, ""], match);
        assert.equal(again.headers.etag, etag);
      }
      const other = await request(server, `/socket.io/${file}`, { headers: { "if-none-match": `"other"` } });
      assert.equal(other.status, 200);
      for (const accept of ["gzip", "br", "gzip, deflate, br"]) {
        const packed = await request(server, `/socket.io/${file}`, { headers: { "accept-encoding": accept } });
        const encoding = packed.headers["content-encoding"];
        assert.ok(accept.includes(encoding), `${accept}: ${encoding}`);
        const decode = { gzip: zlib.gunzipSync, br: zlib.brotliDecompressSync }[encoding];
        assert.ok(decode(packed.bytes).equals(want));
        assert.match(packed.headers.vary ?? "", /accept-encoding/i);
      }
      const head = await request(server, `/socket.io/${file}`, { method: "HEAD" });
      assert.deepEqual([head.status, head.bytes.length], [200, 0]);
      assert.equal(head.headers["content-length"], String(want.length));
    });
  }

  test("nothing else lies there", async () => {
    for (const file of ["socket.io.evil.js", "..%2fpackage.json", "%2e%2e/package.json", "socket.io.js/", "broadcastchannel.js"]) {
      const res = await request(server, `/socket.io/${file}`);
      assert.ok([400, 404].includes(res.status), `${file}: ${res.status}`);
      assert.ok(!res.text.includes("socket.io-client"), file);
    }
  });
});

test("without its files the browser client is built in, or at the Socket.IO project's CDN", ownOnly, async (t) => {
  const bare = await useServer({ t });
  for (const file of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"]) {
    const res = await request(bare, `/socket.io/${file}`);
    if (res.status === 200) assert.ok(res.bytes.equals(readFileSync(path.join(dist, file))), file);
    else assert.deepEqual([res.status, res.headers.location], [302, `https://cdn.socket.io/4.8.4/${file}`]);
  }
});

test("health and readiness", async () => {
  for (const url of ["/healthz", "/readyz"]) assert.equal((await request(server, url)).status, 200, url);
});

test("Socket.IO at other paths, with the slash at the end and without", ownOnly, async (t) => {
  const server = await useServer({ t, env: { SOCKETIO_PATHS: "/socket.io,/realtime/socket.io" } });
  for (const path of ["/socket.io", "/realtime/socket.io/"]) {
    for (const addTrailingSlash of [true, false]) {
      const socket = io(server.url, { path, addTrailingSlash, forceNew: true, reconnection: false });
      t.after(() => socket.disconnect());
      await happens(socket.io.engine, "upgrade", `the upgrade at ${path}, addTrailingSlash: ${addTrailingSlash}`); // polling, then websocket
    }
  }
});
