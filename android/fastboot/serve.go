package fastboot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Phone is what a boot loader does. Its errors are shown to the person at the
// computer. Serve calls one method at a time.
type Phone interface {
	// Var answers "getvar:name"; name may carry an argument, as
	// "partition-size:system_a". ok is false for what the phone does not know.
	Var(name string) (value string, ok bool)
	// Vars are the names that "getvar:all" lists.
	Vars() []string
	// Flash writes what was downloaded, a raw image or a sparse file, to a
	// partition.
	Flash(ctx context.Context, partition string, image io.ReaderAt, size int64) error
	Erase(ctx context.Context, partition string) error
	SetActive(slot string) error // "a" or "b"
	// Reboot and all that restarts; target is "", "bootloader", "recovery" or
	// "fastboot". The connection ends after it.
	Reboot(target string) error
}

// Server is the phone's side.
type Server struct {
	Phone Phone
	// MaxDownload is the largest download in bytes; it lies in a file in Temp.
	MaxDownload int64
	Temp        string        // folder for downloads; empty: the system's
	Idle        time.Duration // a computer that says nothing for so long is let go; 0: 10 minutes
}

// DefaultMaxDownload is what phones of these years take: 256 MiB.
const DefaultMaxDownload = 256 << 20

// Serve answers computers on l, one after the other as a phone does, until the
// context ends or the phone is restarted; then it closes l. restarted is where
// to, and nil if it was not.
func (s *Server) Serve(ctx context.Context, l net.Listener) (restarted *string, err error) {
	stop := context.AfterFunc(ctx, func() { l.Close() }) //nolint:errcheck // it ends Accept
	defer stop()
	defer l.Close() //nolint:errcheck // nothing is left to say
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("cannot serve fastboot: %w", err)
		}
		// A computer that breaks the protocol is let go; the next one is served.
		if target, _ := s.ServeConn(ctx, nc); target != nil {
			return target, nil
		}
	}
}

// ServeConn answers one computer until it goes, and closes the connection.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) (restarted *string, err error) {
	var once sync.Once
	shut := func() { once.Do(func() { nc.Close() }) } //nolint:errcheck // it ends the reading
	stop := context.AfterFunc(ctx, shut)
	defer stop()
	defer shut()
	idle, limit := s.Idle, s.MaxDownload
	if idle == 0 {
		idle = 10 * time.Minute
	}
	if limit == 0 {
		limit = DefaultMaxDownload
	}
	se := &session{ctx: ctx, conn: &conn{Conn: nc, idle: idle}, phone: s.Phone, limit: min(limit, 1<<32-1), temp: s.Temp}
	defer se.drop()
	if err := se.conn.shake(false); err != nil {
		return nil, fmt.Errorf("cannot serve fastboot: %w", err)
	}
	for se.restarted == nil {
		command, err := se.conn.message(maxCommand)
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err == nil {
			err = se.answer(command)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot serve fastboot: %w", err)
		}
	}
	return se.restarted, nil
}

type session struct {
	ctx       context.Context
	conn      *conn
	phone     Phone
	limit     int64
	temp      string
	file      *os.File // the download; nil: none
	size      int64
	restarted *string
}

func (s *session) drop() {
	if s.file != nil {
		s.file.Close() //nolint:errcheck // it was removed when it was made
		s.file = nil
	}
}

func (s *session) say(kind, text string) error {
	b := []byte(kind + text)
	return s.conn.send(b[:min(len(b), maxAnswer)])
}

func (s *session) okay(err error) error {
	if err != nil {
		return s.say("FAIL", err.Error())
	}
	return s.say("OKAY", "")
}

func (s *session) answer(command string) error {
	if rest, ok := strings.CutPrefix(command, "oem "); ok {
		return s.oem(rest)
	}
	verb, arg, _ := strings.Cut(command, ":")
	switch verb {
	case "getvar":
		return s.getvar(arg)
	case "download":
		return s.download(arg)
	case "flash":
		if s.file == nil {
			return s.say("FAIL", "nothing was downloaded")
		}
		return s.okay(s.phone.Flash(s.ctx, arg, s.file, s.size))
	case "erase":
		return s.okay(s.phone.Erase(s.ctx, arg))
	case "resize-logical-partition":
		return s.resize(arg)
	case "set_active":
		return s.okay(s.phone.SetActive(strings.TrimPrefix(arg, "_")))
	case "reboot", "continue", "reboot-bootloader", "reboot-recovery", "reboot-fastboot":
		_, target, _ := strings.Cut(verb, "-")
		err := s.phone.Reboot(target)
		if err == nil {
			s.restarted = &target
		}
		return s.okay(err)
	}
	return s.say("FAIL", fmt.Sprintf("unknown command %.80q", command))
}

func (s *session) getvar(name string) error {
	if name == "all" {
		for _, n := range append([]string{"max-download-size"}, s.phone.Vars()...) {
			v, _ := s.value(n)
			if err := s.say("INFO", n+":"+v); err != nil {
				return err
			}
		}
		return s.say("OKAY", "")
	}
	if v, ok := s.value(name); ok {
		return s.say("OKAY", v)
	}
	return s.say("FAIL", fmt.Sprintf("there is no variable %.80q", name))
}

func (s *session) value(name string) (string, bool) {
	if name == "max-download-size" {
		return fmt.Sprintf("0x%08x", s.limit), true
	}
	return s.phone.Var(name)
}

func (s *session) download(arg string) error {
	s.drop()
	size, err := strconv.ParseInt(arg, 16, 64)
	if err != nil || size < 0 || size > s.limit {
		return s.say("FAIL", fmt.Sprintf("a download of %.20q bytes, expected at most 0x%08x", arg, s.limit))
	}
	f, err := os.CreateTemp(s.temp, "fastboot-*")
	if err == nil {
		s.file, s.size = f, size
		err = os.Remove(f.Name()) // it lives as long as it is open
	}
	if err != nil {
		return s.say("FAIL", err.Error())
	}
	if err := s.say("DATA", fmt.Sprintf("%08x", size)); err != nil {
		return err
	}
	var broken error // a full disk is told once the data were taken, as the protocol has it
	buf := make([]byte, chunkSize)
	for at := int64(0); at < size; {
		n, err := s.conn.Read(buf[:min(size-at, chunkSize)])
		if err != nil {
			return err
		}
		if broken == nil {
			_, broken = f.WriteAt(buf[:n], at)
		}
		at += int64(n)
	}
	if s.conn.left != 0 {
		return fmt.Errorf("%d bytes follow a download of %d", s.conn.left, size)
	}
	if broken != nil {
		s.drop()
	}
	return s.okay(broken)
}
