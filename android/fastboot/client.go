package fastboot

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// DefaultPort is where phones listen.
const DefaultPort = "5554"

// Client is the computer's side. It is not for concurrent use.
type Client struct {
	Info func(line string) // told what the phone says besides; nil: nobody
	c    *conn
}

// Dial connects to a phone at "host" or "host:port". A phone that says nothing
// for idle is given up; 0 waits for ever.
func Dial(ctx context.Context, address string, idle time.Duration) (*Client, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, DefaultPort)
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach phone at %s: %w", address, err)
	}
	c := &Client{c: &conn{Conn: nc, idle: idle}}
	if err := c.c.shake(true); err != nil {
		nc.Close() //nolint:errcheck // the first error says more
		return nil, fmt.Errorf("cannot reach phone at %s: %w", address, err)
	}
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.c.Close() }

// Do sends a command and waits for its end. The answer is what stands behind
// OKAY; a *FailError is the phone's own no.
func (c *Client) Do(command string) (string, error) {
	answer, _, err := c.do(command, nil, 0)
	return answer, err
}

// do sends a command, and data if the phone asks for size bytes of them.
func (c *Client) do(command string, data io.Reader, size int64) (answer string, asked bool, err error) {
	if command == "" || len(command) > maxCommand {
		return "", false, fmt.Errorf("cannot send command: it has %d bytes, expected 1 to %d", len(command), maxCommand)
	}
	if err := c.c.send([]byte(command)); err != nil {
		return "", false, fmt.Errorf("cannot send %q: %w", command, err)
	}
	for {
		m, err := c.c.message(maxCommand)
		if err != nil {
			return "", asked, fmt.Errorf("cannot read answer to %q: %w", command, err)
		}
		if len(m) < 4 {
			return "", asked, fmt.Errorf("cannot read answer to %q: it is %q", command, m)
		}
		switch kind, rest := m[:4], m[4:]; kind {
		case "OKAY":
			return rest, asked, nil
		case "FAIL":
			return "", asked, &FailError{command, rest}
		case "INFO", "TEXT":
			if c.Info != nil {
				c.Info(rest)
			}
		case "DATA":
			n, err := strconv.ParseInt(rest, 16, 64)
			if err != nil || data == nil || asked || n != size {
				return "", asked, fmt.Errorf("cannot follow answer to %q: it asks for %q bytes, there are %d", command, rest, size)
			}
			asked = true
			if err := c.send(data, size); err != nil {
				return "", asked, fmt.Errorf("cannot send data of %q: %w", command, err)
			}
		default:
			return "", asked, fmt.Errorf("cannot read answer to %q: it is %.40q, expected OKAY, FAIL, INFO or DATA", command, m)
		}
	}
}

func (c *Client) send(r io.Reader, size int64) error {
	buf := make([]byte, chunkSize)
	for size > 0 {
		n := min(size, chunkSize)
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return err
		}
		if err := c.c.send(buf[:n]); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// Var asks for a variable, such as "product" or "max-download-size".
func (c *Client) Var(name string) (string, error) { return c.Do("getvar:" + name) }

// MaxDownload is how many bytes the phone takes at once.
func (c *Client) MaxDownload() (int64, error) {
	v, err := c.Var("max-download-size")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("cannot read max-download-size: it is %q", v)
	}
	return n, nil
}

// Download sends size bytes, which the next command works with.
func (c *Client) Download(r io.Reader, size int64) error {
	if size < 0 || size > 1<<32-1 {
		return fmt.Errorf("cannot download: %d bytes, expected at most %d", size, int64(1<<32-1))
	}
	_, asked, err := c.do(fmt.Sprintf("download:%08x", size), r, size)
	if err == nil && !asked {
		err = fmt.Errorf("cannot download: the phone did not ask for the data")
	}
	return err
}

// Flash sends an image and has it written. What is larger than MaxDownload goes
// in several sparse files: see package sparse, NewPlan.
func (c *Client) Flash(partition string, r io.Reader, size int64) error {
	if err := c.Download(r, size); err != nil {
		return err
	}
	_, err := c.Do("flash:" + partition)
	return err
}

// Reboot restarts the phone: into its system (""), or "bootloader", "recovery"
// or "fastboot".
func (c *Client) Reboot(target string) error {
	command := "reboot"
	if target != "" {
		command += "-" + target
	}
	_, err := c.Do(command)
	return err
}
