// Puts the page together.
import { Broker } from "./broker.js";
import { Chat } from "./chat.js";
import { problem } from "./dom.js";
import { Live } from "./live.js";
import { Logic } from "./logic.js";
import { Rooms } from "./rooms.js";
import { Publish, Stream, streams } from "./streams.js";
import { runTabs } from "./tabs.js";
import { Text } from "./text.js";

const place = (panel) => document.querySelector(`#${panel} .panes`);

async function start() {
  const res = await fetch("/console/info", { cache: "no-store" });
  if (!res.ok) throw new Error(res.status === 401 ? "You are signed out. Load the page again to sign in." : `The server answered ${res.status}.`);
  const info = await res.json();
  document.getElementById("logout").hidden = !info.gated;
  const logic = document.getElementById("tab-logic");
  if (info.logic) logic.hidden = false;
  else logic.remove();
  runTabs(document.getElementById("doors"));

  new Broker(place("broker"), "Pane A", info, { user: "1", to: "2" });
  new Broker(place("broker"), "Pane B", info, { user: "2", to: "1" });
  new Chat(place("chat"), "Guest A", info, { name: "Ada" });
  new Chat(place("chat"), "Guest B", info, { name: "Bob" });
  new Rooms(place("rooms"), "Member A", info, { user: "1", name: "Ada" });
  new Rooms(place("rooms"), "Member B", info, { user: "2", name: "Bob" });
  new Text(place("text"), "WebSocket A", info, { user: "1" });
  new Text(place("text"), "WebSocket B", info, { user: "2" });
  for (const kind of Object.values(streams)) new Stream(place("streams"), kind, info);
  new Publish(place("streams"));
  if (info.logic) new Logic(place("logic"));

  document.documentElement.dataset.ready = "true"; // for the tests of this page
  await new Live(info).run();
}

start().catch((err) => problem(err.message));
