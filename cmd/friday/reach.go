package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/fridayos/friday/internal/outward"
	"github.com/fridayos/friday/internal/site/letters"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/webhook"
)

// outwardConfig is "outward" in friday.yaml: what may be called beside the public
// internet over https.
type outwardConfig struct {
	Inside    []string `yaml:"inside"`     // networks of the operator's own
	Ports     []uint16 `yaml:"ports"`      // none: 80 and 443
	PlainHTTP bool     `yaml:"plain_http"` // http:// too
}

// policy is c as package outward knows it, and what is wrong with it.
func (c outwardConfig) policy(add func(place, problem string)) outward.Policy {
	p := outward.Policy{Ports: c.Ports, PlainHTTP: c.PlainHTTP}
	for i, text := range c.Inside {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			add(fmt.Sprintf("outward.inside[%d]", i), fmt.Sprintf("outward.inside has %q, expected a network such as 10.1.2.0/24", text))
			continue
		}
		p.Inside = append(p.Inside, n.Masked())
	}
	if i := slices.Index(c.Ports, 0); i >= 0 {
		add(fmt.Sprintf("outward.ports[%d]", i), "outward.ports has 0, expected 1 to 65535")
	}
	return p
}

func (c *config) checkOutward(doc *strict.Document) {
	c.outward = c.Outward.policy(func(place, problem string) { doc.Add(place, "", "%s", problem) })
}

// How often it is looked whether something is to be told.
const (
	sweepEvery  = 2 * time.Second
	digestEvery = 15 * time.Second
)

// reach tells members and other servers what happens: sweeps that read the
// forum's log, and the jobs that follow from them. Any number of servers may run
// it over one database.
type reach struct {
	db     *db.DB
	teller *notice.Teller
	hooks  *webhook.Sender
	jobs   jobs.Workers
	log    *slog.Logger
}

// reach opens what telling needs.
func (s *installation) reach(tickets *keys.Ticket, tr *train.Train, name string, log *slog.Logger) (*reach, error) {
	if name == "" {
		name = "Friday"
	}
	sender, err := s.sender()
	if err != nil {
		return nil, err
	}
	key, err := keys.OpenPush(filepath.Join(s.dir, "push.key"))
	if err != nil {
		return nil, err
	}
	writer, err := letters.New(tr.Schedule.Zone, s.db.Now)
	if err != nil {
		return nil, err
	}
	r := &reach{db: s.db, log: log}
	r.teller = &notice.Teller{DB: s.db, Mail: sender, Tickets: tickets, Push: notice.NewPushKey(key), Policy: s.outward, BaseURL: s.BaseURL, Name: name,
		Letter: writer.Letter, Line: writer.Line, Log: log,
		Editions: func(tx *db.Tx) ([]notice.Edition, error) { return editions(tr, tx) }}
	r.hooks = &webhook.Sender{DB: s.db, Policy: s.outward, Disabled: tellOfHook, Log: log}
	r.teller.Work(&r.jobs)
	r.hooks.Work(&r.jobs)
	s.memberWork(&r.jobs, sender, name)
	return r, nil
}

// run tells until ctx ends, then lets what is being sent finish.
func (r *reach) run(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.sweep(ctx)
	}()
	err := jobs.Run(ctx, r.db, &r.jobs, jobs.RunOptions{Log: r.log, MaxWorkers: 4, Drain: drain})
	<-ended
	return err
}

func (r *reach) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	failing, digested := false, time.Time{}
	for {
		err := r.teller.SweepAll(ctx)
		if err == nil {
			err = r.hooks.SweepAll(ctx, r.teller.BaseURL)
		}
		if err == nil && time.Since(digested) >= digestEvery {
			err, digested = r.teller.DigestAll(ctx), time.Now()
		}
		if err != nil && ctx.Err() == nil && !failing { // said once, not every two seconds
			r.log.Error("cannot tell what happens; it is tried again until it succeeds", "error", err)
		} else if err == nil && failing {
			r.log.Info("what happened meanwhile is told")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellOfHook tells the administrators, and who made it, that a hook was switched off.
func tellOfHook(tx *db.Tx, h webhook.Hook) error {
	to, err := member.Administrators(tx)
	if err != nil {
		return err
	}
	if h.CreatedBy > 0 && !slices.Contains(to, h.CreatedBy) {
		to = append(to, h.CreatedBy)
	}
	id := strconv.FormatInt(h.ID, 10)
	for _, one := range to {
		w := notice.Word{What: "webhook-disabled", Subject: h.Host(), Place: "/hooks/" + id, Key: id + " " + strconv.FormatInt(h.DisabledAt.UnixMicro(), 10)}
		if err := notice.Tell(tx, one, w); err != nil {
			return err
		}
	}
	return nil
}

// editions are the releases that left lately, as plain values for the digest.
func editions(tr *train.Train, tx *db.Tx) ([]notice.Edition, error) {
	const lately = 6 // releases: respins and those that wait included
	st, err := tr.Status(tx, lately)
	if err != nil {
		return nil, err
	}
	var all []notice.Edition
	for _, r := range st.Releases {
		if r.State != train.Shipping && r.State != train.Settled {
			continue
		}
		e := notice.Edition{Week: week(r.Name), Release: r.Name, Notes: r.Notes, Fixes: r.Fixes}
		for _, step := range r.Log {
			if step.Device == "" && step.To == string(train.Shipping) {
				e.Left = step.At
			}
		}
		for _, d := range r.Devices {
			e.Stops = append(e.Stops, notice.EditionStop{Device: d.Device, Left: len(d.Rollouts) > 0, Reason: d.Reason, Fixes: d.Fixes})
		}
		if !e.Left.IsZero() {
			all = append(all, e)
		}
	}
	return all, nil
}

// week is the release's name without what a respin adds: "26.11.27".
func week(release string) string {
	const parts = 3
	all := strings.SplitN(release, ".", parts+1)
	return strings.Join(all[:min(parts, len(all))], ".")
}
