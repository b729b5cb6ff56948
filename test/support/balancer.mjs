// A load balancer as hosts have them, for connections and not for requests: it suits clients that use websockets only.

import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { isReady } from "./server.mjs";

const CHECK_MS = 50;

/** Forwards new connections to servers whose /readyz is 200, one after the other. */
export class Balancer {
  static async open(t, servers) {
    const balancer = new Balancer(servers);
    await balancer.#check();
    const checking = balancer.#keepChecking();
    await new Promise((resolve) => balancer.listener.listen(0, "127.0.0.1", resolve));
    balancer.url = `http://127.0.0.1:${balancer.listener.address().port}`;
    t.after(async () => {
      balancer.closed = true;
      balancer.listener.close();
      for (const socket of balancer.sockets) socket.destroy();
      await checking;
    });
    return balancer;
  }

  constructor(servers) {
    this.servers = servers;
    this.ready = [];
    this.sockets = new Set();
    this.last = 0;
    this.listener = net.createServer((near) => this.#forward(near));
  }

  async #check() {
    const states = await Promise.all(this.servers.map((server) => isReady(server.url)));
    this.ready = this.servers.filter((_, n) => states[n]);
  }

  async #keepChecking() {
    while (!this.closed) {
      await pause(CHECK_MS);
      await this.#check();
    }
  }

  #forward(near) {
    const server = this.ready[this.last++ % this.ready.length];
    near.on("error", () => {});
    if (!server) return near.destroy();
    const far = net.connect(server.port, "127.0.0.1");
    for (const [a, b] of [[near, far], [far, near]]) {
      this.sockets.add(a);
      a.on("error", () => {}); // its end is told to the other side by close
      a.on("close", () => {
        this.sockets.delete(a);
        b.destroy();
      });
      a.pipe(b);
    }
  }
}
