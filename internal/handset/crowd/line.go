package crowd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// line is a connection by which handsets ask one after the other. It speaks HTTP
// by itself: a client that can do anything takes more of the machine than the
// server that it asks.
type line struct {
	f    *Fleet
	conn net.Conn // nil: none yet, or the last one has ended
	r    *bufio.Reader
	stop func() bool
	used bool // it has answered before
	text []byte
}

// timeout is how long a server may take for an answer.
const timeout = 30 * time.Second

// post sends one request; ok is false if the server refused it. A server that
// trusts this machine as a proxy is told an address of the handset's own.
func (l *line) post(ctx context.Context, i int, path string, in, out any) (ok bool, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, err
	}
	l.text = fmt.Appendf(l.text[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-Forwarded-For: 10.%d.%d.%d\r\nContent-Length: %d\r\n\r\n%s",
		l.f.server.Path+path, l.f.server.Host, i>>16&255, i>>8&255, i&255, len(body), body)
	status, answer, err := l.send(ctx)
	if err != nil {
		return false, fmt.Errorf("cannot simulate fleet: %w", err)
	}
	if status[0] != '2' {
		l.f.mu.Lock()
		l.f.sums.Refused[status]++
		l.f.mu.Unlock()
		return false, nil
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			return false, fmt.Errorf("cannot read the server's answer: %w", err)
		}
	}
	return true, nil
}

// send sends what is in text and reads the answer. A connection that the server
// has closed meanwhile, as it may at any time, is opened anew once.
func (l *line) send(ctx context.Context) (status string, answer []byte, err error) {
	for {
		again := l.used
		if l.conn == nil {
			again = false
			if err := l.dial(ctx); err != nil {
				return "", nil, err
			}
		}
		status, answer, begun, err := l.exchange()
		if err == nil {
			return status, answer, nil
		}
		l.close()
		if begun || !again || ctx.Err() != nil {
			return "", nil, errors.Join(err, ctx.Err())
		}
	}
}

func (l *line) dial(ctx context.Context) (err error) {
	server, port := l.f.server, l.f.server.Port()
	d := net.Dialer{Timeout: timeout}
	if server.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		l.conn, err = (&tls.Dialer{NetDialer: &d}).DialContext(ctx, "tcp", net.JoinHostPort(server.Hostname(), port))
	} else {
		if port == "" {
			port = "80"
		}
		l.conn, err = d.DialContext(ctx, "tcp", net.JoinHostPort(server.Hostname(), port))
	}
	if err != nil {
		l.conn = nil
		return err
	}
	conn := l.conn
	l.stop = context.AfterFunc(ctx, func() { conn.Close() })
	l.r, l.used = bufio.NewReader(conn), false
	return nil
}

func (l *line) exchange() (status string, answer []byte, begun bool, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return "", nil, false, err
	}
	if _, err := l.conn.Write(l.text); err != nil {
		return "", nil, false, err
	}
	if _, err := l.r.Peek(1); err != nil {
		return "", nil, false, err
	}
	resp, err := http.ReadResponse(l.r, nil)
	if err != nil {
		return "", nil, true, err
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	if l.used = true; resp.Close && err == nil {
		l.close()
	}
	return resp.Status, answer, true, err
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

func (l *line) close() {
	if l.conn != nil {
		l.stop()
		l.conn.Close()
		l.conn = nil
	}
}
