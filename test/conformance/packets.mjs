// Packets of Engine.IO and Socket.IO, good and bad, each over a websocket and by polling.

import { long } from "../support/long.mjs";

const PHOTO = Buffer.from([1, 2, 3]);
const place = (num) => `{"_placeholder":true,"num":${num}}`;
const deep = (n) => "[".repeat(n) + "]".repeat(n);

// What a client sends once it is in "/".
export const connected = [
  "", "0", "0{}", "1", "1x", "2", "2probe", "3", "3probe", "4", "5", "5x", "6", "7", "9", "x", " ", "b", "bAQID", "bAQ==", "4a", "4b",
  // CONNECT
  "40", "40/", "40/,", "40/nope", "40/nope,", '40/nope,{"a":1}', "40/nope,x", "40/nope?token=1", "40nope", "40[]", "40null", "401",
  '40{"token":1}',
  // DISCONNECT
  "41", "41/", "41/,", "41/nope,", '41{"a":1}', "41x", "41[]", "41null",
  // EVENT
  "42", "42[]", "42{}", "42null", '42"a"', "421", "42[1]", "42[1,2]", "42[null]", '42[["a"]]', '42[{"a":1}]', "42[true]", '42[""]', '42["a"]',
  '42 ["a"]', '42\n["a"]', '42["a"] ', '42["a"]x', '42["a"', '42["a",]', "42['a']", '42["a",01]', '42["a",1e999]', '42["a",-0]',
  '42["a",NaN]', '42["a",undefined]', String.raw`42["\u0061"]`, String.raw`42["a","\ud800"]`, '42["a\nb"]', '42["a",{"__proto__":{"b":1}}]',
  '42["connect"]', '42["connect_error"]', '42["disconnect"]', '42["disconnecting"]', '42["newListener"]', '42["removeListener"]',
  String.raw`42["\u0063onnect"]`, '42["error"]', '42/["a"]', '42/,["a"]', '42//,["a"]', '42/nope,["a"]', '42/nope["a"]', "42/nope", "42/",
  `42["a",${deep(100)}]`,
  // ids
  '421["ping"]', '420["ping"]', '42007["ping"]', '4212345["ping"]', '429007199254740991["ping"]', '42-1["ping"]', '421.5["ping"]',
  '42/,7["ping"]', '42/7["ping"]', "427", "427{}", '427 ["ping"]',
  // ACK
  "43", "43[]", "431", "431[]", "431[1]", "431{}", '431"a"', "43x[]", "43/nope,1[]", "4399999999999999999999[]", '431["connect"]',
  // CONNECT_ERROR
  "44", '44"x"', '44{"message":"x"}', "441", "44[]", "44/nope,",
  // binary
  "45", '450-["a"]', "450-[]", '45-["a"]', '45["a"]', '451["a"]', '45x-["a"]', '45-1-["a"]', '451.5-["a"]', '451-["a"]', "451-[]", "451-",
  '4511-["a"]', '4511', '451-["connect"]', "46", '460-1[1]', "460-[1]", "461-1[]", "461-[]", "47", '47["a"]', "48", "49", "4-1", '4142["a"]',
];

// A binary packet and its attachments.
export const binary = {
  "an attachment": [`451-["a",${place(0)}]`, PHOTO],
  "an attachment that nothing refers to": ['451-["a"]', PHOTO],
  "an attachment that two refer to": [`451-["a",${place(0)},${place(0)}]`, PHOTO],
  "two attachments": [`452-["a",${place(1)},${place(0)}]`, PHOTO, Buffer.alloc(0)],
  "a number out of range": [`451-["a",${place(1)}]`, PHOTO],
  "a negative number": [`451-["a",${place(-1)}]`, PHOTO],
  "a number in text": [`451-["a",${place('"0"')}]`, PHOTO],
  "no number": ['451-["a",{"_placeholder":true}]', PHOTO],
  "a number that is null": [`451-["a",${place(null)}]`, PHOTO],
  "a placeholder that is none": ['451-["a",{"_placeholder":false,"num":7}]', PHOTO],
  "a placeholder that is 1": ['451-["a",{"_placeholder":1,"num":7}]', PHOTO],
  "placeholders without attachments": [`42["a",${place(7)}]`],
  "an attachment of nobody": [PHOTO],
  "one too many": [`451-["a",${place(0)}]`, PHOTO, PHOTO],
  "text where an attachment is due": [`451-["a",${place(0)}]`, '42["a"]'],
  "an attachment in base64": [`451-["a",${place(0)}]`, "bAQID"],
  "an attachment in base64 without padding": [`451-["a",${place(0)}]`, "bAQ"],
  "a ping in between": [`451-["a",${place(0)}]`, "3", PHOTO],
  "with an id": [`451-7["ping",${place(0)}]`, PHOTO],
  "an ack": [`461-7[${place(0)}]`, PHOTO],
  "an ack without an id": [`461-[${place(0)}]`, PHOTO],
  "an event without a name": [`451-[${place(0)}]`, PHOTO],
  "ten attachments": ['4510-["a"]', ...Array(10).fill(PHOTO)],
  "eleven attachments": ['4511-["a"]', ...Array(11).fill(PHOTO)],
  "back to the sender": ['42["join",{"senderUserId":"me"}]', `452-["photo",{"recipientUserId":"me","a":${place(0)},"b":[${place(1)}]}]`, PHOTO, Buffer.alloc(200, 7)],
};

