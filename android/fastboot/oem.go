package fastboot

import (
	"context"
	"fmt"
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
