package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// process is a friday process that runs beside the story.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	err  error         // why; read after done
}

// start starts a friday process whose output goes to log. Each line is shown to
// line too.
func (s *story) start(log string, line func(string), args ...string) (*process, error) {
	f, err := os.Create(s.path(log))
	if err != nil {
		return nil, fmt.Errorf("cannot start friday %s: %w", args[0], err)
	}
	r, w := io.Pipe()
	cmd := exec.Command(s.Exe, args...)
	cmd.Stdout, cmd.Stderr = w, w
	// A group of its own: Ctrl-C reaches the story, which ends the others in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start friday %s: %w", args[0], err), f.Close())
	}
	p := &process{cmd: cmd, done: make(chan struct{}), log: f.Name()}
	read := make(chan struct{})
	go func() {
		defer close(read)
		sc := bufio.NewScanner(r)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			fmt.Fprintln(f, sc.Text())
			line(sc.Text())
		}
		io.Copy(io.Discard, r)
	}()
	go func() {
		err := cmd.Wait()
		w.Close()
		<-read
		p.err = errors.Join(err, f.Close())
		close(p.done)
	}()
	return p, nil
}

// stop ends the process as an operator would and waits for it, at most for
// grace; then it is killed. A nil process, and one that has ended, is fine.
func (p *process) stop(grace time.Duration) error {
	if p == nil {
		return nil
	}
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop process: %w", err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("cannot stop process: %w; its words are in %s", p.err, p.log)
		}
		return nil
	case <-time.After(grace):
		return p.cmd.Process.Kill()
	}
}

// ended is an error that says what has ended and where its words are.
func (p *process) ended(what string) error {
	cause := p.err
	if cause == nil {
		cause = errors.New("somebody stopped it")
	}
	return fmt.Errorf("cannot go on: %s has ended: %w; its words are in %s", what, cause, p.log)
}

// friday runs a friday command to its end and returns what it printed.
func (s *story) friday(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Exe, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot run friday %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// stateArgs are what every verb that uses the installation takes.
func (s *story) stateArgs(args ...string) []string {
	args = append(args, "--dir", s.state())
	if s.Database != "" {
		args = append(args, "--db", s.Database)
	}
	return args
}

var firstRunCode = regexp.MustCompile(`/first-run\?code=(\S+)`)

// startServe starts the site and waits until it answers.
func (s *story) startServe(ctx context.Context) error {
	_, err := s.startServeCode(ctx)
	return err
}

// startServeCode returns the first-run code that the server showed, if any.
func (s *story) startServeCode(ctx context.Context) (code string, err error) {
	found, serving := make(chan string, 1), make(chan struct{}, 1)
	s.serve, err = s.start("serve.log", func(line string) {
		if m := firstRunCode.FindStringSubmatch(line); m != nil {
			found <- m[1]
		}
		if strings.Contains(line, "msg=serving") {
			serving <- struct{}{}
		}
	}, s.stateArgs("serve", "--listen", s.Addr)...)
	if err != nil {
		return "", err
	}
	select {
	case <-serving:
	case <-s.serve.done:
		return "", s.serve.ended("the site")
	case <-time.After(60 * time.Second):
		return "", errors.New("cannot start the site: it did not answer within a minute")
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case code = <-found:
	default:
	}
	return code, nil
}

func (s *story) startWorker() (err error) {
	s.worker, err = s.start("worker.log", func(string) {}, s.stateArgs("worker", "--keys", s.keys())...)
	return err
}
