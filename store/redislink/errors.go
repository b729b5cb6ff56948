package redislink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
)

var (
	// ErrAway says that Redis cannot be reached at the moment, or could not during the call.
	ErrAway = errors.New("redis is away")
	// ErrClosed says that the link was closed.
	ErrClosed = errors.New("link closed")
	// ErrUnsubscribed is returned by Subscribe where the channel was unsubscribed from meanwhile.
	ErrUnsubscribed = errors.New("unsubscribed")
	// ErrBothWays is returned by Subscribe for a channel that is subscribed to as the other of Plain and Sharded.
	ErrBothWays = errors.New("channel is subscribed to plainly and sharded at once")

	errEnded      = errors.New("the connection was closed")
	errNoAnswer   = errors.New("no answer in time")
	errReplica    = errors.New("this Redis is a read-only replica")
	errUnanswered = errors.New("not answered")
	errHandshake  = errors.New("no answer to the handshake of TLS; where Redis speaks no TLS, its URL begins with redis://")
	errGreeting   = errors.New("the connection was closed before the first answer; where Redis wants TLS, its URL begins with rediss://")
	errFailover   = errors.New("another Redis is the master now")
	errProtocol   = errors.New("unexpected reply")
	errMoved      = errors.New("the cluster has moved channels to another node")
	errNoOwner    = errors.New("the cluster has slots that no node serves")
)

// isReply reports whether Redis has answered with err, rather than not at all.
func isReply(err error) bool {
	var reply Error
	return errors.As(err, &reply)
}

// HasPrefix reports whether Redis has answered with an error that begins so.
func HasPrefix(err error, prefix string) bool {
	if err == nil {
		return false // without the allocation of what follows
	}
	var reply Error
	return errors.As(err, &reply) && strings.HasPrefix(strings.TrimPrefix(string(reply), "ERR "), prefix)
}

// awayWith is err as those see it who wait for an answer.
func awayWith(err error) error {
	if err == errUnanswered {
		return ErrAway
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// turnsAway reports whether a reply says that this Redis cannot be used as it is now: it may be one that was made a
// replica, or one that has only just started.
func turnsAway(err error) bool {
	return slices.ContainsFunc([]string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH"},
		func(prefix string) bool { return HasPrefix(err, prefix) })
}

// isMoved reports whether a reply says that another node of a Redis Cluster has to be asked. The command was not carried
// out.
func isMoved(err error) bool {
	return HasPrefix(err, "MOVED ") || HasPrefix(err, "ASK ") || HasPrefix(err, "TRYAGAIN")
}

// explain says in a few words why Redis is away. The text is the same for the same cause, so that it can be told apart
// from a new one, and has nothing secret in it.
func explain(err error) string {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		name        x509.HostnameError
		invalid     x509.CertificateInvalidError
		record      tls.RecordHeaderError
		op          *net.OpError
	)
	switch {
	case HasPrefix(err, "WRONGPASS"), HasPrefix(err, "invalid password"):
		return "Redis does not take the user and password of its URL"
	case HasPrefix(err, "NOAUTH"):
		return "Redis wants a password, and its URL has none"
	case HasPrefix(err, "AUTH"):
		return "Redis takes no password, and its URL has one"
	case HasPrefix(err, "NOPERM"):
		return "the user in the URL of Redis may not do what is needed: " + err.Error()
	case isReply(err):
		return err.Error()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // the text has the time in it
		return "the certificate of Redis has expired, or is not valid yet"
	case errors.As(err, &certificate):
		return untrusted + certificate.Error()
	case errors.As(err, &authority):
		return untrusted + authority.Error()
	case errors.As(err, &name):
		return untrusted + name.Error()
	case errors.Is(err, errGreeting):
		return errGreeting.Error()
	case errors.Is(err, errHandshake) && (errors.As(err, &record) || isTimeout(err) || isEnd(err)):
		return errHandshake.Error()
	case isTimeout(err):
		return errNoAnswer.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		if errors.As(err, &op) && op.Addr != nil {
			return "connection refused by " + op.Addr.String()
		}
		return "connection refused"
	case isEnd(err):
		return errEnded.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// untrusted begins what is said of a certificate that nobody vouches for, with what can be done about it.
const untrusted = "the certificate of Redis is not trusted (SSL_CERT_FILE names the authorities that are, REDIS_TLS_VERIFY=false takes any): "

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, errNoAnswer) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// isEnd reports whether err says that a connection was ended by either side.
func isEnd(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, errEnded} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
