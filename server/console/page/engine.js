// Engine.IO 4 in a page: a connection that carries messages by polling, by websocket, or by polling until a websocket is there.
// Rule: https://socket.io/docs/v4/engine-io-protocol/

const SEPARATOR = "\x1e";

/** One connection. The listener's opened(), message(text or ArrayBuffer), upgraded() and closed(reason) are called. */
export class Engine {
  #target; // of a transport, as a URL
  #listener;
  #handshake = { sid: "" };
  #socket = null; // carries packets when it is there; else polling does
  #waiting = []; // packets to be sent
  #posting = null; // the post on its way, a promise
  #polling = null; // the polls, a promise that is kept when they pause or end
  #paused = false;
  #upgrading = null; // the upgrade that is tried, a promise
  #ending = new AbortController();
  #patience = 0; // the timer of the next heartbeat

  constructor(server, transports, listener) {
    this.#listener = listener;
    this.#target = (transport) => {
      const url = new URL("/socket.io/", server);
      const { sid } = this.#handshake;
      url.search = new URLSearchParams({ EIO: 4, transport, ...(sid && { sid }) });
      if (transport === "websocket") url.protocol = url.protocol.replace("http", "ws");
      return url;
    };
    this.#start(transports).catch(() => this.#end("transport error"));
  }

  /** The transport that carries messages. */
  get transport() {
    return this.#socket ? "websocket" : "polling";
  }

  /** Sends a message. */
  send(text) {
    this.#send(`4${text}`);
  }

  /** Sends what waits, and ends the connection. */
  async close() {
    await this.#upgrading; // half of an upgrade would look like a fault
    if (!this.#socket && this.#handshake.sid && !this.#ended) {
      this.#send("1");
      await this.#posting;
    }
    this.#end("closed");
  }

  get #ended() {
    return this.#ending.signal.aborted;
  }

  async #start(transports) {
    if (transports[0] === "websocket") {
      this.#carry(await this.#dial());
      return;
    }
    await this.#poll();
    this.#polling = this.#pollOn();
    if (transports.includes("websocket") && this.#handshake.upgrades?.includes("websocket")) this.#upgrading = this.#upgrade();
  }

  async #poll() {
    const res = await fetch(this.#target("polling"), { signal: this.#ending.signal, cache: "no-store" });
    if (!res.ok) throw new Error(`status ${res.status}`);
    for (const packet of (await res.text()).split(SEPARATOR)) this.#take(packet);
  }

  async #pollOn() {
    try {
      while (!this.#paused && !this.#ended) await this.#poll();
    } catch {
      this.#end("transport error");
    }
  }

  #send(packet) {
    this.#waiting.push(packet);
    if (this.#socket) for (const p of this.#waiting.splice(0)) this.#socket.send(p);
    else this.#posting ??= this.#post();
  }

  async #post() {
    try {
      while (this.#waiting.length && !this.#paused && !this.#ended) {
        const body = this.#waiting.splice(0).join(SEPARATOR);
        const res = await fetch(this.#target("polling"), { method: "POST", body, signal: this.#ending.signal });
        if (!res.ok) throw new Error(`status ${res.status}`);
      }
    } catch {
      this.#end("transport error");
    }
    this.#posting = null;
  }

  // dial resolves with a websocket that is open.
  #dial() {
    const socket = new WebSocket(this.#target("websocket"));
    socket.binaryType = "arraybuffer";
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(socket);
      socket.onclose = () => reject(new Error("not opened"));
    });
  }

  // carry makes a websocket that is open the transport.
  #carry(socket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = () => this.#end("transport close");
    if (this.#ended) socket.close();
  }

  // upgrade tries a websocket, and stays with polling where it does not answer.
  async #upgrade() {
    let socket;
    try {
      socket = await this.#dial();
      const answer = new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onclose = () => reject(new Error("closed"));
      });
      socket.send("2probe");
      if ((await answer) !== "3probe") throw new Error("no answer");
      this.#paused = true; // the server answers the poll that waits, and says nothing in it
      await Promise.all([this.#polling, this.#posting]);
      if (socket.readyState !== WebSocket.OPEN) throw new Error("closed");
    } catch {
      socket?.close();
      this.#paused = false;
      if (!this.#ended) this.#polling = this.#pollOn();
      return;
    }
    socket.send("5");
    this.#carry(socket);
    for (const p of this.#waiting.splice(0)) socket.send(p);
    if (!this.#ended) this.#listener.upgraded();
  }

  #take(packet) {
    if (this.#ended) return;
    if (typeof packet !== "string") {
      this.#listener.message(packet);
      return;
    }
    const data = packet.slice(1);
    switch (packet[0]) {
      case "0":
        this.#handshake = JSON.parse(data);
        this.#beat();
        this.#listener.opened();
        break;
      case "1":
        this.#end("transport close");
        break;
      case "2":
        this.#beat();
        this.#send("3");
        break;
      case "4":
        this.#listener.message(data);
        break;
      case "b":
        this.#listener.message(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
        break;
    }
  }

  #beat() {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#end("ping timeout"), this.#handshake.pingInterval + this.#handshake.pingTimeout);
  }

  #end(reason) {
    if (this.#ended) return;
    clearTimeout(this.#patience);
    this.#ending.abort();
    this.#socket?.close();
    this.#listener.closed(reason);
  }
}
