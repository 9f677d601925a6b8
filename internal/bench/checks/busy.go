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
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/wire"
)

// How busy a server is kept.
const (
	changesPerS  = 10
	outcomesPerS = 5000
	tellers      = 4                    // connections that outcomes come by
	beat         = 5 * time.Millisecond // between the outcomes that are sent at once
)

// Meanwhile is what went on while check-ins were measured.
type Meanwhile struct {
	Changes        float64 `json:"changes_per_s"`  // rollouts that were halted or let go on
	Outcomes       float64 `json:"outcomes_per_s"` // that the server took
	Counted        int64   `json:"outcomes_counted"`
	Lost           int64   `json:"outcomes_lost"`  // taken, and not in the sums; below 0: counted twice
	Contradictions int64   `json:"contradictions"` // offers of what had been halted for longer than a lease
}

// busy changes rollouts, as another node or a person does, and tells outcomes.
type busy struct {
	d        *db.DB
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	began    time.Time
	before   int64 // outcomes in the sums
	changes  atomic.Int64
	outcomes atomic.Int64
	halted   sync.Map     // when, by device, channel and release
	wrong    atomic.Int64 // offers of what had been halted for longer than a lease
	mu       sync.Mutex
	errs     []error
}

func newBusy(ctx context.Context, d *db.DB, dir, address string) (*busy, error) {
	tickets, err := keys.OpenTicket(filepath.Join(dir, "ticket.key"))
	if err != nil {
		return nil, err
	}
	var rollouts []fleet.Rollout
	if err := d.Read(ctx, func(tx *db.Tx) (err error) { rollouts, err = fleet.All(tx); return err }); err != nil {
		return nil, err
	}
	rollouts = slices.DeleteFunc(rollouts, func(r fleet.Rollout) bool { return r.State != fleet.Running })
	b := &busy{d: d, began: time.Now()}
	if b.before, err = b.counted(ctx); err != nil {
		return nil, err
	}
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.wg.Go(func() { b.fail(b.change(ctx, rollouts)) })
	for range tellers {
		b.wg.Go(func() { b.fail(b.tell(address, tickets.For("offer"), rollouts)) })
	}
	return b, nil
}

func (b *busy) fail(err error) {
	if err != nil && b.ctx.Err() == nil {
		b.mu.Lock()
		b.errs = append(b.errs, err)
		b.mu.Unlock()
	}
}

// counted is how many outcomes are in the sums.
func (b *busy) counted(ctx context.Context) (n int64, err error) {
	err = b.d.Read(ctx, func(tx *db.Tx) error {
		sums, err := outcome.Sums(tx)
		n = 0
		for _, of := range sums {
			g := of.Total().All()
			n += g.Downloaded + g.Verified + g.Applied + g.Booted + g.Healthy
		}
		return err
	})
	return n, err
}

// staysHalted is for how long: twice a lease, so that it matters whether a node
// goes by what it held before.
const staysHalted = 2 * lease

// halt is a rollout that was halted, and when.
type halt struct {
	r  fleet.Rollout
	at time.Time
}

// change halts rollouts, one after the other, and lets each go on again later. At
// the end all go on. Whoever waits for others to write makes up for it: all that is
// due by then changes at once.
func (b *busy) change(ctx context.Context, rollouts []fleet.Rollout) error {
	var halts []halt
	began, i, done := time.Now(), 0, 0
	tick := time.NewTicker(time.Second / changesPerS)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return b.apply(ctx, nil, halts)
		case <-tick.C:
		}
		var stop []fleet.Rollout
		over := 0 // of the oldest halts
		for due := int(time.Since(began) * changesPerS / time.Second); done < due; done++ {
			if over < len(halts) && time.Since(halts[over].at) > staysHalted {
				over++
				continue
			}
			r := rollouts[i%len(rollouts)]
			i++
			if _, is := b.halted.Load(lineOf(r.Device, r.Channel, r.Release)); is || slices.ContainsFunc(stop, func(o fleet.Rollout) bool { return o.ID == r.ID }) { // there are few
				continue
			}
			stop = append(stop, r)
		}
		if err := b.apply(ctx, stop, halts[:over]); err != nil {
			return err
		}
		halts = halts[over:]
		now := time.Now()
		for _, r := range stop {
			halts = append(halts, halt{r, now})
			b.halted.Store(lineOf(r.Device, r.Channel, r.Release), now)
		}
		b.changes.Add(int64(len(stop) + over))
	}
}

