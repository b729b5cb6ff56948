// A real browser for the tests: Debian's chromium, driven by playwright-core, which brings none of its own.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { notRun } from "./long.mjs";
import { canInstall, findProgram, install, isProgram } from "./program.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

const FLAGS = [
  "--no-sandbox", // tests run as root in containers, where the sandbox cannot be set up
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", // there is no network but this machine
];

/** Returns the path of the browser, CHROMIUM or the first one in PATH; undefined without one, or with CHROMIUM=none. */
export function findBrowser() {
  const { CHROMIUM } = process.env;
  if (CHROMIUM === "none") return undefined;
  if (CHROMIUM) {
    if (!isProgram(CHROMIUM)) throw new Error(`CHROMIUM=${CHROMIUM} is no program`);
    return CHROMIUM;
  }
  return findProgram(...NAMES);
}

/**
 * Returns the path of the browser, and installs it where there is none but this is Debian or its like, and root. Returns
 * undefined where that cannot be, which is said loudly. In CI (CI=true) an installation that fails is an error.
 */
export function provideBrowser() {
  const found = findBrowser();
  if (found) return found;
  if (process.env.CHROMIUM !== "none" && canInstall()) {
    console.error("browser tests: no chromium here, installing it with apt-get; this takes a while");
    try {
      install("chromium", "fonts-dejavu-core");
      const installed = findBrowser();
      if (installed) return installed;
      throw new Error("apt-get installed no chromium");
    } catch (err) {
      if (process.env.CI === "true") throw err;
      console.error(`browser tests: chromium could not be installed: ${err.message}`);
    }
  }
  notRun("tests in a browser", "there is no chromium here: install it, or set CHROMIUM to the path of one");
  return undefined;
}

/** Starts the browser with an empty profile of its own; close ends it and removes the profile. */
export async function launch(executablePath) {
  const profile = mkdtempSync(path.join(tmpdir(), "signalbox-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: FLAGS,
    headless: true,
    viewport: { width: 1280, height: 900 },
  });
  context.setDefaultTimeout(10_000);
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  };
  return { context, close };
}

/** Opens a page and remembers what goes wrong in it: console errors and warnings, exceptions, failed requests. */
export async function openPage(context, url, { viewport } = {}) {
  const page = await context.newPage();
  if (viewport) await page.setViewportSize(viewport);
  const faults = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (err) => faults.push(`exception: ${err.message}`));
  await page.goto(url);
  return { page, faults };
}
