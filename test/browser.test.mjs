// The page /console in a real browser: what people do on it.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { entry, needsBrowser, pane, press, shoot, status, useConsole } from "./support/console.mjs";
import { DEADLINE_MS, happens } from "./support/deadline.mjs";

// The application's backend: it lets everybody in, and hears notices when it likes.
const backend = { deaf: true };
const web = http.createServer(async (req, res) => {
  let body = "";
  for await (const part of req.setEncoding("utf8")) body += part;
  const { events } = JSON.parse(body);
  if (backend.deaf && events[0].type === "disconnect") res.statusCode = 503;
  res.end(JSON.stringify({ results: events.map(() => ({ ack: ["from the backend"] })) }));
});
await once(web.listen(0, "127.0.0.1").unref(), "listening");

describe("the console", needsBrowser, () => {
  // With a setting of production there would be no console.
  const use = useConsole({ HOOKS_URL: `http://127.0.0.1:${web.address().port}/`, HOOKS_EVENTS: "/game:*", HOOKS_NOTIFY: "disconnect" });
  const { open } = use;

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
    const [, key] = use.server.output.match(/Authorization: Bearer ([^']+)'/); // made up for the run, and printed
    await backend.getByLabel("API key").fill(key);
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

  test("what goes to the backend is seen, answered by hand and sent again", async (t) => {
    const page = await open(t, "logic");
    const [way, queue] = [pane(page, "On their way"), pane(page, "Queue")];
    await status(way, "the backend answers");
    await press(way, "Answer by hand");
    await status(way, "you answer");
    const client = io(`${use.server.url}/game`, { auth: { name: "ann", token: "nobody sees this" }, transports: ["websocket"], forceNew: true });
    t.after(() => client.close());
    const arrived = happens(client, "connect");
    const answer = async (what, json) => {
      const form = way.locator("form", { hasText: what });
      await form.getByLabel("Answer, JSON").fill(json);
      await press(form, "Answer");
      return form;
    };
    await answer('{"name":"ann","token":"***"}', '{"user":"42"}');
    await arrived;
    const answered = client.timeout(DEADLINE_MS).emitWithAck("move", "e4");
    await answer("event /game move", '{"ack":');
    await entry(way, "bad", "This is not JSON");
    const form = await answer("event /game move", '{"ack":["by hand"]}');
    assert.equal(await answered, "by hand");
    await form.waitFor({ state: "detached" });
    await shoot(page, "logic");

    await press(way, "Let the backend answer");
    await status(way, "the backend answers");
    assert.equal(await client.timeout(DEADLINE_MS).emitWithAck("move", "e5"), "from the backend");
    await way.getByRole("button", { name: /^Send again: event \/game move/ }).last().click();
    await way.locator(".log li.ack", { hasText: "from the backend" }).nth(1).waitFor();
    assert.ok(!(await page.content()).includes("nobody sees this"));

    client.close();
    await queue.locator("li", { hasText: "disconnect /game" }).waitFor();
    await status(queue, "1 notice waits");
    backend.deaf = false;
    await press(queue, "Send now");
    await status(queue, "0 notices wait");
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= screen, `${content} wide on a screen of ${screen}`);
  });
});
