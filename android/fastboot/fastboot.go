// Package fastboot speaks the fastboot protocol, the side of the computer and the
// side of the phone, over TCP.
//
// It knows no images: a phone's side hands on what was downloaded, as it came;
// package sparse says what to do with that. It does not speak USB.
//
// The protocol is described in AOSP's system/core/fastboot/README.md: over TCP
// both sides first send "FB01"; then every message is its length, eight bytes
// big-endian, and that many bytes. A command is text; it is answered by any
// number of INFO (or TEXT) and one OKAY, FAIL or DATA with eight hex digits.
package fastboot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	handshake  = "FB01"
	maxCommand = 4096 // bytes of a command
	maxAnswer  = 256  // of an answer, as hosts read them
	chunkSize  = 1 << 20
)

// FailError is what a phone answered: it did not do what it was asked.
type FailError struct {
	Command string
	Message string
}

// Error says which command failed and why.
func (e *FailError) Error() string {
	return fmt.Sprintf("the phone refuses %q: %s", e.Command, e.Message)
}

// conn frames messages.
type conn struct {
	net.Conn
	idle time.Duration // how long one read or write may stand still; 0: for ever
	left int64         // of the message that is being read
}

func (c *conn) begin() error {
	if c.idle == 0 {
		return nil
	}
	return c.SetDeadline(time.Now().Add(c.idle))
}

// Read reads from the message under way, and begins the next one when it is
// read out; a message is nothing but a piece of a stream to it.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.left == 0 {
		n, err := c.length()
		if err != nil {
			return 0, err
		}
		c.left = n
	}
	if err := c.begin(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *conn) length() (int64, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	var b [8]byte
	if _, err := io.ReadFull(c.Conn, b[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint64(b[:])
	if n > 1<<40 {
		return 0, fmt.Errorf("a message claims %d bytes", n)
	}
	return int64(n), nil
}

// message reads one whole message of at most limit bytes.
func (c *conn) message(limit int64) (string, error) {
	n, err := c.length()
	if err != nil {
		return "", err
	}
	if n > limit {
		return "", fmt.Errorf("a message has %d bytes, expected at most %d", n, limit)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.Conn, b); err != nil {
		return "", err
	}
	return string(b), nil
}

// send writes one message.
func (c *conn) send(b []byte) error {
	if err := c.begin(); err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint64(make([]byte, 0, 8+min(len(b), maxCommand)), uint64(len(b)))
	if len(b) <= maxCommand { // one packet
		_, err := c.Conn.Write(append(head, b...))
		return err
	}
	if _, err := c.Conn.Write(head); err != nil {
		return err
	}
	_, err := c.Conn.Write(b)
	return err
}

// shake exchanges versions; the computer begins.
func (c *conn) shake(first bool) error {
	if err := c.begin(); err != nil {
		return err
	}
	b := make([]byte, len(handshake))
	if first {
		if _, err := io.WriteString(c.Conn, handshake); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(c.Conn, b); err != nil {
		return err
	}
	if !strings.HasPrefix(string(b), "FB") || b[2] < '0' || b[2] > '9' || b[3] < '0' || b[3] > '9' || string(b[2:]) == "00" {
		return fmt.Errorf("the other side says %q, expected %s", b, handshake)
	}
	if !first {
		_, err := io.WriteString(c.Conn, handshake)
		return err
	}
	return nil
}
