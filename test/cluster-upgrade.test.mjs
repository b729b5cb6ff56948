// A cluster whose servers are replaced one after the other: the version before single rooms were subscribed to, and this one.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { here } from "./support/build.mjs";
import { connect, fresh, newest, plain } from "./support/clients.mjs";
import { Cluster, KEY, pairs } from "./support/cluster.mjs";
import { notRun } from "./support/long.mjs";
import { needsRealRedis } from "./support/redis.mjs";
import { Server } from "./support/server.mjs";

const websocket = newest[1];
/** The last version whose servers told each other in which rooms they have members. */
const BEFORE = "7330e92";

const root = path.dirname(here);
const work = mkdtempSync(path.join(tmpdir(), "signalbox-before-"));
after(() => rmSync(work, { recursive: true, force: true }));

/** Builds that version and returns the binary; undefined where its history is not here. */
function buildBefore() {
  const [source, bin] = [path.join(work, "source"), path.join(work, "signalbox")];
  try {
    mkdirSync(source);
    execFileSync("git", ["archive", "-o", path.join(work, "source.tar"), BEFORE], { cwd: root, stdio: "pipe" });
    execFileSync("tar", ["xf", path.join(work, "source.tar"), "-C", source], { stdio: "pipe" });
  } catch (err) {
    notRun("a cluster of two versions", `the history has no ${BEFORE}: ${String(err.stderr ?? err).trim()}`);
    return undefined;
  }
  execFileSync("go", ["build", "-buildvcs=false", "-o", bin, "./cmd/signalbox"], { cwd: source, stdio: ["ignore", "inherit", "inherit"] });
  return existsSync(bin) ? bin : undefined;
}

const old = buildBefore();

for (const mode of ["classic", "sharded"]) {
  describe(mode, old ? (mode === "sharded" ? needsRealRedis : {}) : { skip: "there is no older version" }, () => {
    let cluster, servers;

    before(async () => {
      cluster = await Cluster.start({ nodes: 1, mode });
      const settings = { API_KEY: KEY, SHUTDOWN_TIMEOUT: "5s", HANDOVER_GRACE: "0s", DRAIN_SPREAD: "0s", ...cluster.env };
      servers = [cluster.nodes[0], await Server.start({ env: settings, command: [old, []] }), await Server.start({ env: settings, command: [old, []] })];
      cluster.nodes = servers;
    });
    after(() => cluster?.stop());

    const user = async (t, server) => {
      const client = await (await connect(t, server, websocket)).join(fresh());
      return client;
    };

    test("events reach users on all servers, once and in order, and counts are partial", async (t) => {
      for (const [from, to] of pairs(servers)) {
        const id = fresh();
        const [ann, bob] = [await user(t, from), await (await connect(t, to, websocket)).join(id)];
        for (let n = 0; n < 50; n++) ann.emit("word", { recipientUserId: id, n });
        const [answer] = await ann.ask("asked", { recipientUserId: id });
        await bob.next("asked");
        assert.deepEqual(bob.got("word").map(([data]) => data.n), Array.from({ length: 50 }, (_, n) => n));
        assert.equal(answer.ok, true);
        assert.equal(answer.partial, true, "two versions do not know each other well enough to count");
      }
    });

    test("a chat room: messages and the list of users", async (t) => {
      const room = fresh("room");
      const people = [];
      for (const [n, server] of servers.entries()) {
        const client = await connect(t, server, websocket);
        client.user = await client.login(`p${n}`, room);
        people.push(client);
      }
      for (const [n, from] of people.entries()) {
        from.emit("roomMessage", { n });
        for (const client of people) {
          assert.deepEqual((await client.next("roomMessage")).map(plain), [plain({ message: { n }, from: `p${n}` })]);
        }
      }
      const want = JSON.stringify(people.map((client) => client.user));
      for (const client of people) await client.until(() => JSON.stringify(client.got("users").at(-1)?.[0]) === want, `the list ${want}`);
    });
  });
}
