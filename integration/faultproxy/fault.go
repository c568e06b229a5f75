package faultproxy

import (
	"net/http"
	"strings"
	"time"
)

// Cut is where a connection is cut.
type Cut int

// The places of a cut.
const (
	// CutNever lets the connection live.
	CutNever Cut = iota
	// CutBefore cuts instead of forwarding: the server never hears of the request.
	CutBefore
	// CutAfter forwards and cuts instead of answering: what was asked is done.
	CutAfter
	// CutBody forwards, answers with half of the body, and cuts.
	CutBody
)

// Fault is what happens to the requests that it matches. The zero value matches
// all of them and lets them pass.
type Fault struct {
	// Method and Path, part of one, say which requests; empty: any.
	Method, Path string
	// Times is to how many requests it happens; 0: to all.
	Times int

	// Status is the answer in place of the server's; 0: the request is forwarded.
	Status int
	// Header and Body belong to Status.
	Header http.Header
	Body   string
	// Delay is how long a forwarded request's answer is late: it is done by then.
	Delay time.Duration
	// Hold keeps a request, before it is forwarded, until the channel is closed or
	// the client has left. A request that the client has left is not forwarded.
	Hold <-chan struct{}
	// Cut is where the connection is cut.
	Cut Cut
}

// Throttled answers as the apiserver's priority and fairness does when its queues
// are full: 429, Retry-After of a second and plain text.
func Throttled() Fault {
	return Fault{
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {"1"}, "Content-Type": {"text/plain; charset=utf-8"}},
		Body:   "Too many requests, please try again later.\n",
	}
}

// Failing answers with a status and plain text, as an overloaded server or a load
// balancer before one does.
func Failing(status int) Fault {
	return Fault{
		Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body: http.StatusText(status) + "\n",
	}
}

// On limits a fault to requests of a method whose path contains a text.
func (f Fault) On(method, path string) Fault {
	f.Method, f.Path = method, path
	return f
}

// Next limits a fault to the next requests that it matches.
func (f Fault) Next(times int) Fault {
	f.Times = times
	return f
}

func (f Fault) matches(r *http.Request) bool {
	return (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.Path, f.Path)
}

// active is a fault that is switched on. left is below zero where it never ends.
type active struct {
	Fault
	left int
}

// take returns the fault that a request meets, the first that matches, and counts
// it.
func take(faults []*active, r *http.Request) Fault {
	for _, f := range faults {
		if f.left == 0 || !f.matches(r) {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		return f.Fault
	}
	return Fault{}
}
