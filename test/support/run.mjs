// `npm test`: builds the server once, then runs every *.test.mjs against it. Arguments go on to `node --test`, names of
// test files included: `npm test -- broker.test.mjs`. Tests in a browser need chromium, and those behind nginx need that: they
// are installed where that can be done, and else left out; see browser.mjs and nginx.mjs.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { provideBrowser } from "./browser.mjs";
import { build, here, onReference, remove } from "./build.mjs";
import { provideNginx } from "./nginx.mjs";

const args = process.argv.slice(2);
const named = args.some((a) => a.endsWith(".test.mjs"));
// The reference has the broker and the chat only.
const suits = (f) => f.endsWith(".test.mjs") && !f.startsWith("cluster") && !(onReference && /^(doors|browser)/.test(f));
const files = named ? [] : readdirSync(here).filter(suits).sort();

const env = { ...process.env };
// Here and not in the tests: an installation may take longer than a test may.
if (!onReference && (files.length > 0 || args.some((a) => a.includes("browser")))) env.CHROMIUM = provideBrowser() ?? "none";
if (!onReference && (files.length > 0 || args.some((a) => a.includes("nginx")))) env.NGINX = provideNginx() ?? "none";
let built;
if (!onReference && !env.SIGNALBOX_BIN) {
  built = build();
  env.SIGNALBOX_BIN = built;
}

const runner = spawn(
  process.execPath,
  ["--test", "--test-concurrency=2", "--test-timeout=120000", "--test-reporter=spec", ...args, ...files],
  { cwd: here, env, stdio: "inherit" },
);
// An interrupt reaches the runner as well; this process stays to remove what it built.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => runner.kill(signal));
runner.on("exit", (code) => {
  if (built) remove(built);
  process.exitCode = code ?? 1;
});
