// JSON that shows whether somebody has written it again.

/** JSON objects that no encoder would write again the same way: %s stands for the recipient. */
export const ODD = [
  String.raw`{"zeta":1.0,"alpha":1e2,"recipientUserId":"%s","beta":1E+2,"gamma":-0,"delta":0.10}`,
  String.raw`{ "recipientUserId" : "%s" , "space" : [ 1 ,	2 ] , "empty" : { } }`,
  String.raw`{"recipientUserId":"%s","escapes":"\u00e9\/\u003c\u2028\ud83c\udf89\b\f\n\r\t\"\\","raw":"é/<>&\u007f 🎉"}`,
  String.raw`{"recipientUserId":"%s","line ends":"` + "\u2028\u2029" + String.raw`","zero":"\u0000"}`,
  String.raw`{"recipientUserId":"%s","big":12345678901234567890,"bigger":1e400,"long":0.1000000000000000055511151231257827}`,
  String.raw`{"recipientUserId":"nobody","same":1,"same":2,"recipientUserId":"%s"}`,
  String.raw`{"\u0072ecipientUserId":"%s","__proto__":{"polluted":true},"constructor":null,"":""}`,
  String.raw`{"recipientUserId":"%s","lone surrogate":"\ud800"}`,
  String.raw`{"recipientUserId":"%s","_placeholder":false,"num":0}`,
  String.raw`{"recipientUserId":"%s","deep":` + "[".repeat(40) + "]".repeat(40) + "}",
];
