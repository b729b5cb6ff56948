import { make, problem } from "./dom.js";
import { Plot } from "./plot.js";
import { count, size, span } from "./values.js";

const EVERY_MS = 1000;
const CALM_MS = 5000; // for those who want little movement

// The figures at the top: label, and the value from the counters and the rates.
const figures = [
  ["Socket.IO clients", (s) => count(s.polling + s.websocket)],
  ["Plain WebSockets", (s) => count(s.plain)],
  ["Event streams", (s) => count(s.streams)],
  ["Rooms", (s) => count(sum(s.rooms))],
  ["Packets in /s", (_, r) => (r ? perSecond(r.in) : "-")],
  ["Packets out /s", (_, r) => (r ? perSecond(r.out) : "-")],
];

// The table of everything.
const counters = [
  ["Socket.IO clients on polling", (s) => count(s.polling)],
  ["Socket.IO clients on websockets", (s) => count(s.websocket)],
  ["Socket.IO clients in namespaces", (s) => count(s.sockets)],
  ["Plain WebSockets", (s) => count(s.plain)],
  ["Event streams", (s) => count(s.streams)],
  ["Bytes waiting to be sent", (s) => size(s.outbox)],
  ["Events received", (s) => count(s.eventsIn)],
  ["Packets received", (s) => count(s.packetsIn)],
  ["Packets sent", (s) => count(s.packetsOut)],
  ["Bytes received", (s) => size(s.bytesIn)],
  ["Bytes sent", (s) => size(s.bytesOut)],
  ["Connections opened", (s) => count(s.opened)],
  ["Connections refused", (s) => count(s.refused)],
  ["Clients ended because they did not read", (s) => count(s.slow)],
  ["Panics in handlers", (s) => count(s.panics)],
  ["Goroutines", (s) => count(s.goroutines)],
  ["Memory in use", (s) => size(s.heap)],
];

// What the table has of clients that were cut, where they come back.
const recovery = [
  ["Clients that are away and may come back", (r) => count(r.away)],
  ["Messages kept for who comes back", (r) => count(r.messages)],
  ["Memory of what is kept", (r) => size(r.bytes)],
  ["Clients that came back", (r) => count(r.recovered)],
];

// perSecond writes a rate: small ones with a digit more, so that a single heartbeat is seen.
const perSecond = (rate) => (rate < 10 ? rate.toFixed(1) : count(Math.round(rate)));

const sum = (numbers) => Object.values(numbers).reduce((a, b) => a + b, 0);

/** The counters at the top, asked for every second while the page is shown. */
export class Live {
  #info;
  #cells;
  #table = document.querySelector("#counters tbody");
  #rooms = new Set(); // kinds that there were
  #more = new Map(); // cells of rows that are not always there, by label
  #rows;
  #server = document.getElementById("server");
  #plot = new Plot(document.getElementById("plot"), document.getElementById("plot-top"));
  #last = null;
  #takeBack = null;
  #every = matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM_MS : EVERY_MS;

  constructor(info) {
    this.#info = info;
    this.#cells = figures.map(([label]) => {
      const value = make("dd", {}, "-");
      document.getElementById("figures").append(make("div", {}, make("dt", {}, label), value));
      return value;
    });
    this.#rows = counters.map(([label]) => this.#row(label));
  }

  #row(label) {
    const value = make("td");
    this.#table.append(make("tr", {}, make("th", { scope: "row" }, label), value));
    return value;
  }

  /** Asks until the page is left. */
  async run() {
    for (;;) {
      if (document.hidden) {
        await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
        this.#last = null; // a rate over the pause would say nothing
      }
      let wait = this.#every;
      try {
        const res = await fetch("/console/stats", { cache: "no-store" });
        if (res.status === 401) {
          problem("You are signed out. Load the page again to sign in.");
          return;
        }
        if (!res.ok) throw new Error(`status ${res.status}`);
        this.#show(await res.json());
        this.#takeBack?.();
        this.#takeBack = null;
      } catch {
        this.#takeBack ??= problem("The server does not answer. Trying again.");
        this.#last = null;
        wait = CALM_MS;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  #show(stats) {
    const before = this.#last;
    this.#last = stats;
    let rates = null;
    const seconds = before ? (stats.time - before.time) / 1000 : 0;
    if (seconds > 0 && stats.packetsIn >= before.packetsIn) {
      rates = { in: (stats.packetsIn - before.packetsIn) / seconds, out: (stats.packetsOut - before.packetsOut) / seconds };
      this.#plot.add(rates);
    }
    this.#server.textContent = `version ${this.#info.version}, up for ${span(stats.uptime)}`;
    figures.forEach(([, value], i) => (this.#cells[i].textContent = value(stats, rates)));
    counters.forEach(([, value], i) => (this.#rows[i].textContent = value(stats)));
    for (const kind of new Set([...Object.keys(stats.rooms), ...this.#rooms])) {
      this.#rooms.add(kind);
      this.#set(`Rooms: ${kind}`, count(stats.rooms[kind] ?? 0));
    }
    if (!stats.recovery) return;
    for (const [label, value] of recovery) this.#set(label, value(stats.recovery));
    for (const [reason, n] of Object.entries(stats.recovery.failed)) this.#set(`Clients that could not come back: ${reason}`, count(n));
  }

  /** Sets the value of a row, which is made where there is none. */
  #set(label, text) {
    if (!this.#more.has(label)) this.#more.set(label, this.#row(label));
    this.#more.get(label).textContent = text;
  }
}
