// The way to Heroku: built as its Go buildpack builds, started by the Procfile's own line, used by real clients.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { here, onReference } from "./support/build.mjs";
import { connect, eachClient, fresh, newest } from "./support/clients.mjs";
import { Server } from "./support/server.mjs";

const root = path.dirname(here);

describe("as Heroku does it", { skip: onReference && "not the reference's" }, () => {
  const app = mkdtempSync(path.join(tmpdir(), "signalbox-app-"));
  let server;

  before(async () => {
    const install = /^\/\/ \+heroku install (.+)$/m.exec(readFileSync(path.join(root, "go.mod"), "utf8"));
    assert.ok(install, "go.mod names what to install");
    execFileSync("go", ["install", "-tags", "heroku", ...install[1].split(/\s+/)], {
      cwd: root,
      env: { ...process.env, GOBIN: path.join(app, "bin") },
      stdio: ["ignore", "inherit", "inherit"],
    });
    const web = /^web:\s*(.+)$/m.exec(readFileSync(path.join(root, "Procfile"), "utf8"));
    assert.ok(web, "the Procfile says how to start");
    // A dyno runs the line in the folder of the application. exec: the exit code to look at is the server's, not the shell's.
    server = await Server.start({ command: ["sh", ["-c", `exec ${web[1]}`], app] });
  });

  after(async () => {
    await server?.stop();
    rmSync(app, { recursive: true, force: true });
  });

  eachClient(newest, (row) => {
    test("broker and chat work", async (t) => {
      const [id, room] = [fresh(), fresh("room")];
      const client = await (await connect(t, server, row)).join(id);
      assert.deepEqual(await client.ask("hello", { recipientUserId: id }), [{ ok: true, delivered: 1 }]);
      assert.deepEqual(await client.next("hello"), [{ recipientUserId: id }]);
      await client.login("ann", room);
    });
  });
});

test("the tag for the CDN in deploy.md holds npm's file to its checksum", { skip: onReference && "not the reference's" }, () => {
  const tag = /cdn\.socket\.io\/([\d.]+)\/(\S+)" crossorigin="anonymous"\s+integrity="sha384-([^"]+)"/.exec(readFileSync(path.join(root, "docs", "deploy.md"), "utf8"));
  assert.ok(tag, "deploy.md has the tag");
  const client = path.join(here, "node_modules", "socket.io-client");
  assert.equal(tag[1], JSON.parse(readFileSync(path.join(client, "package.json"), "utf8")).version);
  assert.equal(tag[3], createHash("sha384").update(readFileSync(path.join(client, "dist", tag[2]))).digest("base64"));
});
