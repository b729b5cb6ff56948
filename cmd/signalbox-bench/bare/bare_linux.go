package bare

import (
	"bytes"
	"context"
	"crypto/sha1" // RFC 6455 section 4.2.2 asks for it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"signalbox/cmd/signalbox-bench/client"
)

// server is the floor that real servers are held against: one thread, one epoll loop, one read per wake-up and one
// write per delivery, and of the protocol only what the generator itself sends over websocket. It keeps every message
// and does no heartbeats. It must not see anybody else's traffic.
type server struct {
	poll    int
	listen  int
	wake    [2]int // a pipe; closing its write end ends the loop
	conns   map[int32]*conn
	users   map[string][]*conn
	buf     []byte
	out     []byte
	counter int
}

// conn is one connection.
type conn struct {
	fd       int
	upgraded bool
	rest     []byte // an incomplete request or frame
	user     string
	id       string
}

// Serve serves on a loopback port until ctx ends; ready is called once connections are accepted.
func Serve(ctx context.Context, port int, ready func(addr string)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := &server{conns: map[int32]*conn{}, users: map[string][]*conn{}, buf: make([]byte, 64<<10)}
	addr, err := s.open(port)
	defer s.close()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { unix.Close(s.wake[1]) })
	defer func() {
		if stop() {
			unix.Close(s.wake[1])
		}
	}()
	ready(addr)
	return s.loop()
}

// open makes the descriptors.
func (s *server) open(port int) (addr string, err error) {
	s.poll, s.listen, s.wake = -1, -1, [2]int{-1, -1}
	if s.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return "", os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.Pipe2(s.wake[:], unix.O_CLOEXEC); err != nil {
		return "", os.NewSyscallError("pipe2", err)
	}
	s.listen, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(s.listen, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return "", os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(s.listen, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(s.listen, 1024); err != nil {
		return "", os.NewSyscallError("listen", err)
	}
	name, err := unix.Getsockname(s.listen)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	if in4, ok := name.(*unix.SockaddrInet4); ok {
		port = in4.Port
	}
	for _, fd := range []int{s.listen, s.wake[0]} {
		if err := s.watch(fd); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
}

// watch adds a descriptor to the epoll set.
func (s *server) watch(fd int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, fd, &ev))
}

// close closes everything but the write end of the pipe, which whoever ends the loop closes.
func (s *server) close() {
	for _, c := range s.conns {
		unix.Close(c.fd)
	}
	for _, fd := range []int{s.listen, s.wake[0], s.poll} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// loop serves until the pipe is closed.
func (s *server) loop() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(s.poll, events, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("epoll_wait", err)
		}
		for _, ev := range events[:n] {
			switch {
			case int(ev.Fd) == s.wake[0]:
				return nil
			case int(ev.Fd) == s.listen:
				err = s.accept()
			default:
				if c := s.conns[ev.Fd]; c != nil && s.serve(c) != nil {
					s.drop(c)
				}
			}
			if err != nil {
				return err
			}
		}
	}
}

// accept takes every waiting connection.
func (s *server) accept() error {
	for {
		fd, _, err := unix.Accept4(s.listen, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return os.NewSyscallError("accept4", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			unix.Close(fd)
			continue
		}
		if err := s.watch(fd); err != nil {
			unix.Close(fd)
			return err
		}
		s.counter++
		s.conns[int32(fd)] = &conn{fd: fd, id: "bare" + strconv.Itoa(1_000_000+s.counter)}
	}
}

// drop forgets a connection.
func (s *server) drop(c *conn) {
	unix.Close(c.fd)
	delete(s.conns, int32(c.fd))
	members := s.users[c.user]
	for i := range members {
		if members[i] == c {
			s.users[c.user] = append(members[:i:i], members[i+1:]...)
			break
		}
	}
}

// serve reads once and handles what is complete.
func (s *server) serve(c *conn) error {
	have := copy(s.buf, c.rest)
	if have == len(s.buf) {
		return errors.New("frame too long")
	}
	n, err := bareRead(c.fd, s.buf[have:])
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return client.ErrServerClose
	}
	b := s.buf[:have+n]
	if !c.upgraded {
		if b, err = s.upgrade(c, b); err != nil {
			return err
		}
	}
	for c.upgraded {
		payload, size, ok := bareFrame(b)
		if !ok {
			break
		}
		if err := s.packet(c, payload); err != nil {
			return err
		}
		b = b[size:]
	}
	c.rest = append(c.rest[:0], b...)
	return nil
}

