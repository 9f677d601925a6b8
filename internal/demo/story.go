package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/stocktest"
)

const camera = `# What the camera app may ask of the sensor.
lens=main
digital_zoom=true
max_zoom=%s
`

const cameraLayer = `why: Settings of the camera that the stock leaves to the vendor's app.

add:
  - from: system
    to: system:system
`

// makeStock makes a vendor's firmware, an OS repository, and takes the one into
// the other's installation.
func (s *story) makeStock(ctx context.Context) (string, error) {
	if _, err := s.friday(ctx, "init", s.path("os"), "--name", "Mango OS", "--url", s.base, "--device", device, "--no-stock"); err != nil {
		return "", err
	}
	// The release keys leave the server's folder: only the worker is shown them.
	if err := os.Rename(filepath.Join(s.state(), "keys"), s.keys()); err != nil {
		return "", fmt.Errorf("cannot move keys: %w", err)
	}
	config := fmt.Sprintf("base_url: %s\nlisten: %s\nrepository: ..\n", s.base, s.Addr)
	if err := os.WriteFile(filepath.Join(s.state(), "friday.yaml"), []byte(config), 0o644); err != nil {
		return "", fmt.Errorf("cannot write configuration: %w", err)
	}
	firmware := s.path("firmware", device+"-stock.zip")
	if err := s.writeFirmware(ctx, firmware); err != nil {
		return "", err
	}
	said, err := s.friday(ctx, s.stateArgs("stock", "add", firmware, "--device", device)...)
	if err != nil {
		return "", err
	}
	osYAML, err := os.ReadFile(s.path("os", "os.yaml"))
	if err != nil {
		return "", fmt.Errorf("cannot read OS repository: %w", err)
	}
	_, err = s.commit("Add the camera layer", map[string][]byte{
		"os.yaml":                  []byte(strings.Replace(string(osYAML), "layers: [base, clean]", "layers: [base, clean, camera]", 1)),
		"layers/camera/layer.yaml": []byte(cameraLayer),
		"layers/camera/system/etc/camera/zoom.cfg": fmt.Appendf(nil, camera, "50x"), // the bug of the story
	})
	return strings.TrimSuffix(strings.SplitN(said, "\n", 2)[0], "."), err
}

func (s *story) writeFirmware(ctx context.Context, path string) (err error) {
	spec := stocktest.Default()
	spec.Device = device
	spec.Bytes = 48 << 20 // the whole loop within a minute on two cores
	if s.Files != "" {
		root, done, err := stocktest.Real(filepath.Join(s.Files, "1"))
		if err != nil {
			return err
		}
		defer done()
		spec.Extra = root
	}
	key, cert, err := stocktest.VendorKeys(spec.Seed)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot write firmware: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write firmware: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return stocktest.Write(ctx, f, spec, key, cert)
}

func (s *story) startProcesses(ctx context.Context) (string, error) {
	code, err := s.startServeCode(ctx)
	if err != nil {
		return "", err
	}
	if code == "" {
		return "", errors.New("the server showed no code for the first administrator")
	}
	if s.mara, err = newPerson("mara", s.base); err != nil {
		return "", err
	}
	if _, _, err := s.mara.post(ctx, "/first-run", url.Values{"code": {code}, "name": {"mara"}, "password": {password}}); err != nil {
		return "", err
	}
	return "mara administers " + s.base + " by the code in the terminal", s.startWorker()
}

func (s *story) gather(ctx context.Context) (string, error) {
	for name, p := range map[string]**person{"ana": &s.ana, "ben": &s.ben} {
		var err error
		if *p, err = newPerson(name, s.base); err != nil {
			return "", err
		}
		if _, _, err := (*p).post(ctx, "/register", url.Values{"name": {name}, "password": {password}}); err != nil {
			return "", err
		}
	}
	return "ana and ben have accounts", nil
}

