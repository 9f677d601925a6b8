package handset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/wire"
)

// Client speaks to an update server for a handset.
type Client struct {
	Base string       // "http://127.0.0.1:8017"
	HTTP *http.Client // nil: a client with timeouts for connecting and for headers
	// Stall is how long an answer may take, and a download may stand still; 0: a
	// minute. A server that is gone must not hold the phone.
	Stall time.Duration
}

func (c *Client) stall() time.Duration { return cmp.Or(c.Stall, time.Minute) }

// maxReply bounds what is read of a server's JSON answer.
const maxReply = 256 << 10

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: t}
}

// resolve makes an address of the server out of an absolute one or a path.
func (c *Client) resolve(ref string) (string, error) {
	base, err := url.Parse(c.Base)
	if err != nil {
		return "", fmt.Errorf("cannot use server address: %w", err)
	}
	u, err := base.Parse(ref)
	if err != nil {
		return "", fmt.Errorf("cannot use address: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("cannot use address %q: expected http or https", ref)
	}
	return u.String(), nil
}

// statusError is an answer that is not 2xx.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("server answered %d: %s", e.code, e.message)
}

// permanent says whether asking again with the same words is useless.
func (e *statusError) permanent() bool {
	return e.code >= 400 && e.code < 500 && e.code != http.StatusTooManyRequests && e.code != http.StatusRequestTimeout
}

func (c *Client) post(ctx context.Context, path string, in, out any) error {
	address, err := c.resolve(path)
	if err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.stall())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	// The API redirects nobody; a café's network does, and must neither get the
	// ticket nor swallow an outcome.
	client := *c.http()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return err
	}
	if len(b) > maxReply {
		return fmt.Errorf("cannot read answer: larger than %d bytes", maxReply)
	}
	if resp.StatusCode/100 != 2 {
		var e wire.Error
		if json.Unmarshal(b, &e) != nil || e.Error == "" {
			e.Error = strings.TrimSpace(http.StatusText(resp.StatusCode))
		}
		return &statusError{resp.StatusCode, e.Error}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("cannot read answer: %w", err)
	}
	return nil
}

// errWrongContent says that the server's bytes are not the ones it offered, so
// that what was downloaded is worth nothing.
var errWrongContent = errors.New("the server sent something else than it offered")

var errStalled = errors.New("nothing came for too long")

// watched tells of each piece that arrives.
type watched struct {
	r    io.Reader
	came func()
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if n > 0 {
		w.came()
	}
	return n, err
}

// download appends to f, which holds the first have bytes of ref, until it
// holds size bytes. It goes on where it was after a cut.
func (c *Client) download(ctx context.Context, ref string, f *os.File, have, size int64) error {
	address, err := c.resolve(ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.stall(), func() { cancel(errStalled) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	// Asked for always: a proxy that compresses would break the offsets.
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	resp, err := c.http().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", have, size-1, size)
		if got := resp.Header.Get("Content-Range"); got != want {
			return fmt.Errorf("cannot download package: Content-Range is %q, expected %q: %w", got, want, errWrongContent)
		}
	case http.StatusOK: // a server without ranges starts from the beginning
		if err := f.Truncate(0); err != nil {
			return err
		}
		have = 0
	default:
		return &statusError{resp.StatusCode, http.StatusText(resp.StatusCode)}
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(&watched{resp.Body, func() { watch.Reset(c.stall()) }}, size-have+1))
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil:
		return fmt.Errorf("cannot download package: cut off at byte %d of %d: %w", have+n, size, err)
	case have+n < size:
		return fmt.Errorf("cannot download package: cut off at byte %d of %d: %w", have+n, size, io.ErrUnexpectedEOF)
	case have+n > size:
		return fmt.Errorf("cannot download package: more than the %d bytes that were offered: %w", size, errWrongContent)
	}
	return nil
}
