// The page /console in a real browser: what people do on it, what it does not do, and that it can be used by everybody.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { findBrowser, launch, openPage } from "./support/browser.mjs";
import { here } from "./support/build.mjs";
import { within } from "./support/deadline.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";
import { Server } from "./support/server.mjs";

const CLIENT_DIST = path.join(here, "node_modules", "socket.io-client", "dist");
const ADMIN_TOKEN = "what only operators know";
const bin = findBrowser();
const skip = bin ? false : "there is no chromium here";

// SCREENSHOTS=<folder> keeps a picture of every pane, for people to look at.
const shots = process.env.SCREENSHOTS;
if (shots) mkdirSync(shots, { recursive: true });
const shoot = async (page, name) => shots && (await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true }));

describe("the console", { skip }, () => {
  let server, gated, browser;

  before(async () => {
    server = await Server.start({ env: { CLIENT_DIST, API_KEY: "the key of the backends" } });
    gated = await Server.start({ env: { CLIENT_DIST, JWT_SECRET: SECRET, ADMIN_TOKEN } });
    browser = await launch(bin);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await gated?.stop();
  });

  /**
   * Opens the console at one tab, "" for none in the address; the test fails if anything went wrong in the page but what
   * expected matches.
   */
  async function open(t, tab, { base = server, viewport, expected = /^$/ } = {}) {
    const opened = await openPage(browser.context, `${base.url}/console${tab ? `#${tab}` : ""}`, { viewport });
    const { page, faults } = opened;
    t.after(async () => {
      await page.close();
      assert.deepEqual(faults.filter((text) => !expected.test(text)), [], "what the browser's console says");
    });
    await page.locator("html[data-ready]").waitFor();
    return page;
  }

  const pane = (page, name) => page.getByRole("region", { name, exact: true });
  const press = (where, name) => where.getByRole("button", { name, exact: true }).click();
  const status = (where, text) => where.locator(".status", { hasText: text }).waitFor();
  /** Waits for an entry of a pane's log: kind is its class, text is in it. */
  const entry = (where, kind, text) => where.locator(`.log li.${kind}`, { hasText: text }).first().waitFor();

  test("two users send each other events and see the answers", async (t) => {
    const page = await open(t, "broker");
    const [a, b] = [pane(page, "Pane A"), pane(page, "Pane B")];
    await b.getByLabel("Transport").selectOption("polling");
    for (const [p, how] of [[a, "connected by websocket"], [b, "connected by polling"]]) {
      await press(p, "Connect");
      await status(p, how);
      await entry(p, "ack", 'join {"ok":true}');
    }
    await press(a, "Send");
    await entry(a, "ack", 'hello {"ok":true,"delivered":1}');
    await entry(b, "got", 'hello {"senderUserId":1,"recipientUserId":2,"text":"hi"}');

    await a.getByLabel("To user").fill("nobody");
    await a.getByLabel("Data, a JSON object").fill('{"html": "<img src=x onerror=alert(1)>"}');
    await press(a, "Send");
    await entry(a, "ack", '"delivered":0');
    await a.getByLabel("To user").fill("1");
    await press(a, "Send");
    await entry(a, "got", "<img src=x onerror=alert(1)>");
    await a.getByLabel("Data, a JSON object").fill("{");
    await press(a, "Send");
    await entry(a, "bad", "This is not JSON");
    await press(a, "Ask the time");
    await entry(a, "got", 'time {"recipientUserId":1,"time":');
    await shoot(page, "broker");

    await press(a, "Disconnect");
    await status(a, "not connected");
    assert.ok(await a.getByRole("button", { name: "Send", exact: true }).isDisabled());
  });

  test("the figures and the plot follow", async (t) => {
    const page = await open(t, "broker");
    const a = pane(page, "Pane A");
    await press(a, "Connect");
    await status(a, "connected");
    await page.locator("#figures div", { hasText: "Socket.IO clients" }).locator("dd", { hasText: "1" }).waitFor();
    await page.waitForFunction(() => document.querySelector(".plot-in").getAttribute("points")?.split(" ").length >= 3);
    await page.getByText("All counters").click();
    await page.getByRole("row", { name: /^Rooms: user 1$/ }).waitFor();
    assert.match(await page.locator("#server").textContent(), /^version .+, up for \d+ s$/);
    await shoot(page, "live");
  });

  test("two people meet in a chat room", async (t) => {
    const page = await open(t, "chat");
    const [a, b] = [pane(page, "Guest A"), pane(page, "Guest B")];
    for (const p of [a, b]) {
      await press(p, "Log in");
      await entry(p, "ack", 'login {"user":');
    }
    await entry(a, "note", "Someone's here Bob just entered the room");
    for (const p of [a, b]) {
      await p.locator(".people li", { hasText: "Ada" }).waitFor();
      await p.locator(".people li", { hasText: "Bob" }).waitFor();
    }
    await b.getByRole("textbox", { name: "Message" }).fill("hello there");
    await b.getByRole("textbox", { name: "Message" }).press("Enter");
    for (const p of [a, b]) await entry(p, "got", "Bob: hello there");
    await press(a, "Ping");
    await entry(a, "ack", "ping");
    await shoot(page, "chat");
    await press(b, "Log out");
    await entry(a, "note", "Someone just left Bob just left the room");
    await a.locator(".people li", { hasText: "Bob" }).waitFor({ state: "detached" });

    await b.getByLabel("Name").fill("not a name!");
    await press(b, "Log in");
    await entry(b, "ack", "No room or name provided");
    await status(b, "not logged in");
  });

  test("two people with tokens share a room: history, typing, messages", async (t) => {
    // A client that is refused gives up its connection, with a poll or an upgrade still on its way.
    const page = await open(t, "rooms", { expected: /400 \(Bad Request\) .*transport=polling.*sid=|closed before the connection is established/ });
    const [a, b] = [pane(page, "Member A"), pane(page, "Member B")];
    const room = "console-room";
    for (const p of [a, b]) {
      await press(p, "Make a token");
      await p.getByText(/for user [12], until/).first().waitFor();
      await press(p, "Connect");
      await status(p, "connected");
      await p.getByLabel("Room", { exact: true }).fill(room);
      await press(p, "Join");
      await entry(p, "note", `history of ${room}: nothing yet`);
      await entry(p, "ack", 'join_room {"ok":true}');
    }
    await entry(a, "got", 'user_joined {"userId":"2","userName":"Bob"}');
    await b.getByRole("textbox", { name: "Message" }).pressSequentially("hi");
    await a.getByText("Bob is typing").waitFor();
    await shoot(page, "rooms");
    await press(b, "Send");
    for (const p of [a, b]) await entry(p, "got", "Bob: hi");
    await a.getByText("Bob is typing").waitFor({ state: "detached" });
    await press(a, "Who is here");
    await entry(a, "ack", `presence {"ok":true,"roomId":"${room}"`);
    await press(a, "Leave");
    await entry(b, "got", 'user_left {"userId":"1","userName":"Ada"}');
    await press(a, "Join");
    await entry(a, "note", `history of ${room}: 1 messages`);

    await press(a, "Disconnect");
    await a.getByLabel("Token").fill("not.a.token");
    await press(a, "Connect");
    await entry(a, "bad", "connect_error Authentication failed");
    await status(a, "refused");
  });

  test("plain websockets, and the tap into the stream", async (t) => {
    const page = await open(t, "text");
    const [a, b] = [pane(page, "WebSocket A"), pane(page, "WebSocket B")];
    for (const p of [a, b]) {
      await press(p, "Connect");
      await status(p, "connected to /ws");
      await entry(p, "got", '{"type":"connected","clientId":"');
      await press(p, "Say who you are");
      await press(p, "Join");
    }
    await entry(a, "got", '{"type":"user_joined","userId":2,"room":"general"}');
    await b.getByRole("textbox", { name: "Message" }).fill("over here");
    await press(b, "Send message");
    await entry(a, "got", '"content":"over here"');
    await press(a, "Ping");
    await entry(a, "got", '{"type":"pong"}');
    await shoot(page, "text");

    await page.getByRole("tab", { name: "Event streams" }).click();
    const events = pane(page, "/events");
    await press(events, "Open");
    await entry(events, "got", 'connected {"time":');
    await page.getByRole("tab", { name: "Plain WebSocket" }).click();
    await press(a, "Disconnect");
    await status(a, "not connected");
    await a.getByLabel("Route").selectOption("/tap");
    await press(a, "Connect");
    await status(a, "connected to /tap");
    await press(a, "Send as it is");
    await page.getByRole("tab", { name: "Event streams" }).click();
    await entry(events, "got", 'message {"connectionId":1,"text":"hi"}');

    await page.getByRole("tab", { name: "Plain WebSocket" }).click();
    await press(b, "Disconnect");
    await status(b, "not connected");
    await b.getByLabel("Route").selectOption("/demo");
    await b.locator("summary", { hasText: "Token" }).click();
    await press(b, "Make a token");
    await b.getByText("for user 2, until").first().waitFor();
    await press(b, "Connect");
    await entry(b, "got", "authentication successfull");
    await b.getByLabel("Any text, as a frame").fill("anybody?");
    await press(b, "Send as it is");
    await entry(b, "got", "echo: anybody?");
  });

  test("streams show what is published", async (t) => {
    const page = await open(t, "streams");
    const user = pane(page, "/events/user/…");
    const events = pane(page, "/events");
    const backend = pane(page, "Publish as a backend");
    await press(events, "Open");
    await entry(events, "got", "connected");
    await press(user, "Make a token");
    await user.getByText("for user 1, until").first().waitFor();
    await press(user, "Open");
    await status(user, "open");
    await backend.getByLabel("API key").fill("the key of the backends");
    await press(backend, "Publish");
    await entry(backend, "ack", '200 {"ok":true,"delivered":1}');
    await entry(events, "got", 'update {"type":"news","data":{"text":"hi"}}');
    await backend.getByLabel("Channel").fill("user:1");
    await press(backend, "Publish");
    await entry(user, "got", 'news {"text":"hi"}');
    await shoot(page, "streams");
    await press(user, "Close");
    await status(user, "not connected");
  });

  test("with the keyboard alone", async (t) => {
    const page = await open(t, "");
    const focused = () => page.evaluate(() => {
      const e = document.activeElement;
      return { text: (e.labels?.[0] ?? e).textContent.trim().split("\n")[0], visible: e.matches(":focus-visible"), outline: getComputedStyle(e).outlineStyle };
    });
    const walk = [];
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      const at = await focused();
      assert.ok(at.visible && at.outline !== "none", `focus is to be seen on ${at.text}`);
      walk.push(at.text);
    }
    assert.equal(walk[0], "Skip to the doors");
    assert.ok(walk.includes("Broker") && !walk.includes("Chat room"), `the tabs are one stop: ${walk}`);
    await page.getByRole("tab", { name: "Broker" }).focus();
    for (const [key, name] of [["ArrowRight", "Chat room"], ["End", "Event streams"], ["ArrowRight", "Broker"], ["ArrowLeft", "Event streams"], ["Home", "Broker"]]) {
      await page.keyboard.press(key);
      assert.equal((await focused()).text, name, key);
      assert.equal(await page.getByRole("tab", { name, exact: true }).getAttribute("aria-selected"), "true");
      assert.equal(await page.locator('[role="tabpanel"]:visible').count(), 1);
    }
    const a = pane(page, "Pane A");
    await a.getByLabel("User id").focus();
    await page.keyboard.press("Enter");
    await status(a, "connected");
    await a.getByLabel("To user").focus();
    await page.keyboard.type("1");
    await page.keyboard.press("Enter");
    await entry(a, "ack", "hello");
  });

  test("everything that can be used has a name, and texts have contrast", async (t) => {
    for (const scheme of ["light", "dark"]) {
      const page = await open(t, "broker");
      await page.emulateMedia({ colorScheme: scheme });
      const nameless = await page.evaluate(() =>
        [...document.querySelectorAll("input, select, textarea, button, [role=log], [role=img], [role=region], section.pane")]
          .filter((e) => !(e.labels?.length || e.getAttribute("aria-label") || (e.tagName === "BUTTON" && e.textContent.trim())))
          .map((e) => e.outerHTML.slice(0, 100)),
      );
      assert.deepEqual(nameless, []);
      const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map((e) => e.id));
      assert.equal(new Set(ids).size, ids.length, "ids are unique");
      assert.deepEqual(await page.evaluate(lowContrast), [], `${scheme}: texts under 4.5 to 1`);
    }
  });

  test("on a phone nothing runs out of the screen", async (t) => {
    const page = await open(t, "broker", { viewport: { width: 360, height: 740 } });
    for (const tab of ["broker", "chat", "rooms", "text", "streams"]) {
      await page.locator(`#tab-${tab}`).click();
      const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= screen, `${tab} is ${content} wide on a screen of ${screen}`);
      const small = await page.evaluate(() =>
        [...document.querySelectorAll("button, select, input:not([type=checkbox])")]
          .map((e) => [e.textContent || e.dataset.name, e.getBoundingClientRect()])
          .filter(([, r]) => r.height > 0 && (r.height < 40 || r.width < 40))
          .map(([name, r]) => `${name}: ${r.width} x ${r.height}`),
      );
      assert.deepEqual(small, [], `${tab}: too small for a finger`);
      await shoot(page, `phone-${tab}`);
    }
  });

  test("colours follow the system, and a choice stays", async (t) => {
    const page = await open(t, "broker");
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await background();
    assert.notEqual(dark, light);
    await press(page, "Light colours");
    assert.equal(await background(), light);
    await page.reload();
    await page.locator("html[data-ready]").waitFor();
    assert.equal(await background(), light);
    const kept = await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie]);
    assert.deepEqual(kept, [["signalbox-theme"], [], ""]);
    await page.evaluate(() => localStorage.clear());
  });

  test("a page that loses its server says so and comes back", async (t) => {
    const lost = await Server.start({ env: { CLIENT_DIST } });
    const { page } = await openPage(browser.context, `${lost.url}/console`); // what the console says of lost requests is no fault
    t.after(() => page.close());
    await page.locator("html[data-ready]").waitFor();
    const a = pane(page, "Pane A");
    await press(a, "Connect");
    await status(a, "connected");
    await lost.stop();
    await page.getByText("The server does not answer").waitFor();
    await lost.start();
    t.after(() => lost.stop());
    await page.getByText("The server does not answer").waitFor({ state: "detached", timeout: 15_000 });
    await a.locator(".log li.ack", { hasText: "join" }).nth(1).waitFor({ timeout: 15_000 });
  });

  test("without the client it says what to do", async (t) => {
    const { page } = await openPage(browser.context, "about:blank");
    t.after(() => page.close());
    await page.route("**/socket.io/socket.io.min.js", (route) => route.abort());
    await page.goto(`${server.url}/console`);
    const problem = page.getByRole("alert").getByText("The Socket.IO client did not load");
    await problem.waitFor();
    assert.match(await problem.textContent(), /make build.*CLIENT_DIST.*4\.8\.3/);
    await page.getByRole("tab", { name: "Plain WebSocket" }).click();
    await press(pane(page, "WebSocket A"), "Connect");
    await status(pane(page, "WebSocket A"), "connected to /ws");
  });

  test("behind an admin token", async (t) => {
    const { page } = await openPage(browser.context, `${gated.url}/console`);
    t.after(() => page.close());
    await shoot(page, "login");
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= screen);
    await page.getByLabel("Admin token").fill("a guess");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("That is not the admin token.").waitFor();
    await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
    await press(page, "Sign in");
    await page.locator("html[data-ready]").waitFor();
    assert.equal(page.url(), `${gated.url}/console`);

    const [cookie] = await browser.context.cookies(`${gated.url}/console`);
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/console"]);
    assert.equal(await page.evaluate(() => document.cookie), "");

    // This server makes no tokens: they come from the application.
    await page.getByRole("tab", { name: "/chat with a token" }).click();
    const a = pane(page, "Member A");
    assert.equal(await a.getByRole("button", { name: "Make a token" }).count(), 0);
    await a.getByLabel("Token").fill(tokenOf("7", { name: "Grace", rooms: ["team-*"] }));
    await a.getByText("for user 7, rooms team-*, until").waitFor();
    await press(a, "Connect");
    await status(a, "connected");
    await press(a, "Join");
    await entry(a, "ack", '{"ok":false,"error":"Access denied"}');
    await a.getByLabel("Room", { exact: true }).fill("team-a");
    await press(a, "Join");
    await entry(a, "ack", '{"ok":true}');

    await press(page, "Sign out");
    await page.getByLabel("Admin token").waitFor();
    const res = await within(page.request.get(`${gated.url}/console/stats`), "the counters");
    assert.equal(res.status(), 401);
    assert.ok(!gated.output.includes(ADMIN_TOKEN) && !gated.output.includes(cookie.value), "secrets are in no log");
  });
});

/** Runs in the page: the visible texts whose contrast with what is behind them is under 4.5 to 1 (WCAG 2.2, 1.4.3). */
function lowContrast() {
  const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [luminance(parse(getComputedStyle(e).color).slice(0, 3)), luminance(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName} ${e.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return low;
}