// What a client sends first.
const first = [
  "40", '40{"token":1}', "40/nope,", "41", "41/nope,", '42["a"]', '42/nope,["a"]', "431[]", '44"x"', '451-["a"]', "4", "4x", "40x", "3", "6", "5",
  "2", "1", "0", "7"
];

// In one write, Node handles what comes behind a DISCONNECT before it. NEXT waits, as for another body.
const NEXT = Symbol("what is behind comes later");
const sequences = {
  "it leaves and comes again": ['42["a"]', "41", NEXT, "40"],
  "it leaves and says something": ["41", NEXT, '42["a"]'],
  "it leaves twice": ["41", NEXT, "41"],
  "two namespaces that are not there": ["40/a,", "40/b,"],
  "numbers and escapes, to itself": ['42["join",{"senderUserId":"me"}]', String.raw`42["x",{"recipientUserId":"me","v":[1.0,"\u00e9",null]}]`],
  "text of all kinds, to itself": ['42["join",{"senderUserId":"me"}]', '42["x",{"recipientUserId":"me","v":"\u00e9\u2028\ud83c\udf89"}]'],
};

const TWICE = ["40", '40{"token":1}']; // what is sent last ends these
const SENT = '42999["ping"]'; // answered with the id, if it comes so far

const split = (messages) => messages.reduce((parts, m) => (m === NEXT ? parts.push([]) : parts.at(-1).push(m), parts), [[]]);

const bySocket = (messages, join) => async (talk) => {
  const ws = await talk.websocket();
  if (join) {
    ws.send("40");
    await ws.until("40{");
  }
  for (const part of split(messages)) {
    ws.send(...part);
    await ws.settle();
  }
  ws.send(join ? SENT : "40");
  await ws.until(...(TWICE.includes(messages[0]) && !join ? [] : [join ? "43999" : "40{"]));
  ws.end();
};

const body = (messages) => messages.map((m) => (typeof m === "string" ? m : `b${m.toString("base64")}`)).join("\x1e");

const byPolling = (messages, join) => async (talk) => {
  const poll = await talk.polling({ join });
  for (const part of split(messages)) await poll.post(body(part));
  await poll.post(join ? SENT : "40");
  await poll.until(join ? "43999" : TWICE.includes(messages[0]) ? "1" : "40{");
};

export const shown = (text) => JSON.stringify(text).slice(1, -1).slice(0, 60);
const cases = [
  ...connected.map((packet) => [shown(packet), [packet], true]),
  ...Object.entries(binary).map(([name, messages]) => [name, messages, true]),
  ...first.map((packet) => [`first ${shown(packet)}`, [packet], false]),
  ...Object.entries(sequences).map(([name, messages]) => [name, messages, true]),
];

// Cases run at the same time, and each has a user of its own.
const named = (name, messages) => messages.map((m) => (typeof m === "string" ? m.replaceAll('UserId":"me"', `UserId":"${name}"`) : m));

const all = (transport, run) => Object.fromEntries(
  cases.map(([name, messages, join], i) => [`${transport} ${name}`, run(named(`${transport}${i}`, messages), join)]),
);

/** By polling they are many requests, and take a while. */
export const packets = { ...all("websocket", bySocket), ...(long ? all("polling", byPolling) : {}) };
