// nginx in front of servers under test, with the configuration that docs/deploy.md gives.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { here } from "./build.mjs";
import { notRun } from "./long.mjs";
import { canInstall, findProgram, install, isProgram } from "./program.mjs";
import { freePort, Server } from "./server.mjs";

/** Returns the path of nginx, NGINX or the one in PATH; undefined without one, or with NGINX=none. */
export function findNginx() {
  const { NGINX } = process.env;
  if (NGINX === "none") return undefined;
  if (NGINX) {
    if (!isProgram(NGINX)) throw new Error(`NGINX=${NGINX} is no program`);
    return NGINX;
  }
  return findProgram("nginx") ?? ["/usr/sbin/nginx"].find(isProgram);
}

/**
 * Returns the path of nginx, and installs it where there is none but this is Debian or its like, and root. Returns undefined
 * where that cannot be, which is said loudly. In CI (CI=true) an installation that fails is an error.
 */
export function provideNginx() {
  const found = findNginx();
  if (found) return found;
  if (process.env.NGINX !== "none" && canInstall()) {
    console.error("nginx tests: no nginx here, installing it with apt-get; this takes a while");
    const { RUNLEVEL } = process.env;
    process.env.RUNLEVEL = "1"; // the package is not to start a server of its own
    try {
      install("nginx");
      const installed = findNginx();
      if (installed) return installed;
      throw new Error("apt-get installed no nginx");
    } catch (err) {
      if (process.env.CI === "true") throw err;
      console.error(`nginx tests: nginx could not be installed: ${err.message}`);
    } finally {
      if (RUNLEVEL === undefined) delete process.env.RUNLEVEL;
      else process.env.RUNLEVEL = RUNLEVEL;
    }
  }
  notRun("tests behind nginx", "there is no nginx here: install it, or set NGINX to the path of one");
  return undefined;
}

/** The configuration for several servers in docs/deploy.md, as it is there. */
export function documented() {
  const page = readFileSync(path.join(path.dirname(here), "docs", "deploy.md"), "utf8");
  const section = page.split(/^## /m).find((s) => /^nginx\n/.test(s));
  const blocks = [...(section ?? "").matchAll(/^```nginx\n([^]+?)^```$/gm)].map(([, text]) => text);
  assert.equal(blocks.length, 1, "docs/deploy.md has one configuration in its section nginx");
  return blocks[0];
}

/**
 * Puts a test's ports in the place of those of the document, and takes TLS away. Nothing else is changed, so whatever is no
 * longer found where it was expected is an error.
 */
export function adapted(text, port, servers) {
  const replace = (what, by, times) => {
    let seen = 0;
    text = text.replace(what, (...match) => by(seen++, ...match));
    assert.equal(seen, times, `${what} in the nginx configuration of docs/deploy.md`);
  };
  const at = servers.map(({ port }) => port);
  replace(/^(\s*server) 127\.0\.0\.1:300(\d)/gm, (_, all, server, n) => `${server} 127.0.0.1:${at[n - 1]}`, 2 * at.length);
  replace(/listen 443 ssl;/, () => `listen 127.0.0.1:${port};`, 1);
  replace(/^\s*ssl_certificate(_key)? .*\n/gm, () => "", 2);
  return text;
}

/** One nginx with the configuration of the document or another one, on a loopback port, in front of servers. All it writes is in a folder of its own. */
export class Nginx extends Server {
  static async start(servers, text = (port) => adapted(documented(), port, servers)) {
    const nginx = new Nginx(await freePort(), {}, undefined);
    nginx.text = text;
    nginx.dir = mkdtempSync(path.join(tmpdir(), "signalbox-nginx-"));
    try {
      nginx.#write(servers);
      nginx.command = [findNginx(), ["-p", nginx.dir, "-c", path.join(nginx.dir, "nginx.conf"), "-e", "stderr"], nginx.dir];
      await nginx.start();
    } catch (err) {
      nginx.signal("SIGKILL");
      rmSync(nginx.dir, { recursive: true, force: true });
      throw err;
    }
    return nginx;
  }

  #write(servers) {
    writeFileSync(path.join(this.dir, "nginx.conf"), wrapped(this.text(this.port, servers)));
  }

  /** Sends to these servers from now on, as soon as nginx has read that; what is under way goes on. */
  reload(servers) {
    this.#write(servers);
    process.kill(this.child.pid, "SIGHUP");
  }

  async stop() {
    await super.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** What is around a server's configuration in the file of Debian's package. Several workers: they have to agree on who is down. */
function wrapped(text) {
  return `
daemon off;
${process.getuid() === 0 ? "user root;" : "" /* who may write into the folder */}
worker_processes 2;
pid nginx.pid;
lock_file nginx.lock;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
${text}
}
`;
}
