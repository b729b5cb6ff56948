// Where the server under test comes from: TARGET=node names the reference in this folder, SIGNALBOX_BIN a binary that
// exists, and otherwise it is built from the source beside this folder (RACE=1: with the race detector).

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const here = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** Reports whether the suite runs against the reference server instead of signalbox. */
export const onReference = process.env.TARGET === "node";

/** Builds signalbox, without the browser client that `make client` takes in, into a new temporary folder; returns the path. */
export function build() {
  const dir = mkdtempSync(path.join(tmpdir(), "signalbox-test-"));
  const bin = path.join(dir, "signalbox");
  const race = process.env.RACE === "1" ? ["-race"] : [];
  try {
    const bundle = path.join(path.dirname(here), "server", "client");
    const left = readdirSync(bundle).filter((name) => name.startsWith("socket.io"));
    const overlay = path.join(dir, "overlay.json");
    writeFileSync(overlay, JSON.stringify({ Replace: Object.fromEntries(left.map((name) => [path.join(bundle, name), ""])) }));
    execFileSync("go", ["build", ...race, "-overlay", overlay, "-o", bin, "./cmd/signalbox"], {
      cwd: path.dirname(here),
      stdio: ["ignore", "inherit", "inherit"],
    });
  } catch (err) {
    remove(bin);
    throw err;
  }
  return bin;
}

const programs = new Map();

/** Builds the Go program in a folder of this one and returns the path of the binary, which is removed with this process. */
export function goProgram(name) {
  let bin = programs.get(name);
  if (!bin) {
    const dir = mkdtempSync(path.join(tmpdir(), `signalbox-${name}-`));
    process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
    bin = path.join(dir, name);
    execFileSync("go", ["build", "-buildvcs=false", "-o", bin, `./test/${name}`], { cwd: path.dirname(here), stdio: ["ignore", "inherit", "inherit"] });
    programs.set(name, bin);
  }
  return bin;
}

/** Removes what build made. */
export function remove(bin) {
  rmSync(path.dirname(bin), { recursive: true, force: true });
}

let command;

/** Returns program and arguments that start the server; the first call may build it. */
export function serverCommand() {
  if (command) return command;
  if (onReference) {
    command = [process.execPath, [path.join(here, "reference", "server.mjs")]];
  } else if (process.env.SIGNALBOX_BIN) {
    command = [path.resolve(process.env.SIGNALBOX_BIN), []];
  } else {
    const bin = build();
    process.on("exit", () => remove(bin));
    command = [bin, []];
  }
  return command;
}
