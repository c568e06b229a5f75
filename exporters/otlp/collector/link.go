package collector

import (
	"context"
	"sync"
)

// connection is a connection, or several, by one protocol. It is safe for concurrent use.
type connection interface {
	// send sends a request. An error is an [*Error].
	send(ctx context.Context, what call) error
	close()
}

// link has the connection that the clients of all signals send by, one at a time. One
// that is dropped is closed once nobody uses it any more: what another signal has under
// way on it may well be answered. It is safe for concurrent use.
type link struct {
	dial func() (connection, error)

	mu  sync.Mutex
	now *held // nil: there is none
}

type held struct {
	connection

	users int // those of link.send, and one while it is link.now
}

func newLink(options Options) *link {
	if options.Protocol == HTTP {
		return &link{dial: func() (connection, error) { return dialHTTP(options) }}
	}
	return &link{dial: func() (connection, error) { return dialGRPC(options) }}
}

// send sends a request by the present connection, or else by a new one.
func (l *link) send(ctx context.Context, what call) error {
	by, err := l.take()
	if err != nil {
		return unreached(err)
	}
	defer l.release(by)
	err = by.send(ctx, what)
	if failure := asError(err); failure != nil && failure.spoils() {
		l.forget(by)
	}
	return err
}

// spoils tells whether a connection is not to be used again. That of an answer about a
// signal which is not served is in order, and other signals go on by it.
func (e *Error) spoils() bool {
	return e.Kind == Again || e.Kind == Misdirected && !e.isUnserved()
}

func (e *Error) isUnserved() bool { return e.Code == "Unimplemented" || e.Code == "404" }

func (l *link) take() (*held, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		made, err := l.dial()
		if err != nil {
			return nil, err
		}
		l.now = &held{connection: made, users: 1}
	}
	l.now.users++
	return l.now, nil
}

func (l *link) release(one *held) {
	l.mu.Lock()
	one.users--
	last := one.users == 0
	l.mu.Unlock()
	if last {
		one.close()
	}
}

// forget makes the next request go by a new connection.
func (l *link) forget(one *held) {
	l.mu.Lock()
	present := l.now == one
	if present {
		l.now = nil
	}
	l.mu.Unlock()
	if present {
		l.release(one)
	}
}

// drop ends the present connection.
func (l *link) drop() {
	l.mu.Lock()
	one := l.now
	l.mu.Unlock()
	if one != nil {
		l.forget(one)
	}
}
