// Requests: handshakes that are taken and refused, and what a session's requests may do.

const WAITS_MS = 300; // until a poll is taken to be there
const TEXT = { "content-type": "text/plain;charset=UTF-8" };

const get = (query, { method = "GET", path = "/socket.io/", ...more } = {}) => (talk) => talk.http(method, `${path}?${query}`, more);
const open = (query, headers, path = "/socket.io/") => async (talk) => {
  const ws = await talk.websocket(`${path}?${query}`, headers);
  if (ws.opened) {
    ws.send("40");
    await ws.until("40{");
  }
  ws.end();
};

const POLL = "EIO=4&transport=polling";
const SOCKET = "EIO=4&transport=websocket";

export const handshakes = {};
for (const eio of ["EIO=4", "EIO=3", "EIO=5", "EIO=", "EIO=04", "EIO=4&EIO=4", "EIO=4&EIO=3", "eio=4", ""]) {
  for (const transport of ["polling", "websocket", "webtransport", "flashsocket", "constructor", "POLLING", ""]) {
    const query = [eio, transport && `transport=${transport}`].filter(Boolean).join("&");
    handshakes[`GET ${query}`] = get(query);
    if (transport.length > 6 && transport !== "flashsocket") handshakes[`upgrade ${query}`] = open(query);
  }
}
for (const method of ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]) {
  handshakes[`${method} without a session`] = get(POLL, { method });
  handshakes[`${method} of nobody's session`] = get(`${POLL}&sid=nobody`, { method });
}
Object.assign(handshakes, {
  "an empty sid": get(`${POLL}&sid=`),
  "nobody's sid": get(`${POLL}&sid=nobody`),
  "a sid that objects have": get(`${POLL}&sid=constructor`),
  "an upgrade of nobody's session": open(`${SOCKET}&sid=nobody`),
  "t and other parameters": get(`${POLL}&t=x1&a=b&a=c`),
  "b64": get(`${POLL}&b64=1`),
  "an Origin": get(POLL, { headers: { origin: "https://app.example" } }),
  "an Origin that is null": get(POLL, { headers: { origin: "null" } }),
  "an Origin with a letter of Latin-1": get(POLL, { headers: { origin: "https://\u00e9.example" } }),
  "an error with an Origin": get("EIO=4&transport=x", { headers: { origin: "https://app.example" } }),
  "a websocket with an Origin": open(SOCKET, { Origin: "https://app.example" }),
  "a preflight": get(POLL, {
    method: "OPTIONS", headers: { origin: "https://app.example", "access-control-request-method": "POST" },
  }),
  "subprotocols": open(SOCKET, { "Sec-WebSocket-Protocol": "first, second" }),
  "version 8 of the WebSocket": open(SOCKET, { "Sec-WebSocket-Version": "8" }),
  "version 12 of the WebSocket": open(SOCKET, { "Sec-WebSocket-Version": "12" }),
  "no key": open(SOCKET, { "Sec-WebSocket-Key": undefined }),
  "a short key": open(SOCKET, { "Sec-WebSocket-Key": "abc" }),
  "another protocol to upgrade to": open(SOCKET, { Upgrade: "h2c" }),
  "Upgrade in other letters": open(SOCKET, { Upgrade: "WebSocket", Connection: "keep-alive, upgrade" }),
  "compression that is offered": open(SOCKET, { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" }),
});

const withSession = (run, options) => async (talk) => run(talk, await talk.polling(options));

export const sessions = {
  "another EIO, GET": withSession((talk, poll) => talk.http("GET", poll.path.replace("EIO=4", "EIO=3"))),
  "another EIO, POST": withSession((talk, poll) => talk.http("POST", poll.path.replace("EIO=4", "EIO=3"), { body: "41" })),
  "no EIO, GET": withSession((talk, poll) => talk.http("GET", poll.path.replace("EIO=4&", ""))),
  "another EIO, upgrade": withSession((talk, poll) => open(`EIO=3&transport=websocket&sid=${poll.sid}`)(talk)),
  "the session lives on": withSession(async (talk, poll) => {
    await talk.http("POST", poll.path.replace("EIO=4", "EIO=3"), { body: "41" });
    await poll.post('421["ping"]');
    await poll.get();
  }),
  "websocket in the query without an upgrade": withSession((talk, poll) => talk.http("GET", poll.path.replace("polling", "websocket"))),
  "an unknown transport": withSession((talk, poll) => talk.http("GET", poll.path.replace("polling", "x"))),
  "PUT": withSession((talk, poll) => talk.http("PUT", poll.path)),
  "DELETE": withSession((talk, poll) => talk.http("DELETE", poll.path)),
  "HEAD": withSession((talk, poll) => talk.http("HEAD", poll.path)),
  "OPTIONS": withSession((talk, poll) => talk.http("OPTIONS", poll.path)),
  "POST of nothing": withSession((talk, poll) => poll.post("")),
  "POST of bytes": withSession(async (talk, poll) => {
    await poll.post("43", { "content-type": "application/octet-stream" });
    await poll.get();
  }),
  "POST without a type": withSession((talk, poll) => poll.post('421["ping"]', {})),
  "POST as a form": withSession((talk, poll) => poll.post('421["ping"]', { "content-type": "application/x-www-form-urlencoded" })),
  "POST of what is not UTF-8": withSession(async (talk, poll) => {
    await poll.post(Buffer.from([0x34, 0x32, 0x5b, 0x22, 0xff, 0x22, 0x5d]), TEXT);
    await poll.get();
  }),
  "POST in chunks": withSession((talk, poll) => poll.post('421["ping"]', { ...TEXT, "transfer-encoding": "chunked" })),
  "POST at the limit": withSession((talk, poll) => poll.post(`42["a","${"x".repeat(100_000 - 9)}"]`)),
  "POST over the limit": withSession((talk, poll) => poll.post(`42["a","${"x".repeat(100_000 - 8)}"]`)),
  "POST over the limit in chunks": withSession((talk, poll) => poll.post(`42["a","${"x".repeat(100_000)}"]`, { ...TEXT, "transfer-encoding": "chunked" })),
  "many packets in one body": withSession(async (talk, poll) => {
    await poll.post(["3", '421["ping"]', '422["ping"]', "3"].join("\x1e"));
    await poll.get();
  }),
  "an empty packet among others": withSession(async (talk, poll) => {
    await poll.post('421["ping"]\x1e\x1e422["ping"]');
    await poll.get();
  }),
  "a separator behind the last": withSession(async (talk, poll) => {
    await poll.post('421["ping"]\x1e');
    await poll.get();
  }),
  "close": withSession(async (talk, poll) => {
    await poll.post("1");
    await poll.get();
  }),
  "close while a poll waits": withSession(async (talk, poll) => {
    const waiting = talk.http("GET", poll.path, { mute: true });
    await pause(WAITS_MS);
    await poll.post("1");
    talk.say(`polled: ${(await waiting).text}`);
  }),
  "two polls": withSession(async (talk, poll) => {
    const two = [1, 2].map(() => talk.http("GET", poll.path, { mute: true })); // either may be there first
    const answers = await Promise.all(two);
    talk.say(answers.map(({ status, text }) => (status === 200 ? `200 ${text}` : String(status))).sort().join(", "));
    await poll.get();
  }),
  "an upgrade": withSession(async (talk, poll) => {
    const waiting = talk.http("GET", poll.path, { mute: true });
    await pause(WAITS_MS);
    const ws = await talk.websocket(`/socket.io/?EIO=4&transport=websocket&sid=${poll.sid}`);
    ws.send("2probe");
    await ws.until("3probe");
    talk.say(`polled: ${(await waiting).text}`);
    ws.send("5", '427["ping"]');
    await ws.until("437");
    await talk.http("GET", poll.path);
    await talk.http("POST", poll.path, { body: "3" });
    await open(`EIO=4&transport=websocket&sid=${poll.sid}`)(talk);
    ws.end();
  }),
  "an upgrade that says something else first": withSession(async (talk, poll) => {
    const ws = await talk.websocket(`/socket.io/?EIO=4&transport=websocket&sid=${poll.sid}`);
    ws.send('42["a"]');
    await ws.until();
    await poll.post('421["ping"]');
    await poll.get();
  }),
  "an upgrade with another probe": withSession(async (talk, poll) => {
    const ws = await talk.websocket(`/socket.io/?EIO=4&transport=websocket&sid=${poll.sid}`);
    ws.send("2other");
    await ws.until();
  }),
  "an upgrade without a probe": withSession(async (talk, poll) => {
    const ws = await talk.websocket(`/socket.io/?EIO=4&transport=websocket&sid=${poll.sid}`);
    ws.send("5", '427["ping"]');
    await ws.until("437");
    ws.end();
  }),
  "an upgrade that is given up": withSession(async (talk, poll) => {
    const ws = await talk.websocket(`/socket.io/?EIO=4&transport=websocket&sid=${poll.sid}`);
    ws.send("2probe");
    await ws.until("3probe");
    ws.end();
    await pause(100);
    await poll.post('421["ping"]');
    await poll.get();
  }),
  "two upgrades at once": withSession(async (talk, poll) => {
    const ws = await talk.websocket(`/socket.io/?EIO=4&transport=websocket&sid=${poll.sid}`);
    ws.send("2probe");
    await ws.until("3probe");
    await open(`EIO=4&transport=websocket&sid=${poll.sid}`)(talk);
    ws.end();
  }),
  "a session of a websocket, polled": async (talk) => {
    const ws = await talk.websocket();
    ws.send("40");
    await ws.until("40{");
    const sid = [...talk.ids].find(([, name]) => name === "<id 1>")[0];
    await talk.http("GET", `/socket.io/?${POLL}&sid=${sid}`);
    await talk.http("POST", `/socket.io/?${POLL}&sid=${sid}`, { body: "41" });
    await open(`${SOCKET}&sid=${sid}`)(talk);
    ws.end();
  },
  "compression of polls": withSession(async (talk, poll) => {
    await poll.post(['42["join",{"senderUserId":"deflated"}]', `42["x",{"recipientUserId":"deflated","v":"${"x".repeat(2000)}"}]`].join("\x1e"));
    const res = await talk.http("GET", poll.path, { headers: { "accept-encoding": "gzip, deflate" }, mute: true });
    talk.say(`${res.status} ${res.headers?.["content-encoding"]}`);
  }),
  "base64 where text is asked for": withSession(async (talk, poll) => {
    const place = '{"_placeholder":true,"num":0}';
    await poll.post(['42["join",{"senderUserId":"base64"}]', `451-["x",{"recipientUserId":"base64","v":${place}}]`, "bAQID"].join("\x1e"));
    await poll.get();
  }, { query: `${POLL}&b64=1` }),
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
