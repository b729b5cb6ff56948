// The WebSocket protocol below Socket.IO: frames, good and bad.

const SENT = '42999["ping"]';

const sent = (write, { last = false } = {}) => async (talk) => {
  const ws = await talk.websocket();
  ws.send("40");
  await ws.until("40{");
  write(ws);
  if (!last) ws.send(SENT);
  await ws.until("43999");
  ws.end();
};
// What comes behind a close, the other side need not read.
const closed = (write) => sent(write, { last: true });
const closeWith = (code, reason = "") => closed((ws) => ws.frame(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])));

export const frames = {
  "a message in three frames": sent((ws) => {
    ws.frame(1, '421["p', { fin: false });
    ws.frame(0, "in", { fin: false });
    ws.frame(0, 'g"]');
  }),
  "a ping among the frames of a message": sent((ws) => {
    ws.frame(1, '421["p', { fin: false });
    ws.frame(9, "in between");
    ws.frame(0, 'ing"]');
  }),
  "a message within another": sent((ws) => {
    ws.frame(1, '421["p', { fin: false });
    ws.frame(1, '422["ping"]');
  }),
  "a continuation of nothing": sent((ws) => ws.frame(0, '421["ping"]')),
  "a frame without a mask": sent((ws) => ws.frame(1, '421["ping"]', { mask: false })),
  "RSV1 without an extension": sent((ws) => ws.frame(1, '421["ping"]', { rsv: 0x40 })),
  "RSV2": sent((ws) => ws.frame(1, '421["ping"]', { rsv: 0x20 })),
  "RSV3": sent((ws) => ws.frame(1, '421["ping"]', { rsv: 0x10 })),
  ...Object.fromEntries([3, 4, 7, 11, 12, 15].map((op) => [`opcode ${op}`, sent((ws) => ws.frame(op, ""))])),
  "a ping": sent((ws) => ws.frame(9, "")),
  "a ping with 125 bytes": sent((ws) => ws.frame(9, "x".repeat(125))),
  "a ping with 126 bytes": sent((ws) => ws.frame(9, "x".repeat(126))),
  "a ping in two frames": sent((ws) => ws.frame(9, "", { fin: false })),
  "a pong that nobody asked for": sent((ws) => ws.frame(10, "x")),
  "text that is not UTF-8": sent((ws) => ws.frame(1, Buffer.from([0x34, 0x32, 0xff]))),
  "UTF-8 over two frames": sent((ws) => {
    ws.frame(1, Buffer.from([...Buffer.from('42["'), 0xc3]), { fin: false });
    ws.frame(0, Buffer.from([0xa9, ...Buffer.from('"]')]));
  }),
  "half a character at the end": sent((ws) => ws.frame(1, Buffer.from([...Buffer.from('42["'), 0xc3]))),
  "half of a surrogate": sent((ws) => ws.frame(1, Buffer.from([0x34, 0x32, 0xed, 0xa0, 0x80]))),
  "an empty text": sent((ws) => ws.frame(1, "")),
  "an empty binary": sent((ws) => ws.frame(2, "")),
  "a message at the limit": sent((ws) => ws.frame(1, `42["a","${"x".repeat(100_000 - 9)}"]`)),
  "a message over the limit": sent((ws) => ws.frame(1, `42["a","${"x".repeat(100_000 - 8)}"]`)),
  "a length over the limit": sent((ws) => ws.frame(1, "", { length: 100_001 })),
  "frames over the limit": sent((ws) => {
    ws.frame(1, "x".repeat(60_000), { fin: false });
    ws.frame(0, "x".repeat(60_000));
  }),
  "close without a code": closed((ws) => ws.frame(8)),
  "close with half a code": closed((ws) => ws.frame(8, "x")),
  "close with a reason that is not UTF-8": closeWith(1000, Buffer.from([0xff])),
  "close with a reason": closeWith(1000, "good-bye"),
  "close of 126 bytes": closeWith(1000, "x".repeat(124)),
  "close in two frames": closed((ws) => ws.frame(8, Buffer.from([3, 232]), { fin: false })),
  ...Object.fromEntries(
    [0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1013, 1014, 1015, 1016, 1100, 2999, 3000, 3999, 4000, 4999, 5000, 65535]
      .map((code) => [`close with ${code}`, closeWith(code)]),
  ),
};
