package conn

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// IsUpgrade reports whether a request asks to go on as a websocket. Whether it asks properly is another question.
//
// Rule: [RFC 6455 section 4.2.1].
//
// [RFC 6455 section 4.2.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
func IsUpgrade(r *http.Request) bool {
	return hasToken(r.Header["Connection"], "upgrade") && hasToken(r.Header["Upgrade"], "websocket")
}

// CheckUpgrade refuses a websocket handshake that breaks the rules.
//
// Rule: RFC 6455 section 4.2.1.
func CheckUpgrade(r *http.Request) *Refusal {
	switch {
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || r.ProtoMajor != 1:
		return refuseUpgrade
	case len(r.Header["Sec-Websocket-Version"]) != 1 || r.Header["Sec-Websocket-Version"][0] != "13":
		return refuseVersion
	case len(r.Header["Sec-Websocket-Key"]) != 1:
		return refuseUpgrade
	}
	key, err := base64.StdEncoding.DecodeString(r.Header["Sec-Websocket-Key"][0])
	if err != nil || len(key) != 16 {
		return refuseUpgrade
	}
	return nil
}

// hasToken reports whether a header of comma-separated tokens holds one, in any case.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// firstToken returns the first of a header's comma-separated tokens; "" where that is none.
func firstToken(values []string) string {
	if len(values) == 0 {
		return ""
	}
	first, _, _ := strings.Cut(values[0], ",")
	first = strings.TrimSpace(first)
	if strings.ContainsFunc(first, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c) }) {
		return ""
	}
	return first
}

// keyGUID is the constant of RFC 6455 section 1.3.
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + keyGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// errHijack is wrapped by errors of a connection that could not be taken over. The request has been answered, or its
// client is gone.
var errHijack = errors.New("connection could not be taken over")

// taken is a connection that was taken over from net/http.
type taken struct {
	nc       net.Conn
	early    []byte // what the client has sent already
	greeting []byte // what it has to be sent before anything else
	deflate  bool   // messages may be compressed, both ways
}

// switchProtocols takes the connection over for a websocket. The greeting is the 101 response, with the headers that
// were set on w, and first, a frame or nothing, right behind it. Of the subprotocols that the client offers the first
// is taken, as the reference implementation does: a client that gets none of those it has offered fails.
func (s *Server) switchProtocols(w http.ResponseWriter, r *http.Request, first []byte) (t taken, err error) {
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	head.WriteString(acceptKey(r.Header["Sec-Websocket-Key"][0]))
	head.WriteString("\r\n")
	if protocol := firstToken(r.Header["Sec-Websocket-Protocol"]); protocol != "" {
		head.WriteString("Sec-WebSocket-Protocol: " + protocol + "\r\n")
	}
	extension := ""
	if s.deflater.On() {
		extension = takeOffer(r.Header["Sec-Websocket-Extensions"])
	}
	if extension != "" {
		head.WriteString("Sec-WebSocket-Extensions: " + extension + "\r\n")
	}
	t, err = s.takeOver(w, &head, first)
	t.deflate = extension != ""
	return t, err
}

// notInTakenOver are the headers of w that say nothing about a connection that was taken over.
var notInTakenOver = map[string]bool{
	"Connection": true, "Upgrade": true, "Sec-Websocket-Accept": true, "Sec-Websocket-Extensions": true,
	"Sec-Websocket-Protocol": true,
	"Content-Length":         true, "Transfer-Encoding": true, "Trailer": true,
}

// takeOver hijacks w's connection. The greeting is head, the headers of w, and first.
func (s *Server) takeOver(w http.ResponseWriter, head *bytes.Buffer, first []byte) (t taken, err error) {
	if err := w.Header().WriteSubset(head, notInTakenOver); err != nil { // values are made safe by it
		return t, err
	}
	head.WriteString("\r\n")
	head.Write(first)
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.Refuse(w, refuseUpgrade) // HTTP/2, for one
		return t, errors.Join(errHijack, err)
	}
	if n := rw.Reader.Buffered(); n > 0 {
		t.early, _ = rw.Reader.Peek(n) // they are there
	}
	t.nc, t.greeting = bare(nc), head.Bytes()
	return t, nil
}

// greet sends the greeting on a connection that nobody else writes to yet. A deadline is set only where the kernel
// does not take it at once. The connection is closed if that fails.
func (s *Server) greet(t taken) error {
	n, err := quickWrite(rawConn(t.nc), t.greeting)
	if err == nil && n < len(t.greeting) {
		t.nc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
		if _, err = t.nc.Write(t.greeting[n:]); err == nil {
			err = t.nc.SetWriteDeadline(time.Time{})
		}
	}
	if err != nil {
		t.nc.Close()
		return errors.Join(errHijack, err)
	}
	return nil
}
