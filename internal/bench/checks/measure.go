package checks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// Figures are what was measured.
type Figures struct {
	Friday float64 `json:"friday_per_s"` // check-ins a second
	Bare   float64 `json:"bare_per_s"`   // of the bare handler, in the same run
	Ratio  float64 `json:"ratio"`
	P99    float64 `json:"p99_ms"`
	RSS    float64 `json:"rss_mb"` // most that the server's process had, in 10⁶ bytes

	BareP99   float64 `json:"bare_p99_ms"`
	FridayCPU float64 `json:"friday_cpu_us,omitempty"` // of a processor, for each of Friday's answers; the server's process alone
	BareCPU   float64 `json:"bare_cpu_us,omitempty"`   // for each of the bare handler's
	Offers    float64 `json:"offers"`                  // share of Friday's answers that were offers
	*Meanwhile
}

// Requests are check-ins as they go over the wire: of handsets of every device
// and channel that has a rollout, most of which run what is newest.
func Requests(ctx context.Context, d *db.DB, n int, seed uint64) ([][]byte, error) {
	type target struct {
		device, channel string
		builds          []catalog.Build // newest first
	}
	var targets []target
	err := d.Read(ctx, func(tx *db.Tx) error {
		targets = nil
		rollouts, err := fleet.All(tx)
		if err != nil {
			return err
		}
		at := map[[2]string]int{}
		for _, r := range rollouts {
			if !wire.OpenChannel(r.Channel) {
				continue
			}
			key := [2]string{r.Device, r.Channel}
			i, ok := at[key]
			if !ok {
				i = len(targets)
				at[key] = i
				targets = append(targets, target{device: r.Device, channel: r.Channel})
			}
			b, err := catalog.BuildByID(tx, r.Build)
			if err != nil {
				return err
			}
			targets[i].builds = append(targets[i].builds, b)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		return nil, errors.New("cannot make check-ins: no rollout is on a channel that is open to all")
	}
	random := rand.New(rand.NewPCG(seed, 0))
	requests := make([][]byte, n)
	for i := range requests {
		t := targets[random.IntN(len(targets))]
		newest := slices.MaxFunc(t.builds, func(a, b catalog.Build) int { return int(a.Timestamp - b.Timestamp) })
		c := wire.CheckIn{Device: t.device, Channel: t.channel, Incremental: newest.Incremental, Timestamp: newest.Timestamp, PatchLevel: patchLevel, Fingerprint: "Friday/" + t.device + "/" + t.device + ":13/TQ3A/1:user/release-keys",
			Region: "IN", BaseVersion: "13", Slot: "a", Bucket: random.IntN(wire.Buckets), Agent: "friday-agent/1"}
		if random.IntN(10) == 0 { // it is behind
			c.Incremental, c.Timestamp = "before", newest.Timestamp-1
		}
		body, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		requests[i] = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: friday\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", wire.PathCheckIn, len(body), body)
	}
	return requests, nil
}

// answers are what one side of a measurement gave.
type answers struct {
	n, offers int
	took      []time.Duration
	spent     time.Duration
	cpu       time.Duration                                // of the server
	check     func(request, answer []byte, sent time.Time) // of each offer, if not nil
}

func (a *answers) perS() float64 { return float64(a.n) / a.spent.Seconds() }

// each is the server's processor time for one answer, in microseconds.
func (a *answers) each() float64 { return a.cpu.Seconds() * 1e6 / float64(a.n) }

func (a *answers) p99() float64 {
	slices.Sort(a.took)
	return a.took[len(a.took)*99/100].Seconds() * 1000
}

// turn is for how long one of the servers is asked before the other: short, so
// that whatever else the machine does falls on both.
const turn = 200 * time.Millisecond

// Measure asks both servers in turns over so many connections
// that stay open, for duration each. cpu, if not nil, tells what the process of both
// has used; check, if not nil, is told of each offer of the first.
func Measure(ctx context.Context, a Addresses, requests [][]byte, connections int, duration time.Duration, cpu func() time.Duration, check func(request, answer []byte, sent time.Time)) (Figures, error) {
	if cpu == nil {
		cpu = func() time.Duration { return 0 }
	}
	friday, bare := &answers{check: check}, &answers{}
	for _, side := range []struct {
		address string
		to      *answers
	}{{a.Bare, &answers{}}, {a.Friday, &answers{}}} { // until both are warm
		if err := ask(ctx, side.address, requests, connections, time.Second, side.to); err != nil {
			return Figures{}, err
		}
	}
	for left := duration; left > 0; left -= turn {
		slice := min(left, turn)
		for _, side := range []struct {
			address string
			to      *answers
		}{{a.Bare, bare}, {a.Friday, friday}} {
			before := cpu()
			if err := ask(ctx, side.address, requests, connections, slice, side.to); err != nil {
				return Figures{}, err
			}
			side.to.cpu += cpu() - before
		}
	}
	return Figures{Friday: friday.perS(), Bare: bare.perS(), Ratio: friday.perS() / bare.perS(), P99: friday.p99(), BareP99: bare.p99(),
		FridayCPU: friday.each(), BareCPU: bare.each(), Offers: float64(friday.offers) / float64(friday.n)}, nil
}

// ask sends requests one after the other on each connection.
func ask(ctx context.Context, address string, requests [][]byte, connections int, d time.Duration, to *answers) error {
	var wg sync.WaitGroup
	parts, errs := make([]answers, connections), make([]error, connections)
	for i := range parts {
		parts[i].check = to.check
	}
	began := time.Now()
	until := began.Add(d)
	for i := range connections {
		wg.Go(func() { errs[i] = talk(ctx, address, requests[i*len(requests)/connections:], until, &parts[i]) })
	}
	wg.Wait()
	to.spent += time.Since(began)
	for _, p := range parts {
		to.n += p.n
		to.offers += p.offers
		to.took = append(to.took, p.took...)
	}
	return errors.Join(errs...)
}

func talk(ctx context.Context, address string, requests [][]byte, until time.Time, to *answers) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot ask: %w", err)
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 16<<10)
	for i := 0; ctx.Err() == nil; i++ {
		sent := time.Now()
		if sent.After(until) {
			return nil
		}
		if _, err := c.Write(requests[i%len(requests)]); err != nil {
			return fmt.Errorf("cannot ask: %w", err)
		}
		body, err := answer(r)
		if err != nil {
			return err
		}
		to.n++
		to.took = append(to.took, time.Since(sent))
		if !bytes.HasPrefix(body, []byte(`{"offer":null`)) {
			to.offers++
			if to.check != nil {
				to.check(requests[i%len(requests)], body, sent)
			}
		}
	}
	return ctx.Err()
}

// answer reads a reply; its body holds until the next read.
func answer(r *bufio.Reader) ([]byte, error) {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", err)
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return nil, fmt.Errorf("cannot use the answer: %q", strings.TrimSpace(string(status)))
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, fmt.Errorf("cannot read the answer: %w", err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); textproto.CanonicalMIMEHeaderKey(string(name)) == "Content-Length" {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, fmt.Errorf("cannot read the answer: %w", err)
			}
		}
	}
	if length < 0 || length > r.Size() {
		return nil, fmt.Errorf("cannot read the answer: its length is %d", length)
	}
	body, err := r.Peek(length)
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	_, err = r.Discard(length)
	return body, err
}
