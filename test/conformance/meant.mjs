// The differences that are meant: which cases, what comes back from the line on at which the two part, and why.

const BAD = 'content-type: application/json | {"code":3,"message":"Bad request"}';
const GONE = 'content-type: application/json | {"code":1,"message":"Session ID unknown"}';
const OPEN = '"pingInterval":3600000,"pingTimeout":3600000,"maxPayload":100000}';
const PING = '43999["<id 2>"]';
const EIO3_TEXT = '42["x",{"recipientUserId":"eio3all","v":"\u00e9\u20ac\ud83c\udf89"}]';
const EIO = ["EIO=3", "EIO=5", "EIO=", "EIO=04", "eio=4"];

/** One entry for a websocket and one for polling. */
const packets = (why, names, ours, node) => [
  { why, cases: names.map((name) => `packets: websocket ${name}`), ours: line(ours), node: line(node) },
  { why, cases: names.map((name) => `packets: polling ${name}`), ours: [polled(ours)], node: [polled(node)] },
];
const CLOSED = [];
const line = (texts) => (texts === CLOSED ? ["close 1005", "end"] : texts.map((text) => `text ${text}`));
const polled = (texts) => `polled: ${texts === CLOSED ? "1" : texts.join(" ")}`;

export const meant = [
  {
    why: "A websocket is refused before the 101, with a status; Node opens it, and closes it or writes HTTP into it.",
    cases: [...EIO, "EIO=4", "EIO=4&EIO=4", "EIO=4&EIO=3"].map((eio) => `handshakes: upgrade ${eio}&transport=polling`)
      .concat("handshakes: upgrade transport=polling", "sessions: a session of a websocket, polled"),
    ours: ["websocket | 400"],
    node: ["websocket | 101", "close 1005", "end"],
  },
  {
    why: "The same.",
    cases: EIO.map((eio) => `handshakes: upgrade ${eio}&transport=websocket`).concat("handshakes: upgrade transport=websocket"),
    ours: ["websocket | 400"],
    node: ["websocket | 101", "HTTP 400 where frames are due", "end"],
  },
  {
    why: "Of a parameter that is there twice the first counts; for Node the two are a list, and not 4.",
    cases: ["handshakes: GET EIO=4&EIO=3&transport=polling"],
    ours: [`GET: 200 | content-type: text/plain; charset=UTF-8 | set-cookie: io=<id 1>; Path=/; HttpOnly; SameSite=Lax | cache-control: no-store | 0{"sid":"<id 1>","upgrades":["websocket"],${OPEN}`],
    node: ['GET: 400 | content-type: application/json | {"code":5,"message":"Unsupported protocol version"}'],
  },
  {
    why: "The same.",
    cases: ["handshakes: upgrade EIO=4&EIO=3&transport=websocket"],
    ours: [`text 0{"sid":"<id 1>","upgrades":[],${OPEN}`, 'text 40{"sid":"<id 2>"}'],
    node: ["HTTP 400 where frames are due", "end"],
  },
  {
    why: "RFC 6455 section 4.4: 426 names the version that is spoken.",
    cases: ["handshakes: version 12 of the WebSocket"],
    ours: ["websocket | 426"],
    node: ["websocket | 400"],
  },
  {
    why: "The same; version 8 is a draft of 2011.",
    cases: ["handshakes: version 8 of the WebSocket"],
    ours: ["websocket | 426"],
    node: ["websocket | 101", `text 0{"sid":"<id 1>","upgrades":[],${OPEN}`, 'text 40{"sid":"<id 2>"}'],
  },
  ...["PUT", "DELETE"].map((method) => ({
    why: "A method that a session does not have is the client's fault, not the server's.",
    cases: [`sessions: ${method}`],
    ours: [`${method}: 400 | ${BAD}`],
    node: [`${method}: 500 | `],
  })),
  { why: "The same.", cases: ["sessions: HEAD"], ours: ["HEAD: 400 | content-type: application/json | "], node: ["HEAD: 500 | "] },
  {
    why: "An invalid packet by polling is 400 in the protocol's own test suite; Node answers ok, and both end the session.",
    cases: ["sessions: POST of nothing"],
    ours: [`POST: 400 | ${BAD}`],
    node: ["POST: 200 | content-type: text/html | ok"],
  },
  {
    why: "The same.",
    cases: ["sessions: an empty packet among others", "sessions: a separator behind the last"],
    ours: [`POST: 400 | ${BAD}`, `GET: 400 | ${GONE}`],
    node: ["POST: 200 | content-type: text/html | ok", `GET: 400 | ${GONE}`],
  },
  {
    why: "The same.",
    cases: ["", " ", "2", "2probe", "7", "9", "x", "first 2", "first 7"].map((packet) => `packets: polling ${packet}`),
    ours: [`POST: 400 | ${BAD}`, `POST: 400 | ${GONE}`, 'polled: 400 {"code":1,"message":"Session ID unknown"}'],
    node: ["POST: 200 | content-type: text/html | ok", `POST: 400 | ${GONE}`, 'polled: 400 {"code":1,"message":"Session ID unknown"}'],
  },
  {
    why: "A refused body has the error's JSON, as every 400; Node's is empty.",
    cases: ["sessions: POST of bytes"],
    ours: [`POST: 400 | ${BAD}`, `GET: 400 | ${GONE}`],
    node: ["POST: 400 | ", `GET: 400 | ${GONE}`],
  },
  {
    why: "Text that is not UTF-8 is refused, as on a websocket; Node puts U+FFFD in its place.",
    cases: ["sessions: POST of what is not UTF-8"],
    ours: [`POST: 400 | ${BAD}`, `GET: 400 | ${GONE}`],
    node: ["POST: 200 | content-type: text/html | ok", "GET: no answer"],
  },
  {
    why: "A client that closes may have a poll or a body on its way: they are answered, not refused.",
    cases: ["sessions: close"],
    ours: ["GET: 200 | content-type: text/plain; charset=UTF-8 | cache-control: no-store | 6"],
    node: [`GET: 400 | ${GONE}`],
  },
  {
    why: "The same.",
    cases: ["1", "1x", "first 1"].map((packet) => `packets: polling ${packet}`),
    ours: ["POST: 200 | content-type: text/html | ok", 'polled: 400 {"code":1,"message":"Session ID unknown"}'],
    node: [`POST: 400 | ${GONE}`, 'polled: 400 {"code":1,"message":"Session ID unknown"}'],
  },
  {
    why: "A close packet ends the connection, says the protocol; Node ignores it on a websocket.",
    cases: ["packets: websocket 1", "packets: websocket 1x"],
    ours: ["close 1005", "end"],
    node: [`text ${PING}`],
  },
  { why: "The same.", cases: ["packets: websocket first 1"], ours: ["close 1005", "end"], node: ['text 40{"sid":"<id 2>"}'] },
  {
    why: "Bytes in base64 have their packet type before them in version 3; Node ignores what has none.",
    cases: ["b", "bAQ==", "bAQID"].map((packet) => `Engine.IO 3: packet ${packet}`),
    ours: line(CLOSED),
    node: ['text 43999["<id 1>"]'],
  },
  {
    why: "Polled text beyond ASCII goes as bytes, which clients of version 1 read; as text it ends them.",
    cases: ["Engine.IO 3: text of all kinds"],
    ours: [
      `GET: 200 | content-type: application/octet-stream | cache-control: no-store | ${Buffer.concat([Buffer.from([0, 5, 3, 255]), Buffer.from(EIO3_TEXT)]).toString("hex")}`,
    ],
    node: [`GET: 200 | content-type: text/plain; charset=UTF-8 | cache-control: no-store | 48:${EIO3_TEXT}`],
  },
  ...packets("An event without a name is refused; Node hands nothing to whoever listens to everything.", ["42", "421", "42/", "427"], CLOSED, [PING]),
  ...packets("White space is no ack id; Node takes it for 0.", ['42 [\\"a\\"]', '42\\n[\\"a\\"]'],
    [PING], ['430[{"ok":false,"error":"no recipient"}]', PING]),
  ...packets("An ack id comes back in the digits in which it came: it may be larger than a number holds.", ['42007[\\"ping\\"]'],
    ['43007["<id 2>"]', PING], ['437["<id 2>"]', PING]),
  ...packets("JSON is passed on byte for byte; Node writes it again.", ["numbers and escapes, to itself"],
    ['42["x",{"recipientUserId":"me","v":[1.0,"\\u00e9",null]}]', PING], ['42["x",{"recipientUserId":"me","v":[1,"\u00e9",null]}]', PING]),
];
