// Engine.IO 3, with ALLOW_EIO3: what old clients send, and what comes back.

import { long } from "../support/long.mjs";
import { meant } from "./meant.mjs";
import { binary, connected, shown } from "./packets.mjs";

const SOCKET = "/socket.io/?EIO=3&transport=websocket";
const POLL = "EIO=3&transport=polling";
const TEXT = { "content-type": "text/plain;charset=UTF-8" };
const OCTETS = { "content-type": "application/octet-stream" };
const SENT = '42999["ping"]';

const get = (query, options = {}) => (talk) => talk.http(options.method ?? "GET", `/socket.io/?${query}`, options);
const open = (query) => async (talk) => {
  const ws = await talk.websocket(`/socket.io/?${query}`);
  if (ws.opened) await ws.until("40");
  ws.end();
};

/** A client that polls, and is in "/". */
async function polling(talk, query = POLL) {
  const { text } = await talk.http("GET", `/socket.io/?${query}`);
  const poll = {
    talk,
    path: `/socket.io/?${POLL}&sid=${JSON.parse(text.slice(text.indexOf(":") + 2)).sid}`,
    post: (body, headers = TEXT) => talk.http("POST", poll.path, { headers, body }),
    get: () => talk.http("GET", poll.path),
  };
  talk.polls.push({ path: poll.path, close: "1:1" });
  await poll.get();
  return poll;
}
const withSession = (run, query) => async (talk) => run(await polling(talk, query), talk);
const length = (packet) => `${packet.length}:${packet}`;

/** A packet of a body of bytes. */
const octets = (packet, kind = typeof packet === "string" ? 0 : 1) => {
  const data = Buffer.from(packet);
  return Buffer.concat([Buffer.from([kind, ...[...String(data.length)].map(Number), 255]), data]);
};

// A websocket that is in "/".
const sent = (...messages) => async (talk) => {
  const ws = await talk.websocket(SOCKET);
  await ws.until("40");
  ws.send(...messages.map((m) => (typeof m === "string" ? m : Buffer.concat([Buffer.from([4]), m]))));
  await ws.settle();
  ws.send(SENT);
  await ws.until("43999");
  ws.end();
};

/** What differs in version 4 for a reason does so here. */
function listed(packet) {
  return meant.some(({ cases }) => cases.includes(`packets: websocket ${shown(packet)}`));
}

const place = '{"_placeholder":true,"num":0}';
const photo = (name) => [`42["join",{"senderUserId":"${name}"}]`, `451-["photo",{"recipientUserId":"${name}","a":${place}}]`];

export const version3 = {
  ...Object.fromEntries(["EIO=3", "EIO=2", "EIO=5", "EIO=", "eio=4", ""].flatMap((eio) => [
    [`GET ${eio}`, get(`${eio}&transport=polling`)],
    [`websocket ${eio}`, open(`${eio}&transport=websocket`)],
  ])),
  "GET b64": get(`${POLL}&b64=1`),
  "GET without a transport": get("EIO=3"),
  "POST without a session": get(POLL, { method: "POST", body: "1:2" }),
  "an unknown session": get(`${POLL}&sid=nobody`),
  "an Origin": get(POLL, { headers: { origin: "https://app.example" } }),
  "GET with EIO=4": withSession((poll, talk) => talk.http("GET", poll.path.replace("EIO=3", "EIO=4"))),
  "POST with EIO=4": withSession((poll, talk) => talk.http("POST", poll.path.replace("EIO=3", "EIO=4"), { body: "2" })),
  "version 4, GET without EIO": async (talk) => {
    const poll = await talk.polling();
    await talk.http("GET", poll.path.replace("EIO=4&", ""));
  },
  "a ping": withSession(async (poll) => {
    await poll.post("1:2");
    await poll.get();
  }),
  "an event": withSession(async (poll) => {
    await poll.post(length('421["ping"]'));
    await poll.get();
  }),
  "several packets": withSession(async (poll) => {
    await poll.post(["2", '421["ping"]', '422["ping"]'].map(length).join(""));
    await poll.get();
  }),
  "packets as bytes": withSession(async (poll) => {
    await poll.post(Buffer.concat(["2", '421["ping"]'].map((p) => octets(p))), OCTETS);
    await poll.get();
  }),
  "an attachment in base64": withSession(async (poll) => {
    await poll.post([...photo("eio3base64"), "b4AQID"].map(length).join(""));
    await poll.get();
  }),
  "an attachment as bytes": withSession(async (poll) => {
    await poll.post(Buffer.concat([...photo("eio3bytes"), Buffer.from([4, 1, 2, 3])].map((p) => octets(p))), OCTETS);
    await poll.get();
  }),
  "an attachment to one who takes no bytes": withSession(async (poll) => {
    await poll.post([...photo("eio3text"), "b4AQID"].map(length).join(""));
    await poll.get();
  }, `${POLL}&b64=1`),
  "text of all kinds to one who takes no bytes": withSession(async (poll) => {
    await poll.post(length('42["join",{"senderUserId":"eio3utf"}]') + length('42["x",{"recipientUserId":"eio3utf","v":"\u00e9\u20ac\ud83c\udf89"}]'));
    await poll.get();
  }, `${POLL}&b64=1`),
  "text of all kinds": withSession(async (poll) => {
    await poll.post(length('42["join",{"senderUserId":"eio3all"}]') + length('42["x",{"recipientUserId":"eio3all","v":"\u00e9\u20ac\ud83c\udf89"}]'));
    await poll.get();
  }),
  "a namespace that is not there": withSession(async (poll) => {
    await poll.post(length("40/nope,"));
    await poll.get();
  }),
  "a namespace that is not there, with a query": withSession(async (poll) => {
    await poll.post(length("40/nope?token=a%20b,"));
    await poll.get();
  }),
  "close": withSession((poll) => poll.post("1:1")),
  "an upgrade": withSession(async (poll, talk) => {
    const waiting = talk.http("GET", poll.path, { mute: true });
    await pause(300);
    const ws = await talk.websocket(poll.path.replace("polling", "websocket"));
    ws.send("2probe");
    await ws.until("3probe");
    talk.say(`polled: ${(await waiting).text}`);
    ws.send("5", "2", '427["ping"]');
    await ws.until("437");
    await talk.http("GET", poll.path);
    ws.end();
  }),
  "a websocket that takes no bytes": async (talk) => {
    const ws = await talk.websocket(`${SOCKET}&b64=1`);
    await ws.until("40");
    ws.send(...photo("eio3wsb64"), "b4AQID");
    await ws.until("b4");
    ws.end();
  },
  "back to the sender": sent(...photo("eio3back"), Buffer.from([1, 2, 3])),
  ...Object.fromEntries(long ? connected.filter((packet) => !listed(packet)).map((packet) => [`packet ${shown(packet)}`, sent(packet)]) : []),
  ...Object.fromEntries(Object.entries(binary).filter(([name]) => name !== "back to the sender").map(([name, messages]) => [`packet ${name}`, sent(...messages)])),
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
