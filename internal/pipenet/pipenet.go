// Package pipenet listens without a network, for tests that run by a clock of their
// own (testing/synctest): how busy the machine is changes nothing, and what takes long
// is over at once. It is no network: connections are net.Pipe's, whose writes wait for
// a reader, and an address has neither host nor port.
package pipenet

import (
	"context"
	"net"
)

// Listener accepts what Dial connects. It is made with make, and closed once.
type Listener chan net.Conn

// Accept waits for the next Dial; after Close it returns net.ErrClosed.
func (l Listener) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close ends Accept. Nobody may dial any more.
func (l Listener) Close() error { close(l); return nil }

// Addr is no address.
func (l Listener) Addr() net.Addr { return &net.IPAddr{} }

// Dial waits until it is accepted.
func (l Listener) Dial() net.Conn {
	here, there := net.Pipe()
	l <- there
	return here
}

// DialContext is Dial in the form of http.Transport's; it looks at none of what it is
// given, and never fails.
func (l Listener) DialContext(context.Context, string, string) (net.Conn, error) {
	return l.Dial(), nil
}
