package cable

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Run does the steps of a plan, in the folder of its files. told, which may be nil, hears
// of every step before it is done, and then how much of it is where the program says so:
// 0 to 1, of an image that goes in pieces. A step that has begun is let end, whatever becomes
// of ctx: half an image is worse than one of nine. The error, a *Stopped, says where
// the phone is left.
func Run(ctx context.Context, p Plan, dir string, told func(at int, s Step, done float64)) error {
	for i, s := range p.Steps {
		if ctx.Err() != nil {
			return &Stopped{p, i, ctx.Err()}
		}
		part := func(float64) {}
		if told != nil {
			told(i, s, 0)
			part = func(done float64) { told(i, s, done) }
		}
		if err := do(ctx, p, dir, s, part); err != nil {
			return &Stopped{p, i, err}
		}
		if s.Restarts && s.Mode != System {
			if err := await(ctx, p.Serial, s.Mode); err != nil {
				return &Stopped{p, i + 1, err}
			}
		}
	}
	return nil
}

// do calls the program once. It is in a process group of its own: Ctrl-C at the
// terminal is for Friday to hear, which lets the step end. But fastboot waits for ever
// for a phone that went, and for one that restarts into fastbootd and does not come.
func do(ctx context.Context, p Plan, dir string, s Step, part func(done float64)) error {
	args := s.Args
	if p.Serial != "" {
		args = append([]string{"-s", p.Serial}, args...)
	}
	if p.Program == "fastboot" && !network(p.Serial) {
		list, err := said(context.WithoutCancel(ctx), "fastboot", "devices")
		if err != nil {
			return fmt.Errorf("fastboot devices: %w: %s", err, last(list))
		}
		if _, err := pick(devices(list), p.Serial); err != nil {
			return err
		}
	}
	within := context.WithoutCancel(ctx)
	if s.Restarts {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, Restarting)
		defer cancel()
	}
	c := exec.CommandContext(within, p.Program, args...)
	c.Dir, c.SysProcAttr, c.WaitDelay = dir, &syscall.SysProcAttr{Setpgid: true}, time.Second
	out := &listener{part: part}
	c.Stdout, c.Stderr = out, out
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(within.Err(), context.Canceled):
		return within.Err()
	case within.Err() != nil:
		return fmt.Errorf("%s %s: the phone did not come back within %s", p.Program, strings.Join(s.Args, " "), Restarting)
	case errors.As(err, &exit):
		return fmt.Errorf("%s %s: %s", p.Program, strings.Join(s.Args, " "), last(string(out.said)))
	}
	return err
}

// listener keeps what a program prints, and hears which piece of an image it sends.
type listener struct {
	said []byte
	part func(done float64)
	seen int // pieces
}

// maxSaid is how much is kept of what a program prints: its beginning.
const maxSaid = 1 << 20

var pieces = regexp.MustCompile(`Sending sparse '[^']*' ([0-9]{1,6})/([0-9]{1,6})`)

func (l *listener) Write(b []byte) (int, error) {
	l.said = append(l.said, b[:min(len(b), maxSaid-len(l.said))]...)
	all := pieces.FindAllSubmatch(l.said, -1)
	for ; l.seen < len(all); l.seen++ {
		at, _ := strconv.Atoi(string(all[l.seen][1]))
		of, _ := strconv.Atoi(string(all[l.seen][2]))
		if at > 1 && at <= of {
			l.part(float64(at-1) / float64(of))
		}
	}
	return len(b), nil
}

// Restarting is how long a phone may take to restart into another of its modes.
const Restarting = 2 * time.Minute

// await waits until a phone that restarts has come into a mode.
func await(ctx context.Context, serial string, mode Mode) error {
	ctx, cancel := context.WithTimeout(ctx, Restarting)
	defer cancel()
	for {
		if there, err := reached(ctx, serial, mode); there || errors.Is(err, context.Canceled) {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("the phone did not come back as %s within %s", mode, Restarting)
			}
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func reached(ctx context.Context, serial string, mode Mode) (bool, error) {
	if !network(serial) {
		list, err := said(ctx, "fastboot", "devices")
		if err != nil {
			return false, err
		}
		if _, err := pick(devices(list), serial); err != nil { // asking one that is not there waits for ever
			return false, nil
		}
	}
	if mode == RUUMode { // an HTC answers for a while before it goes
		in, err := getvar(ctx, serial, "boot-mode")
		return err == nil && (in == "" || in == "RUU"), err
	}
	userspace, err := getvar(ctx, serial, "is-userspace")
	return err == nil && (userspace == "yes") == (mode == Fastbootd), err
}

// Stopped says that a plan was not done to its end.
type Stopped struct {
	Plan Plan
	Done int   // steps
	Why  error // context.Canceled: a person stopped it
}

// Unwrap gives what stopped it, but not that a person did: that is said by Error.
func (s *Stopped) Unwrap() error {
	if errors.Is(s.Why, context.Canceled) {
		return nil
	}
	return s.Why
}

// Error says what stopped it, and where the phone is left.
func (s *Stopped) Error() string {
	what := fmt.Sprintf("cannot flash %s: step %d of %d: %v", s.Plan.Device, min(s.Done+1, len(s.Plan.Steps)), len(s.Plan.Steps), s.Why)
	if errors.Is(s.Why, context.Canceled) {
		what = fmt.Sprintf("stopped after step %d of %d", s.Done, len(s.Plan.Steps))
	}
	return what + "; " + s.Plan.Left(s.Done, !errors.Is(s.Why, context.Canceled))
}

// Left says where a phone is left after so many steps; begun, that the next one was
// begun and did not end well.
func (p *Plan) Left(done int, begun bool) string {
	wrote, mode := false, Bootloader
	if p.Program == "heimdall" {
		mode = Download
	}
	for i, s := range p.Steps[:done] {
		wrote = wrote || s.Writes
		if mode = p.Steps[i].Mode; mode == System {
			return "the phone restarts into what was flashed"
		}
	}
	if begun && done < len(p.Steps) {
		wrote = wrote || p.Steps[done].Writes
	}
	where := map[Mode]string{Bootloader: "in its boot loader", Fastbootd: "in fastbootd", RUUMode: "in RUU mode", Download: "in its download mode"}[mode]
	if !wrote {
		return "nothing was written: the phone waits " + where + ", its system as it was"
	}
	return "the phone waits " + where + " and does not start until all is flashed: run the same command again"
}
