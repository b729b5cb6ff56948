// The page /console in a real browser: that everybody can use it, that nobody else can, and what it does without its server.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { entry, needsBrowser, pane, press, ready, shoot, status, useConsole } from "./support/console.mjs";
import { within } from "./support/deadline.mjs";
import { Server } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const ADMIN_TOKEN = "what only operators know";

describe("the console", needsBrowser, () => {
  const use = useConsole();

  test("with the keyboard alone", async (t) => {
    const page = await use.open(t, "");
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
      const page = await use.open(t, "broker");
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
    const page = await use.open(t, "broker", { viewport: { width: 360, height: 740 } });
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
    const page = await use.open(t, "broker");
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await background();
    assert.notEqual(dark, light);
    await press(page, "Light colours");
    assert.equal(await background(), light);
    await page.reload();
    await ready(page);
    assert.equal(await background(), light);
    const kept = await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie]);
    assert.deepEqual(kept, [["signalbox-theme"], [], ""]);
    await page.evaluate(() => localStorage.clear());
  });

  test("a page that loses its server says so and comes back", async (t) => {
    const lost = await Server.start();
    const page = await use.openAny(t, `${lost.url}/console`); // what the browser says of lost requests is no fault
    await ready(page);
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

  test("it asks nobody but its server", async (t) => {
    const page = await use.openAny(t, "about:blank");
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(`${use.server.url}/console`);
    await ready(page);
    await press(pane(page, "Pane A"), "Connect");
    await status(pane(page, "Pane A"), "connected by websocket");
    assert.ok(asked.length > 10);
    assert.deepEqual(asked.filter((url) => !url.startsWith(`${use.server.url}/console`) && !url.startsWith(`${use.server.url}/socket.io/?EIO=4`)), []);
  });
});

describe("the console behind an admin token", needsBrowser, () => {
  const use = useConsole({ JWT_SECRET: SECRET, ADMIN_TOKEN });

  test("is for those who know the token", async (t) => {
    const { server } = use;
    const page = await use.openAny(t, `${server.url}/console`); // its first answer is 401, which the browser notes
    await shoot(page, "login");
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= screen);
    await page.getByLabel("Admin token").fill("a guess");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("That is not the admin token.").waitFor();
    await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
    await press(page, "Sign in");
    await ready(page);
    assert.equal(page.url(), `${server.url}/console`);

    const [cookie] = await use.browser.context.cookies(`${server.url}/console`);
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
    const res = await within(page.request.get(`${server.url}/console/stats`), "the counters");
    assert.equal(res.status(), 401);
    assert.ok(!server.output.includes(ADMIN_TOKEN) && !server.output.includes(cookie.value), "secrets are in no log");
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
