package fleet

import "time"

// How long what handsets report is kept apart, before only sums are left. None of
// it names a handset.
const (
	ClaimKept = claimKept * time.Second         // that a claimed handset has reported an event
	DaysKept  = 2 * ActiveDays * 24 * time.Hour // how many handsets asked on a day
)
