// The doors from a page, with the browser's own WebSocket and EventSource, and with Socket.IO from the server itself.

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { findBrowser, launch, openPage } from "./support/browser.mjs";
import { here } from "./support/build.mjs";
import { publish } from "./support/doors.mjs";
import { request } from "./support/raw.mjs";
import { Server } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const bin = findBrowser();
const KEY = "the key of the backends";
const CLIENT_DIST = path.join(here, "node_modules", "socket.io-client", "dist");

describe("in a browser", { skip: bin ? false : "there is no chromium here" }, () => {
  let server, home, browser;

  before(async () => {
    // The page comes from another origin than the server it talks to, as it does in most applications.
    home = await Server.start();
    server = await Server.start({ env: { JWT_SECRET: SECRET, API_KEY: KEY, ALLOWED_ORIGINS: home.url } });
    browser = await launch(bin);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await home?.stop();
  });

  /** Opens an empty page of an origin, with helpers that wait for what comes. */
  async function open(t, origin = home.url) {
    const { page } = await openPage(browser.context, `${origin}/time`);
    t.after(() => page.close());
    await page.evaluate(() => {
      window.inbox = () => {
        const waiting = [], got = [];
        const give = () => { while (waiting.length && got.length) waiting.shift()(got.shift()); };
        return { put: (v) => (got.push(v), give()), next: () => new Promise((resolve) => (waiting.push(resolve), give())) };
      };
      window.openSocket = (url) => {
        const ws = new WebSocket(url), box = window.inbox();
        ws.onmessage = (e) => box.put(e.data);
        ws.onclose = (e) => box.put(`closed ${e.code}`);
        return { ws, next: box.next };
      };
      window.openStream = (url, types) => {
        const source = new EventSource(url), box = window.inbox();
        for (const type of ["message", ...types]) source.addEventListener(type, (e) => box.put([type, e.data]));
        source.onerror = () => box.put(["error", source.readyState]);
        return { source, next: box.next };
      };
    });
    return page;
  }

  const ws = () => server.url.replace("http", "ws");

  test("/ws: rooms between two WebSockets", async (t) => {
    const page = await open(t);
    const got = await page.evaluate(async (url) => {
      const [a, b] = [openSocket(`${url}/ws`), openSocket(`${url}/ws`)];
      const hello = JSON.parse(await a.next());
      await b.next();
      a.ws.send('{"type":"authenticate","userId":1}');
      a.ws.send('{"type":"join","room":"page"}');
      a.ws.send('{"type":"ping"}');
      const pong = await a.next();
      b.ws.send('{"type":"join","room":"page"}');
      const joined = await a.next();
      b.ws.send(new TextEncoder().encode('{"type":"message","room":"page","content":"binary"}'));
      const message = JSON.parse(await a.next());
      b.ws.close();
      return { hello, pong, joined, message, left: await a.next() };
    }, ws());
    assert.equal(got.hello.type, "connected");
    assert.equal(got.pong, '{"type":"pong"}');
    assert.equal(got.joined, '{"type":"user_joined","room":"page"}');
    assert.equal(got.message.content, "binary");
    assert.equal(got.left, '{"type":"user_left","room":"page"}');
  });

  test("/tap into /events, by EventSource", async (t) => {
    const page = await open(t);
    const got = await page.evaluate(async ({ http, url }) => {
      const stream = openStream(`${http}/events`, ["connected", "update"]);
      const hello = await stream.next();
      const tap = openSocket(`${url}/tap`);
      await new Promise((resolve) => (tap.ws.onopen = resolve));
      tap.ws.send('{"connectionId":9,"x":"é"}');
      const message = await stream.next();
      tap.ws.close();
      return { hello, message, close: await stream.next() };
    }, { http: server.url, url: ws() });
    assert.equal(got.hello[0], "connected");
    assert.deepEqual(got.message, ["message", '{"connectionId":9,"x":"é"}']);
    assert.deepEqual(got.close, ["message", '{"close":{"connectionId":9}}']);
  });

  test("a user's stream, with the token in the address", async (t) => {
    const page = await open(t);
    const stream = await page.evaluateHandle((url) => openStream(url, ["order"]), `${server.url}/events/user/42?token=${tokenOf("42")}`);
    await page.waitForFunction((s) => s.source.readyState === EventSource.OPEN, stream);
    assert.deepEqual((await publish(server, KEY, "user:42", { type: "order", data: { n: 1 } })).body, { ok: true, delivered: 1 });
    assert.deepEqual(await stream.evaluate((s) => s.next()), ["order", '{"n":1}']);
    const refused = await page.evaluate((url) => openStream(url, []).next(), `${server.url}/events/user/43?token=${tokenOf("42")}`);
    assert.deepEqual(refused, ["error", 2], "closed for good: a browser does not try a refused stream again");
  });

  test("/notification with a ticket", async (t) => {
    const page = await open(t);
    const got = await page.evaluate(async ({ http, url, token }) => {
      const res = await fetch(`${http}/api/auth/token/ws`, { headers: { Authorization: `Bearer ${token}` } });
      const { data } = await res.json();
      const note = openSocket(`${url}/notification?token=${data.token}`);
      const first = await note.next();
      note.ws.send(JSON.stringify({ type: "jwt", token }));
      const second = await note.next();
      const bad = openSocket(`${url}/notification?token=${"0".repeat(24)}`);
      return { first, second, bad: await bad.next() };
    }, { http: server.url, url: ws(), token: tokenOf("42") });
    assert.deepEqual(got, { first: "connection established", second: "authentication successfull", bad: "closed 1006" });
  });

  test("/chat with the client of the console, which every server has", async (t) => {
    const page = await open(t);
    const got = await page.evaluate(async ({ http, token }) => {
      const { Socket } = await import("/console/client.js");
      const socket = new Socket(`${http}/chat`, { auth: { token } });
      await new Promise((resolve, reject) => (socket.on("connect", resolve), socket.on("connect_error", reject)));
      const [joined] = await socket.ask("join_room", ["page-chat-own"]);
      const message = new Promise((resolve) => socket.on("message", resolve));
      await socket.ask("message", [{ roomId: "page-chat-own", content: "hi" }]);
      const said = await message;
      socket.disconnect();
      return { joined, content: said.content, user: said.userId };
    }, { http: server.url, token: tokenOf("42") });
    assert.deepEqual(got, { joined: { ok: true }, content: "hi", user: "42" });
  });

  test("/chat with npm's client, from a server that has it", async (t) => {
    const page = await open(t);
    const dist = await Server.start({ env: { CLIENT_DIST } });
    t.after(() => dist.stop());
    await page.addScriptTag({ url: `${dist.url}/socket.io/socket.io.min.js` });
    const got = await page.evaluate(async ({ http, token }) => {
      const socket = io(`${http}/chat`, { auth: { token } });
      await new Promise((resolve, reject) => (socket.on("connect", resolve), socket.on("connect_error", reject)));
      const joined = await socket.emitWithAck("join_room", "page-chat");
      const message = new Promise((resolve) => socket.on("message", resolve));
      await socket.emitWithAck("message", { roomId: "page-chat", content: "hi" });
      const said = await message;
      socket.disconnect();
      return { joined, content: said.content, user: said.userId };
    }, { http: server.url, token: tokenOf("42") });
    assert.deepEqual(got, { joined: { ok: true }, content: "hi", user: "42" });
  });

  test("a page of another origin gets in nowhere", async (t) => {
    const foreign = await Server.start({});
    t.after(() => foreign.stop());
    const page = await open(t, foreign.url);
    const token = tokenOf("42");
    const got = await page.evaluate(async ({ http, url, token }) => ({
      ws: await openSocket(`${url}/ws`).next(),
      tap: await openSocket(`${url}/tap`).next(),
      events: await openStream(`${http}/events`, ["connected"]).next(),
      user: await openStream(`${http}/events/user/42?token=${token}`, []).next(),
      ticket: await fetch(`${http}/api/auth/token/ws`, { headers: { Authorization: `Bearer ${token}` } }).then((r) => r.status, () => "blocked"),
      stats: await fetch(`${http}/console`).then((r) => r.status, () => "blocked"),
    }), { http: server.url, url: ws(), token });
    assert.deepEqual(got, { ws: "closed 1006", tap: "closed 1006", events: ["error", 2], user: ["error", 2], ticket: "blocked", stats: "blocked" });
    assert.equal((await request(server, "/events/user/42")).status, 401, "without an Origin the token decides");
  });
});
