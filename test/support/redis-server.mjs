// Which Redis the tests run on: redis-server from PATH, or installed where that can be done, or else miniredis, which is Go
// and a part of this module's tests already. `node support/redis-server.mjs` installs what is missing; it takes no package
// of npm.

import { fileURLToPath } from "node:url";
import { goProgram } from "./build.mjs";
import { notRun } from "./long.mjs";
import { canInstall, findProgram, install, isProgram } from "./program.mjs";

/** Returns the path of redis-server, REDIS_SERVER or the one in PATH; undefined without one, or with REDIS_SERVER=none. */
export function findRedis() {
  const { REDIS_SERVER } = process.env;
  if (REDIS_SERVER === "none") return undefined;
  if (!REDIS_SERVER) return findProgram("redis-server");
  if (!isProgram(REDIS_SERVER)) throw new Error(`REDIS_SERVER=${REDIS_SERVER} is no program`);
  return REDIS_SERVER;
}

/**
 * Returns the path of redis-server, and installs it where there is none but this is Debian or its like, and root. Returns
 * undefined where that cannot be, which is said loudly. In CI (CI=true) an installation that fails is an error.
 */
export function provideRedis() {
  const found = findRedis();
  if (found) return found;
  if (process.env.REDIS_SERVER !== "none" && canInstall()) {
    console.error("cluster tests: no redis-server here, installing it with apt-get; this takes a while");
    try {
      install("redis-server");
      const installed = findRedis();
      if (installed) return installed;
      throw new Error("apt-get installed no redis-server");
    } catch (err) {
      if (process.env.CI === "true") throw err;
      console.error(`cluster tests: redis-server could not be installed: ${err.message}`);
    }
  }
  notRun("tests of clusters that need a real Redis", "there is no redis-server here, the others run on miniredis: install redis-server 7, or set REDIS_SERVER to the path of one");
  return undefined;
}

/** Returns the path of miniredis: MINIREDIS_BIN, or built for this process. */
export const miniredis = () => process.env.MINIREDIS_BIN || goProgram("miniredis");

if (process.argv[1] === fileURLToPath(import.meta.url)) provideRedis();
