// A way to the server that can be cut, as mobile networks and proxies do.

import net from "node:net";

/**
 * Forwards a loopback port to a server. url is that of the way; cut ends every connection on it, and swallow has those of now
 * stay open at the server while nothing gets through; new ones still work.
 */
export class Cuttable {
  static async open(t, server) {
    const way = new Cuttable();
    way.server = server; // may become another one
    way.listener = net.createServer((near) => {
      const far = net.connect(way.server.port, "127.0.0.1");
      for (const [a, b] of [[near, far], [far, near]]) {
        way.sockets.add(a);
        a.on("error", () => {}); // its end is told to the other side by close
        a.on("close", () => {
          way.sockets.delete(a);
          if (!way.swallowed.has(b)) b.destroy();
        });
        a.pipe(b);
      }
    });
    await new Promise((resolve) => way.listener.listen(0, "127.0.0.1", resolve));
    way.url = `http://127.0.0.1:${way.listener.address().port}`;
    t.after(() => {
      way.listener.close();
      way.cut();
    });
    return way;
  }

  constructor() {
    this.sockets = new Set();
    this.swallowed = new Set();
  }

  swallow() {
    for (const socket of this.sockets) {
      this.swallowed.add(socket);
      socket.unpipe();
      socket.resume(); // and what comes is lost
    }
  }

  cut() {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }
}
