// A load balancer that knows no sessions: each request goes to the next server, and to the one after it where that does not
// take connections, as nginx does.

import http from "node:http";
import net from "node:net";

export class Robin {
  static async open(t, servers) {
    const robin = new Robin(servers);
    await new Promise((resolve) => robin.listener.listen(0, "127.0.0.1", resolve));
    robin.url = `http://127.0.0.1:${robin.listener.address().port}`;
    t.after(() => {
      robin.listener.close();
      robin.listener.closeAllConnections();
      for (const socket of robin.streams) socket.destroy();
    });
    return robin;
  }

  constructor(servers) {
    this.servers = servers;
    this.last = 0;
    this.streams = new Set();
    this.listener = http.createServer((req, res) => this.#pass(req, res));
    this.listener.on("upgrade", (req, socket, head) => this.#stream(req, socket, head, this.servers.length));
  }

  /** Sends a server nothing more. */
  without(server) {
    this.servers = this.servers.filter((other) => other !== server);
  }

  #next() {
    return this.servers[this.last++ % this.servers.length].port;
  }

  #pass(req, res) {
    const chunks = [];
    req.on("data", (chunk) => chunks.push(chunk));
    req.on("error", () => {});
    req.on("end", () => this.#ask(req, Buffer.concat(chunks), res, this.servers.length));
  }

  #ask(req, body, res, tries) {
    const { method, url: path, headers } = req;
    const far = http.request({ host: "127.0.0.1", port: this.#next(), method, path, headers, agent: false });
    res.on("close", () => far.destroy());
    far.on("response", (answer) => {
      res.writeHead(answer.statusCode, answer.rawHeaders.filter((_, n, all) => !/^(connection|keep-alive)$/i.test(all[n - (n % 2)])));
      answer.on("error", () => res.destroy());
      answer.pipe(res);
    });
    far.on("error", (err) => {
      if (err.code === "ECONNREFUSED" && tries > 1) this.#ask(req, body, res, tries - 1);
      else res.destroy();
    });
    far.end(body);
  }

  #stream(req, near, head, tries) {
    const far = net.connect(this.#next(), "127.0.0.1", () => {
      const lines = [`${req.method} ${req.url} HTTP/1.1`];
      for (let i = 0; i < req.rawHeaders.length; i += 2) lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
      far.write(`${lines.join("\r\n")}\r\n\r\n`);
      far.write(head);
      near.pipe(far).pipe(near);
    });
    far.on("error", (err) => (err.code === "ECONNREFUSED" && tries > 1 ? this.#stream(req, near, head, tries - 1) : near.destroy()));
    near.on("error", () => far.destroy());
    near.on("close", () => far.destroy());
    far.on("close", () => far.bytesRead > 0 && near.destroy());
    for (const socket of [near, far]) {
      this.streams.add(socket);
      socket.on("close", () => this.streams.delete(socket));
    }
  }
}
