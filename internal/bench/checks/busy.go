package checks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/wire"
)

// How busy a server is kept.
const (
	changesPerS  = 10
	outcomesPerS = 5000
	tellers      = 4 // connections that outcomes come by
)

// busy changes rollouts, as another node or a person does, and tells outcomes.
type busy struct {
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	began    time.Time
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
	b := &busy{began: time.Now()}
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.wg.Go(func() { b.fail(b.change(d, rollouts)) })
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

// lag is for how many changes a rollout stays halted: twice a lease.
const lag = 10 * changesPerS / 2

// change halts rollouts, one after the other, and lets each go on again ten
// seconds later.
func (b *busy) change(d *db.DB, rollouts []fleet.Rollout) error {
	tick := time.NewTicker(time.Second / changesPerS)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-b.ctx.Done():
			return nil
		case <-tick.C:
		}
		r, halt := rollouts[i/2%len(rollouts)], i%2 == 0
		if !halt && i/2 < lag {
			continue
		}
		if !halt {
			r = rollouts[(i/2-lag)%len(rollouts)]
			b.halted.Delete(lineOf(r.Device, r.Channel, r.Release))
		}
		if _, is := b.halted.Load(lineOf(r.Device, r.Channel, r.Release)); is && halt { // there are few
			continue
		}
		if err := d.Write(b.ctx, func(tx *db.Tx) error {
			if halt {
				_, err := fleet.Halt(tx, r.ID, "bench", "busy")
				return err
			}
			_, err := fleet.Resume(tx, r.ID, "bench", "busy")
			return err
		}); err != nil {
			return err
		}
		if halt {
			b.halted.Store(lineOf(r.Device, r.Channel, r.Release), time.Now())
		}
		b.changes.Add(1)
	}
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

// tell sends outcomes of handsets at many addresses.
func (b *busy) tell(address string, sign *keys.Ticket, rollouts []fleet.Rollout) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	events := []wire.Event{wire.Downloaded, wire.Verified, wire.Applied, wire.Booted, wire.Healthy}
	next := time.Now()
	for i := 0; b.ctx.Err() == nil; i++ {
		if next = next.Add(time.Second * tellers / outcomesPerS); time.Until(next) > time.Millisecond {
			time.Sleep(time.Until(next))
		}
		o := rollouts[rand.IntN(len(rollouts))]
		token, err := json.Marshal(wire.OfferToken{ID: fmt.Sprint(rand.Uint64()), Rollout: o.ID, Release: o.Release, Device: o.Device, Channel: o.Channel, To: o.Build, Expires: time.Now().Unix() + 3600})
		if err != nil {
			return err
		}
		body, err := json.Marshal(wire.Outcome{Token: sign.Sign(token), Event: events[i%len(events)]})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: friday\r\nX-Forwarded-For: 10.%d.%d.%d\r\nContent-Length: %d\r\n\r\n%s", wire.PathOutcome, rand.IntN(200), rand.IntN(256), rand.IntN(256), len(body), body); err != nil {
			return err
		}
		status, err := r.ReadString('\n')
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
	return nil
}

// stop ends it and says how busy it was.
func (b *busy) stop() (string, error) {
	b.cancel()
	b.wg.Wait()
	s := time.Since(b.began).Seconds()
	return fmt.Sprintf("meanwhile rollouts changed %.1f times a second, and %.0f outcomes a second came in; %d offers contradicted the state of a lease ago", float64(b.changes.Load())/s, float64(b.outcomes.Load())/s, b.wrong.Load()), errors.Join(b.errs...)
}
