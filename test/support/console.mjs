// What the tests of the page /console share.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { after, before } from "node:test";
import { findBrowser, launch, openPage } from "./browser.mjs";
import { Server } from "./server.mjs";

/** The option of describe that leaves out what needs a browser where there is none. */
export const needsBrowser = { skip: findBrowser() ? false : "there is no chromium here" };

/** Starts a browser and a server for the tests of a describe block; env adds to the server's settings. */
export function useConsole(env = {}) {
  const use = {};
  before(async () => {
    use.server = await Server.start({ env });
    use.browser = await launch(findBrowser());
  });
  after(async () => {
    await use.browser?.close();
    await use.server?.stop();
  });

  /** Opens any page in the browser; it is closed after the test. */
  use.openAny = async (t, url) => {
    const opened = await openPage(use.browser.context, url);
    t.after(() => opened.page.close());
    return opened.page;
  };

  /**
   * Opens the console at one tab, "" for none in the address; the test fails if anything went wrong in the page but what
   * expected matches.
   */
  use.open = async (t, tab, { viewport, expected = /^$/ } = {}) => {
    const { page, faults } = await openPage(use.browser.context, `${use.server.url}/console${tab ? `#${tab}` : ""}`, { viewport });
    t.after(async () => {
      await page.close();
      assert.deepEqual(faults.filter((text) => !expected.test(text)), [], "what the browser's console says");
    });
    await ready(page);
    return page;
  };
  return use;
}

/** Waits until the page can be used. */
export const ready = (page) => page.locator("html[data-ready]").waitFor();

/** The pane of this name. */
export const pane = (page, name) => page.getByRole("region", { name, exact: true });

/** Presses the button of this name. */
export const press = (where, name) => where.getByRole("button", { name, exact: true }).click();

/** Waits until a pane says this of its connection. */
export const status = (where, text) => where.locator(".status", { hasText: text }).waitFor();

/** Waits for an entry of a pane's log: kind is its class, text is in it. */
export const entry = (where, kind, text) => where.locator(`.log li.${kind}`, { hasText: text }).first().waitFor();

// SCREENSHOTS=<folder> keeps a picture of every pane, for people to look at.
const shots = process.env.SCREENSHOTS;
if (shots) mkdirSync(shots, { recursive: true });

/** Takes a picture where pictures are wanted. */
export const shoot = async (page, name) => shots && (await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true }));
