// The page of @socket.io/admin-ui, untouched, in a real browser: over two nodes and a Node server that is instrumented.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { PASSWORD, USER, adminEnv } from "./support/admin.mjs";
import { findBrowser, launch, openPage } from "./support/browser.mjs";
import { connect, newest } from "./support/clients.mjs";
import { Cluster } from "./support/cluster.mjs";
import { needsBrowser, shoot } from "./support/console.mjs";
import { freePort } from "./support/server.mjs";

const [, websocket] = newest;
const dist = path.join(path.dirname(createRequire(import.meta.url).resolve("@socket.io/admin-ui")), "..", "ui", "dist");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** Serves the page. */
const files = http.createServer(async (req, res) => {
  const { pathname } = new URL(req.url, "http://localhost");
  const file = path.join(dist, path.normalize(pathname === "/" ? "/index.html" : pathname));
  const body = await readFile(file).catch(() => undefined);
  res.writeHead(body ? 200 : 404, { "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream" }).end(body);
});

describe("the Admin UI", needsBrowser, () => {
  let browser, cluster, here, there, node, origin;

  before(async () => {
    const port = await freePort();
    await new Promise((resolve) => files.listen(port, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${port}`;
    browser = await launch(findBrowser());
    cluster = await Cluster.start({ nodes: 2, servers: 1, env: { ...adminEnv, ALLOWED_ORIGINS: origin } });
    [here, there] = cluster.nodes;
    [node] = cluster.servers;
  });
  after(async () => {
    await browser?.close();
    files.closeAllConnections();
    files.close();
    await cluster?.stop();
  });

  /** Opens the page and gives it what is asked for in its form. */
  async function signIn(t, server, password = PASSWORD) {
    const { page } = await openPage(browser.context, origin); // without the Internet it has no fonts, and says so
    t.after(() => page.close());
    await page.evaluate(() => localStorage.clear());
    await page.reload();
    await page.getByLabel("Server URL").fill(server.url);
    await page.getByLabel("Username").fill(USER);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Connect" }).click();
    return page;
  }

  /** Waits until the view of this name is the only one: the last one fades out. */
  const settled = (page, name) =>
    page.waitForFunction((name) => {
      const views = [...document.querySelectorAll(".v-breadcrumbs")];
      return views.length === 1 && views[0].textContent.includes(name);
    }, name);
  const go = async (page, name) => {
    await page.locator("nav").getByRole("link", { name, exact: true }).click();
    await settled(page, name);
  };
  const details = async (page, id) => {
    await go(page, "Sockets");
    await row(page, id, "127.0.0.1").click();
    await settled(page, "Socket details");
    await page.getByText("Initial HTTP request").waitFor();
  };
  /** Disconnects a socket by its button in the list, which is in a row that opens its details. */
  const disconnect = async (page, id) => {
    await go(page, "Sockets");
    await row(page, id).getByRole("button").click();
    await settled(page, "Socket details");
  };
  const row = (page, ...texts) => texts.reduce((rows, hasText) => rows.filter({ hasText }), page.locator("tbody tr"));
  const gone = (locator) => locator.waitFor({ state: "detached" });

  test("a wrong password, the right one, and a reload without any", async (t) => {
    const page = await signIn(t, here, "nope");
    await page.getByText("Invalid credentials").waitFor();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Connect" }).click();
    await gone(page.getByText("Invalid credentials").filter({ visible: true }));
    await page.getByText("connected", { exact: true }).first().waitFor();
    await page.waitForFunction(() => localStorage.getItem("session_id")?.length > 15);
    await page.reload();
    await page.getByText("connected", { exact: true }).first().waitFor();
    await go(page, "Servers");
    for (const server of [here, there]) await row(page, `#${server.child.pid}`, "Healthy").waitFor();
    await row(page, `node#${node.child.pid}`, "Healthy").waitFor();
    await shoot(page, "admin-servers");
  });

  test("sockets, rooms and events of all servers, and commands to them", async (t) => {
    await connect(t, here, websocket); // where somebody is on "/", the page begins there
    const page = await signIn(t, here);
    for (const server of [here, there, node]) {
      const client = await connect(t, server, websocket);
      const { id } = client;
      await details(page, id);
      const room = `vip-${server.port}`;
      await page.getByLabel("Join a room").fill(room);
      await page.getByLabel("Join a room").press("Enter");
      await page.locator("form button[type=submit]").filter({ visible: true }).last().click();
      await row(page, room).waitFor();
      await go(page, "Rooms");
      await row(page, room, "Public").waitFor();
      await shoot(page, `admin-rooms-${server.port}`);
      await details(page, id);
      await row(page, room).getByRole("button").click();
      await settled(page, "Room details");
      await go(page, "Rooms");
      await gone(row(page, room));

      client.emit("from the client", { recipientUserId: "nobody" });
      await go(page, "Events");
      await row(page, id, "from the client").waitFor();
      await shoot(page, `admin-events-${server.port}`);
      await disconnect(page, id);
      assert.equal(await client.gone(), "io server disconnect");
      await go(page, "Sockets");
      await gone(row(page, id));
      await go(page, "Events");
      await row(page, id, "server namespace disconnect").waitFor();
    }
  });

  test("at a Node server it shows and steers sockets of signalbox", async (t) => {
    const client = await connect(t, there, websocket);
    const page = await signIn(t, node);
    const { id } = client;
    await disconnect(page, id);
    await client.gone();
    await go(page, "Sockets");
    await gone(row(page, id));
    await go(page, "Servers");
    for (const server of [here, there]) await row(page, `#${server.child.pid}`, "Healthy").waitFor();
  });
});