// firstRelease is last Friday's: cut at a terminal.
func (s *story) firstRelease(ctx context.Context) (string, error) {
	last := s.schedule.Next(time.Now()).AddDate(0, 0, -7)
	if _, err := s.friday(ctx, s.stateArgs("train", "cut", "--date", last.Format(time.DateOnly))...); err != nil {
		return "", err
	}
	s.releases[0] = s.schedule.Name(last)
	packages, err := s.waitReady(ctx, s.releases[0])
	if err != nil {
		return "", err
	}
	if err := s.move(ctx, s.releases[0], "ship", "The first release"); err != nil {
		return "", err
	}
	// Nobody runs this OS yet, so there is nobody to protect by stages.
	return s.releases[0] + ": " + packages, s.complete(ctx, s.releases[0], "Nobody has an older one")
}

func (s *story) flash(ctx context.Context) (string, error) {
	if _, err := s.friday(ctx, s.stateArgs("handset", "flash", device, s.releases[0], "--phone", s.path("handset"), "--keys", s.keys(), "--region", "global")...); err != nil {
		return "", err
	}
	page, _, err := s.ana.post(ctx, "/me/claim", url.Values{"device": {device}})
	if err != nil {
		return "", err
	}
	m := claimCode.FindStringSubmatch(page)
	if m == nil {
		return "", fmt.Errorf("ana's page shows no claim code: %s", text(page))
	}
	res, err := s.runHandset(ctx, "--claim", m[1])
	if err != nil {
		return "", err
	}
	s.before = res.Started
	if res.Started.System.Incremental != s.releases[0] {
		return "", fmt.Errorf("the handset runs %s, expected %s", res.Started.System.Incremental, s.releases[0])
	}
	return fmt.Sprintf("it runs %s from slot %s and is ana's", s.releases[0], res.Started.Slot), nil
}

var claimCode = regexp.MustCompile(`class="claim-code">([^<]+)<`)

// handsetState and handsetResult are what 'handset run --json' prints.
type handsetState struct {
	Slot         string
	VBMetaDigest string
	System       struct {
		Incremental string `json:"incremental"`
	}
}

type handsetResult struct {
	Offer   *struct{ Release, Kind string }
	Reason  string
	Updated bool
	Started handsetState
}

func (s *story) runHandset(ctx context.Context, args ...string) (res handsetResult, err error) {
	out, err := s.friday(ctx, append([]string{"handset", "run", s.path("handset"), "--server", s.base, "--json"}, args...)...)
	if err != nil {
		return res, err
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		return res, fmt.Errorf("cannot read what the handset says: %w", err)
	}
	return res, nil
}

var threadPath = regexp.MustCompile(`^/t/(\d+)`)

