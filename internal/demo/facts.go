package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/stocktest"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// read opens the installation's database beside the server, to look.
func (s *story) read(ctx context.Context, fn func(tx *db.Tx) error) (err error) {
	address := s.Database
	if address == "" {
		address = "sqlite:" + filepath.Join(s.state(), "friday.db")
	}
	d, err := db.Open(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Read(ctx, fn)
}

// status reads one release.
func (s *story) status(ctx context.Context, release string) (st train.ReleaseStatus, err error) {
	err = s.read(ctx, func(tx *db.Tx) (err error) {
		st, err = (&train.Train{Schedule: s.schedule}).ReleaseStatus(tx, release)
		return err
	})
	return st, err
}

// waitReady waits until the worker has built and packaged a release.
func (s *story) waitReady(ctx context.Context, release string) (string, error) {
	for {
		st, err := s.status(ctx, release)
		if err != nil {
			return "", err
		}
		for _, d := range st.Devices {
			switch d.State {
			case train.Ready:
				words := ""
				for i, p := range d.Packages {
					if i > 0 {
						words += ", "
					}
					words += fmt.Sprintf("%s package %.2f MB", p.Kind, float64(p.Size)/1e6)
				}
				return words, nil
			case train.Held, train.Withdrawn:
				return "", fmt.Errorf("%s of %s is %s: %s", device, release, d.State, d.Reason)
			}
		}
		select {
		case <-s.worker.done:
			return "", s.worker.ended("the worker")
		default:
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// percent is the stage that a release's rollout on the weekly channel is at.
func (s *story) percent(ctx context.Context, release string) (int, error) {
	r, err := s.rollout(ctx, release)
	return r.Percent(), err
}

// rollout reads a release's rollout on the weekly channel.
func (s *story) rollout(ctx context.Context, release string) (fleet.Rollout, error) {
	st, err := s.status(ctx, release)
	if err != nil {
		return fleet.Rollout{}, err
	}
	for _, d := range st.Devices {
		for _, r := range d.Rollouts {
			if r.Channel == wire.Weekly {
				return r.Rollout, nil
			}
		}
	}
	return fleet.Rollout{}, fmt.Errorf("%s has no rollout on the weekly channel", release)
}

// expectState checks where the thread stands on the device.
func (s *story) expectState(ctx context.Context, want feedback.State) error {
	return s.read(ctx, func(tx *db.Tx) error {
		t, err := feedback.ByID(tx, feedback.Everything(), s.thread)
		if err != nil {
			return err
		}
		for _, d := range t.Devices {
			if d.Device == device && d.State != want {
				return fmt.Errorf("thread %d is %s, expected %s", s.thread, d.State, want)
			}
		}
		return nil
	})
}

// addReal adds this week's real files, where they differ from last week's, as a
// layer.
func (s *story) addReal(files map[string][]byte) error {
	old, doneOld, err := stocktest.Real(filepath.Join(s.Files, "1"))
	if err != nil {
		return err
	}
	defer doneOld()
	root, done, err := stocktest.Real(filepath.Join(s.Files, "2"))
	if err != nil {
		return err
	}
	defer done()
	err = tree.Walk(root, func(path string, n *tree.Node) error {
		if n.Type != tree.Regular {
			return nil
		}
		b, err := io.ReadAll(io.NewSectionReader(n.Content, 0, n.Size))
		if err != nil {
			return err
		}
		if was := old.Lookup(path); was != nil && was.Size == n.Size {
			o, err := io.ReadAll(io.NewSectionReader(was.Content, 0, was.Size))
			if err != nil || bytes.Equal(o, b) {
				return err
			}
		}
		files["layers/apps/"+path] = b
		return nil
	})
	if err != nil {
		return err
	}
	files["layers/apps/layer.yaml"] = []byte("why: This week's versions of apps and programs.\n\nadd:\n  - from: system\n    to: system:system\n")
	osYAML, err := os.ReadFile(s.path("os", "os.yaml"))
	if err != nil {
		return err
	}
	files["os.yaml"] = bytes.Replace(osYAML, []byte("camera]"), []byte("camera, apps]"), 1)
	return nil
}

// Report is report.json; paths are relative to the demo's folder.
type Report struct {
	Releases       []string                     `json:"releases"`
	Packages       []ReportPackage              `json:"packages"`
	Images         map[string]map[string]string `json:"images"`
	OTACertificate string                       `json:"ota_certificate"`
	AVBPublicKey   string                       `json:"avb_public_key"`
	Thread         ReportThread                 `json:"thread"`
	Handset        ReportHandset                `json:"handset"`
}

// ReportPackage is one package of a Report.
type ReportPackage struct {
	File   string `json:"file"`
	Kind   string `json:"kind"`
	Device string `json:"device"`
	From   string `json:"from"` // version; empty for a full package
	To     string `json:"to"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// ReportThread is the way of the reported bug.
type ReportThread struct {
	ID                 int64         `json:"id"`
	States             []ReportState `json:"states"`
	DaysToConfirmedFix float64       `json:"days_to_confirmed_fix"`
}

// ReportState is one state of the thread.
type ReportState struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// ReportHandset is what the update did to the handset.
type ReportHandset struct {
	SlotBefore         string `json:"slot_before"`
	SlotAfter          string `json:"slot_after"`
	VBMetaDigestBefore string `json:"vbmeta_digest_before"`
	VBMetaDigestAfter  string `json:"vbmeta_digest_after"`
}

func (s *story) writeReport(ctx context.Context) (string, error) {
	r := Report{Releases: s.releases[:], Images: map[string]map[string]string{}, Handset: ReportHandset{
		SlotBefore: s.before.Slot, SlotAfter: s.after.Slot,
		VBMetaDigestBefore: s.before.VBMetaDigest, VBMetaDigestAfter: s.after.VBMetaDigest,
	}}
	var err error
	if r.OTACertificate, r.AVBPublicKey, err = s.exportKeys(); err != nil {
		return "", err
	}
	for _, release := range s.releases {
		if err := s.exportRelease(ctx, release, &r); err != nil {
			return "", err
		}
	}
	if err := s.reportThread(ctx, &r); err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	tmp := s.path("report.json.new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return "", fmt.Errorf("cannot write report: %w", err)
	}
	return "report.json, with the packages and images it names", os.Rename(tmp, s.path("report.json"))
}

func (s *story) reportThread(ctx context.Context, r *Report) error {
	return s.read(ctx, func(tx *db.Tx) error {
		t, err := feedback.ByID(tx, feedback.Everything(), s.thread)
		if err != nil {
			return err
		}
		days, ok := t.Days()
		if !ok {
			return fmt.Errorf("thread %d has no days to its confirmed fix", s.thread)
		}
		steps, err := feedback.States(tx, feedback.Everything(), s.thread)
		if err != nil {
			return err
		}
		r.Thread = ReportThread{ID: s.thread, DaysToConfirmedFix: days}
		for _, step := range steps {
			r.Thread.States = append(r.Thread.States, ReportState{string(step.State), step.At})
		}
		slices.SortStableFunc(r.Thread.States, func(a, b ReportState) int { return a.At.Compare(b.At) })
		return nil
	})
}
