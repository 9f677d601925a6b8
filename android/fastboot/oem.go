package fastboot

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// OEM is what a Phone may do besides: commands of its maker's own, "fastboot oem …".
type OEM interface {
	// OEM does a command, as "rebootRUU", and tells the person at the computer in
	// lines. restart, if not nil, is where the phone restarts to afterwards.
	OEM(ctx context.Context, command string, say func(line string)) (restart *string, err error)
}

// oem answers "oem …".
func (s *session) oem(command string) error {
	phone, ok := s.phone.(OEM)
	if !ok {
		return s.say("FAIL", fmt.Sprintf("unknown command %.80q", "oem "+command))
	}
	var lost error
	restart, err := phone.OEM(s.ctx, command, func(line string) {
		if lost == nil {
			lost = s.say("INFO", line)
		}
	})
	if lost != nil {
		return lost
	}
	if err == nil {
		s.restarted = restart
	}
	return s.okay(err)
}

// Logical is what a Phone may do besides in fastbootd, which knows what lies in super.
type Logical interface {
	// Resize makes room for size bytes in a logical partition, "system_a".
	Resize(ctx context.Context, partition string, size int64) error
}

// resize answers "resize-logical-partition:system_a:4096", which the computer sends before
// it flashes a partition that is logical.
func (s *session) resize(arg string) error {
	phone, ok := s.phone.(Logical)
	if !ok {
		return s.say("FAIL", "unknown command \"resize-logical-partition\"")
	}
	name, text, _ := strings.Cut(arg, ":")
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 0 {
		return s.say("FAIL", fmt.Sprintf("a partition of %.40q bytes, expected a number", text))
	}
	return s.okay(phone.Resize(s.ctx, name, size))
}
