// Programs that tests need and npm does not bring: where they are, and how Debian and its like install them.

import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";

export const isProgram = (file) => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Returns the path of the first of these names that is a program in PATH or /usr/bin; undefined where none is. */
export function findProgram(...names) {
  const places = [...(process.env.PATH ?? "").split(path.delimiter).filter(Boolean), "/usr/bin"];
  return names.flatMap((name) => places.map((place) => path.join(place, name))).find(isProgram);
}

/** Reports whether packages can be installed here: with apt-get, by root. */
export const canInstall = () => process.getuid?.() === 0 && findProgram("apt-get") !== undefined;

/** Installs packages with apt-get; it throws where that fails. */
export function install(...packages) {
  const apt = (...args) => {
    execFileSync("apt-get", ["-qq", "-y", ...args], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      timeout: 600_000,
    });
  };
  apt("update");
  apt("install", "--no-install-recommends", ...packages);
}
