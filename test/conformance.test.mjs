// The same bytes to signalbox and to socket.io on Node: what comes back has to be the same, but for the differences in
// conformance/meant.mjs, which have their reasons there. LONG=1 sends every packet by polling, too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { version3 } from "./conformance/eio3.mjs";
import { frames } from "./conformance/frames.mjs";
import { handshakes, sessions } from "./conformance/http.mjs";
import { meant } from "./conformance/meant.mjs";
import { packets } from "./conformance/packets.mjs";
import { times } from "./conformance/times.mjs";
import { Talk } from "./conformance/wire.mjs";
import { here, onReference } from "./support/build.mjs";
import { long } from "./support/long.mjs";
import { Server } from "./support/server.mjs";

const AT_ONCE = 32;
const hour = { PING_INTERVAL: "1h", PING_TIMEOUT: "1h", UPGRADE_TIMEOUT: "1h", CONNECT_TIMEOUT: "1h", BODY_READ_TIMEOUT: "10m", MAX_PAYLOAD_BYTES: "100000", SESSION_COOKIE: "io" };
const old = { ...hour, ALLOW_EIO3: "true" };
const soon = { PING_INTERVAL: "700ms", PING_TIMEOUT: "500ms", UPGRADE_TIMEOUT: "800ms", CONNECT_TIMEOUT: "900ms", BODY_READ_TIMEOUT: "600ms" };

// The cases, with the settings that both servers have.
const groups = { handshakes: [handshakes, hour], sessions: [sessions, hour], packets: [packets, hour], frames: [frames, hour], "Engine.IO 3": [version3, old], times: [times, soon] };

describe("the same bytes to signalbox and to Node", { skip: onReference && "it is Node" }, () => {
  const pairs = new Map();
  before(async () => {
    for (const env of [hour, old, soon]) {
      const node = [process.execPath, [path.join(here, "reference", "server.mjs")]];
      pairs.set(env, await Promise.all([Server.start({ env }), Server.start({ env, command: node })]));
    }
  });
  after(() => Promise.all([...pairs.values()].flat().map((server) => server.stop())));

  for (const [group, [cases, env]] of Object.entries(groups)) {
    test(group, async () => {
      const queue = Object.entries(cases);
      const differences = {};
      const worker = async () => {
        for (let next; (next = queue.shift()); ) {
          const [name, run] = next;
          const [ours, node] = await Promise.all(pairs.get(env).map((server) => transcript(server, run)));
          if (!isMeant(`${group}: ${name}`, ours, node)) differences[name] = { ours, node };
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      assert.deepEqual(Object.keys(differences), [], JSON.stringify(differences, null, 1));
    });
  }

  test("every difference that is listed belongs to a case", () => {
    const names = Object.entries(groups).flatMap(([group, [cases]]) => Object.keys(cases).map((name) => `${group}: ${name}`));
    const unknown = meant.flatMap(({ cases }) => cases).filter((name) => !names.includes(name));
    assert.deepEqual(unknown.filter((name) => long || !/^packets: polling|^Engine.IO 3: packet b/.test(name)), []);
  });

  test("protocol.md names the versions that are compared", () => {
    const text = readFileSync(path.join(here, "..", "docs", "protocol.md"), "utf8");
    for (const name of ["socket.io", "engine.io", "socket.io-parser", "ws"]) {
      const { version } = JSON.parse(readFileSync(path.join(here, "node_modules", name, "package.json")));
      assert.ok(text.includes(`${name} ${version}`), `${name} ${version}`);
    }
  });
});

/** Reports whether the two are equal, or differ from some line on just as it is listed; what is listed has to differ. */
function isMeant(name, ours, node) {
  const entry = meant.find(({ cases }) => cases.includes(name));
  if (!entry) return isDeepStrictEqual(ours, node);
  let same = 0;
  while (same < ours.length && ours[same] === node[same]) same++;
  return isDeepStrictEqual([ours.slice(same), node.slice(same)], [entry.ours, entry.node]);
}

async function transcript(server, run) {
  const talk = new Talk(server);
  await run(talk);
  const lines = [...talk.lines];
  await talk.end();
  return lines;
}