// apply halts some rollouts and lets others go on.
func (b *busy) apply(ctx context.Context, stop []fleet.Rollout, resume []halt) error {
	if len(stop)+len(resume) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	for _, h := range resume { // from now on it may be offered
		b.halted.Delete(lineOf(h.r.Device, h.r.Channel, h.r.Release))
	}
	return b.d.Write(ctx, func(tx *db.Tx) error {
		for _, r := range stop {
			if _, err := fleet.Halt(tx, r.ID, "bench", "busy"); err != nil {
				return err
			}
		}
		for _, h := range resume {
			if _, err := fleet.Resume(tx, h.r.ID, "bench", "busy"); err != nil {
				return err
			}
		}
		return nil
	})
}

func lineOf(device, channel, release string) string { return device + " " + channel + " " + release }

// check looks at an offer that was made to a request sent at a time.
func (b *busy) check(request, answer []byte, sent time.Time) {
	_, body, _ := bytes.Cut(request, []byte("\r\n\r\n"))
	var c wire.CheckIn
	var r wire.CheckInReply
	if json.Unmarshal(body, &c) != nil || json.Unmarshal(answer, &r) != nil || r.Offer == nil {
		return
	}
	if at, ok := b.halted.Load(lineOf(c.Device, c.Channel, r.Offer.Release)); ok && sent.Sub(at.(time.Time)) > lease {
		b.wrong.Add(1)
	}
}

// lease is for how long a node may offer what was halted meanwhile.
const lease = 5 * time.Second

// tell sends outcomes of handsets at many addresses: as many as are due at every
// beat, on one connection, whether the ones before were answered or not.
func (b *busy) tell(address string, sign *keys.Ticket, rollouts []fleet.Rollout) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	answered := make(chan error, 1)
	go func() { answered <- b.hear(c) }()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case err := <-answered:
			return err
		case <-b.ctx.Done():
			// What was sent is heard to its end.
			return errors.Join(c.(*net.TCPConn).CloseWrite(), <-answered)
		case <-tick.C:
		}
		var all []byte
		for due := int(time.Since(began) * outcomesPerS / tellers / time.Second); sent < due; sent++ {
			if all, err = appendOutcome(all, sign, rollouts, sent); err != nil {
				return err
			}
		}
		if _, err := c.Write(all); err != nil {
			return err
		}
	}
}

func appendOutcome(to []byte, sign *keys.Ticket, rollouts []fleet.Rollout, i int) ([]byte, error) {
	events := []wire.Event{wire.Downloaded, wire.Verified, wire.Applied, wire.Booted, wire.Healthy}
	o := rollouts[rand.IntN(len(rollouts))]
	token, err := json.Marshal(wire.OfferToken{ID: fmt.Sprint(rand.Uint64()), Rollout: o.ID, Release: o.Release, Device: o.Device, Channel: o.Channel, To: o.Build, Expires: time.Now().Unix() + 3600})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(wire.Outcome{Token: sign.Sign(token), Event: events[i%len(events)]})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(to, "POST %s HTTP/1.1\r\nHost: friday\r\nX-Forwarded-For: 10.%d.%d.%d\r\nContent-Length: %d\r\n\r\n%s", wire.PathOutcome, rand.IntN(200), rand.IntN(256), rand.IntN(256), len(body), body), nil
}

// hear reads answers until there are no more.
func (b *busy) hear(c net.Conn) error {
	r := bufio.NewReader(c)
	for {
		status, err := r.ReadString('\n')
		if err == io.EOF && status == "" {
			return nil
		}
		if err != nil {
			return err
		}
		if status != "HTTP/1.1 204 No Content\r\n" {
			return fmt.Errorf("an outcome was answered with %q", status)
		}
		for line := ""; line != "\r\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				return err
			}
		}
		b.outcomes.Add(1)
	}
}

// patience is how long the server may take to write what it took.
const patience = time.Minute

// stop ends it, waits until the server has written what it took, and says how busy
// it was.
func (b *busy) stop(ctx context.Context) (m Meanwhile, err error) {
	s := time.Since(b.began).Seconds()
	changes, outcomes := b.changes.Load(), b.outcomes.Load()
	b.cancel()
	b.wg.Wait()
	taken := b.outcomes.Load()
	m = Meanwhile{Changes: float64(changes) / s, Outcomes: float64(outcomes) / s, Contradictions: b.wrong.Load()}
	for until := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		n, err := b.counted(ctx)
		if err != nil {
			return m, errors.Join(append(b.errs, err)...)
		}
		if m.Counted, m.Lost = n-b.before, taken-(n-b.before); m.Lost <= 0 || time.Now().After(until) {
			return m, errors.Join(b.errs...)
		}
	}
}