func (s *story) report(ctx context.Context) (string, error) {
	_, at, err := s.ana.post(ctx, "/t/new", url.Values{
		"kind": {"bug"}, "title": {"Camera closes when I zoom past 5×"}, "part": {"Camera"}, "device": {device},
		"build": {s.releases[0]},
		"body":  {"Open the camera, zoom in with two fingers. At about 5× the picture freezes for a second and the app closes.\n\nIt did not do that on the stock system."},
	})
	if err != nil {
		return "", err
	}
	m := threadPath.FindStringSubmatch(at.Path)
	if m == nil {
		return "", fmt.Errorf("after reporting, ana is at %s, expected a thread", at.Path)
	}
	if s.thread, err = strconv.ParseInt(m[1], 10, 64); err != nil {
		return "", err
	}
	for _, do := range []struct {
		who  *person
		verb string
		form url.Values
	}{
		{s.ben, "metoo", url.Values{"device": {device}}},
		{s.ben, "vote", url.Values{"on": {"yes"}}},
		{s.ben, "reply", url.Values{"body": {"Same here, and only with the main lens. `logcat` says *zoom ratio out of range* just before it closes."}}},
		{s.mara, "mark", url.Values{"state": {"recorded"}, "device": {device}}},
		{s.mara, "reply", url.Values{"body": {"Thank you both. Our camera layer allows 50×, the sensor ends at 5×. You will be asked when your own phone has the fix."}}},
	} {
		if _, _, err := do.who.post(ctx, s.threadURL(do.verb), do.form); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("thread %d, recorded by mara", s.thread), s.expectState(ctx, "recorded")
}

func (s *story) threadURL(verb string) string {
	return fmt.Sprintf("/t/%d/%s", s.thread, verb)
}

func (s *story) fix(context.Context) (string, error) {
	files := map[string][]byte{"layers/camera/system/etc/camera/zoom.cfg": fmt.Appendf(nil, camera, "5x")}
	if s.Files != "" {
		if err := s.addReal(files); err != nil {
			return "", err
		}
	}
	// Builds take their time from the commit, in seconds.
	time.Sleep(time.Second)
	hash, err := s.commit(fmt.Sprintf("camera: Limit the zoom to what the sensor can do\n\nFixes: #%d\n", s.thread), files)
	return fmt.Sprintf("%.10s says \"Fixes: #%d\"", hash, s.thread), err
}

func (s *story) secondRelease(ctx context.Context) (string, error) {
	if _, _, err := s.mara.post(ctx, "/train/cut", url.Values{"rev": {"HEAD"}, "notes": {"The camera no longer closes past 5×."}}); err != nil {
		return "", err
	}
	s.releases[1] = s.schedule.Name(s.schedule.Next(time.Now()))
	packages, err := s.waitReady(ctx, s.releases[1])
	return s.releases[1] + ": " + packages, err
}

// move moves a release as the console's form does.
func (s *story) move(ctx context.Context, release, verb, reason string) error {
	_, _, err := s.mara.post(ctx, "/train/move", url.Values{"release": {release}, "verb": {verb}, "reason": {reason}})
	return err
}

func (s *story) ship(ctx context.Context) (string, error) {
	if err := s.notAsked(ctx); err != nil {
		return "", err
	}
	if err := s.move(ctx, s.releases[1], "ship", "The gate is passed"); err != nil {
		return "", err
	}
	percent, err := s.percent(ctx, s.releases[1])
	return fmt.Sprintf("%s is offered to %d%% of the handsets on weekly", s.releases[1], percent), err
}

// update lets the handset check in; where its turn has not come, the maintainer
// lets the rollout go to its next stage, as the console can.
func (s *story) update(ctx context.Context) (string, error) {
	waited := 0
	for {
		res, err := s.runHandset(ctx)
		if err != nil {
			return "", err
		}
		if res.Updated && res.Started.System.Incremental == s.releases[1] {
			s.after = res.Started
			percent, err := s.percent(ctx, s.releases[1])
			return fmt.Sprintf("%s package, at the stage of %d%%; slot %s to %s", res.Offer.Kind, percent, s.before.Slot, s.after.Slot), err
		}
		if err := s.notAsked(ctx); err != nil {
			return "", err
		}
		if waited++; waited > 8 {
			return "", fmt.Errorf("the handset is still offered nothing: %s", res.Reason)
		}
		if err := s.move(ctx, s.releases[1], "next", "The outcomes so far are good"); err != nil {
			return "", err
		}
		if err := sleep(ctx, 1500*time.Millisecond); err != nil { // nodes read the rollouts every second
			return "", err
		}
	}
}

const question = "/answer"

// notAsked makes sure that nobody is asked before their handset has the build.
func (s *story) notAsked(ctx context.Context) error {
	for _, p := range []*person{s.ana, s.ben} {
		page, err := p.get(ctx, "/me")
		if err != nil {
			return err
		}
		if strings.Contains(page, question) {
			return fmt.Errorf("%s is asked whether the fix works, before any handset has it", p.name)
		}
	}
	return nil
}

func (s *story) confirm(ctx context.Context) (string, error) {
	asked := false
	for range 40 {
		page, err := s.ana.get(ctx, "/me")
		if err != nil {
			return "", err
		}
		if asked = strings.Contains(page, s.threadURL("answer")); asked {
			break
		}
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return "", err
		}
	}
	if !asked {
		return "", errors.New("ana was not asked although her handset runs the fix")
	}
	if page, err := s.ben.get(ctx, "/me"); err != nil || strings.Contains(page, question) {
		return "", errors.Join(err, errors.New("ben was asked although his handset is not known to have the fix"))
	}
	if _, _, err := s.ana.post(ctx, s.threadURL("answer"), url.Values{"device": {device}, "verdict": {"works"}}); err != nil {
		return "", err
	}
	return fmt.Sprintf("thread %d is confirmed and closed", s.thread), s.expectState(ctx, "confirmed")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