// upgrade answers the websocket request once it is complete and returns what follows it.
func (s *server) upgrade(c *conn, b []byte) ([]byte, error) {
	head, rest, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return b, nil
	}
	_, after, ok := bytes.Cut(head, []byte("Sec-WebSocket-Key: "))
	if !ok {
		return nil, errors.New("not a websocket request")
	}
	key, _, _ := bytes.Cut(after, []byte("\r\n"))
	sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	s.out = append(s.out[:0], "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	s.out = base64.StdEncoding.AppendEncode(s.out, sum[:])
	s.out = append(s.out, "\r\n\r\n"...)
	if err := bareWrite(c.fd, s.out); err != nil {
		return nil, err
	}
	c.upgraded = true
	return rest, s.reply(c, `0{"sid":"`, c.id, `","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
}

// packet handles one packet of the generator.
func (s *server) packet(c *conn, p []byte) error {
	if bytes.Equal(p, []byte("40")) {
		return s.reply(c, `40{"sid":"`, c.id, `"}`)
	}
	rest, ok := bytes.CutPrefix(p, []byte("42"))
	if !ok {
		return client.ErrServerClose // 41, close frames
	}
	digits := 0
	for digits < len(rest) && rest[digits]-'0' <= 9 {
		digits++
	}
	id, event := string(rest[:digits]), rest[digits:]
	switch {
	case bytes.HasPrefix(event, []byte(`["ping"`)):
		return s.reply(c, "43", id, `["`, c.id, `"]`)
	case bytes.HasPrefix(event, []byte(`["join"`)):
		user, err := client.StringAfter(event, []byte(`"senderUserId":"`))
		if err != nil {
			return err
		}
		c.user = user
		s.users[user] = append(s.users[user], c)
		return s.reply(c, "43", id, `[{"ok":true}]`)
	}
	user, err := client.StringAfter(event, []byte(`"recipientUserId":"`))
	if err != nil {
		return err
	}
	s.out = bareHeader(s.out[:0], len(p))
	s.out = append(s.out, p...)
	for _, m := range s.users[user] {
		if err := bareWrite(m.fd, s.out); err != nil && m == c {
			return err // another's broken connection shows in its own read
		}
	}
	return nil
}

// reply sends a text frame of the parts.
func (s *server) reply(c *conn, parts ...string) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	s.out = bareHeader(s.out[:0], n)
	for _, p := range parts {
		s.out = append(s.out, p...)
	}
	return bareWrite(c.fd, s.out)
}

// bareHeader appends the header of an unmasked text frame.
func bareHeader(dst []byte, n int) []byte {
	dst = append(dst, 0x80|client.OpText)
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
}

// bareFrame unmasks the client's frame at the start of b.
func bareFrame(b []byte) (payload []byte, size int, ok bool) {
	if len(b) < 6 {
		return nil, 0, false
	}
	head, n := 2, int(b[1]&0x7F)
	if n == 126 {
		head, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	} else if n == 127 {
		return nil, 0, false // longer than the buffer: serve gives up when that is full
	}
	size = head + 4 + n
	if len(b) < size {
		return nil, 0, false
	}
	payload = b[head+4 : size]
	client.Mask(payload, binary.LittleEndian.Uint32(b[head:]))
	return payload, size, true
}

// bareRead is read(2) without the Go scheduler.
func bareRead(fd int, b []byte) (int, error) { return call(unix.SYS_READ, fd, b) }

// bareWrite writes all of b. Where the kernel's buffer is full it waits: the floor loses nothing.
func bareWrite(fd int, b []byte) error {
	for {
		n, err := call(unix.SYS_WRITE, fd, b)
		switch {
		case err == nil && n == len(b):
			return nil
		case err == nil:
			b = b[n:]
		case errors.Is(err, unix.EAGAIN):
			ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if n, err := unix.Poll(ready, int((10 * time.Second).Milliseconds())); n == 0 && err == nil {
				return fmt.Errorf("a client has not read for 10 s")
			}
		default:
			return err
		}
	}
}
