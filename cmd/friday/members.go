package main

import (
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member/letter"
)

// memberWork says how letters about accounts are sent.
func (s *installation) memberWork(w *jobs.Workers, sender *mail.Sender, site string) {
	letter.Desk{DB: s.db, Mail: sender, BaseURL: s.BaseURL, Site: site}.Register(w)
}
