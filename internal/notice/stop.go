package notice

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
)

// Stopping is what the address at the end of a letter says: whose letters, and
// whether all of them or the weekly digest alone.
type Stopping struct {
	Member int64
	Digest bool
}

const (
	stopPurpose = "stop letters"
	stopDigest  = " digest"
)

// StopURL is the address that stops letters without signing in.
func (t *Teller) StopURL(s Stopping) string {
	body := strconv.FormatInt(s.Member, 10)
	if s.Digest {
		body += stopDigest
	}
	return t.BaseURL + "/notices/stop?s=" + t.Tickets.For(stopPurpose).Sign([]byte(body))
}

// ReadStop reads what StopURL wrote behind "?s=".
func ReadStop(tickets *keys.Ticket, text string) (s Stopping, err error) {
	body, err := tickets.For(stopPurpose).Verify(text)
	if err != nil {
		return s, err
	}
	id, digest := strings.CutSuffix(string(body), stopDigest)
	if s.Member, err = strconv.ParseInt(id, 10, 64); err != nil {
		return s, fmt.Errorf("cannot stop letters: the address is damaged")
	}
	s.Digest = digest
	return s, nil
}

// Stop ends the letters that s is about, those that wait too. Twice is as once;
// who has left is written to by nobody.
func Stop(tx *db.Tx, s Stopping) error {
	if _, err := member.ByID(tx, s.Member); errors.Is(err, member.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	for _, k := range Kinds() {
		if !s.Digest || k == Digest {
			if err := Wish(tx, s.Member, k, Mail, false); err != nil {
				return err
			}
		}
	}
	return nil
}
