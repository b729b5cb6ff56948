// What takes time: heartbeats, bodies that do not come, upgrades and CONNECTs that are owed.

import net from "node:net";
import { long } from "../support/long.mjs";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Takes down how long something took, in steps that hide what a machine adds; long runs alone, since a busy one adds more. */
const timed = async (talk, step, run) => {
  const start = performance.now();
  await run();
  if (long) talk.say(`after ${Math.floor((performance.now() - start) / step)} x ${step} ms`);
};

export const times = {
  "a ping that is answered": async (talk) => {
    const ws = await talk.websocket();
    ws.send("40");
    await timed(talk, 500, () => ws.until("2"));
    ws.send("3");
    await timed(talk, 500, () => ws.until("2"));
    ws.end();
  },
  "a ping that is not answered": async (talk) => {
    const ws = await talk.websocket();
    ws.send("40");
    await ws.until("2");
    await timed(talk, 450, () => ws.until());
  },
  "a ping that is not answered, by polling": async (talk) => {
    const poll = await talk.polling();
    await poll.get();
    await timed(talk, 450, () => poll.get());
  },
  "the time of a pong begins again once": async (talk) => {
    const ws = await talk.websocket();
    ws.send("40");
    await ws.until("2");
    // Never 500 ms, once 650 ms, each time 1,050 ms.
    await timed(talk, 300, async () => {
      for (const wait of [150, 200, 200]) {
        await pause(wait);
        ws.send('42["a"]');
      }
      await ws.until();
    });
    ws.end();
  },
  "no CONNECT": async (talk) => {
    const ws = await talk.websocket();
    await ws.until("2");
    ws.send("3");
    await ws.until();
  },
  "an upgrade that is not finished": async (talk) => {
    const poll = await talk.polling();
    const ws = await talk.websocket(`/socket.io/?EIO=4&transport=websocket&sid=${poll.sid}`);
    ws.send("2probe");
    await ws.until("3probe");
    await timed(talk, 600, () => ws.until());
  },
  "a body that does not come": async (talk) => {
    const poll = await talk.polling();
    const socket = net.connect(talk.server.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (data) => (answer += data)).on("error", () => {});
    socket.write(`POST ${poll.path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n42[`);
    await new Promise((resolve) => socket.once("close", resolve));
    talk.say(answer.split("\r\n")[0].replace(/^HTTP\/1.1 /, ""));
    await poll.get();
  },
};
