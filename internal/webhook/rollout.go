package webhook

import (
	"encoding/json"
	"fmt"

	"github.com/fridayos/friday/internal/db"
)

// RolloutStopped is the kind of event that a rollout stopped, by itself or by a
// member, who is the Actor: Data has its release, device and build, where it stands
// (held, halted or pulled), why, and the Rollout. What it tells stands on the train's page for everyone.
const RolloutStopped = "rollout.stopped"

// Rollout is one release of one device on one channel.
type Rollout struct {
	ID      int64   `json:"id"`
	URL     string  `json:"url"`
	Channel string  `json:"channel"`
	Region  string  `json:"region,omitempty"` // in which it stopped; none: everywhere
	Stage   int     `json:"stage"`            // 1 is the first
	Stages  int     `json:"stages"`
	Reach   string  `json:"reach"`            // of the stage: "10%", "200 handsets"
	Figure  *Figure `json:"figure,omitempty"` // that it rests on, if it does
}

// Figure is how many handsets fared badly, beside those with the build before.
type Figure struct {
	Measure   string `json:"measure"`  // "failed", "rolled back", "went silent" and so on
	Enrolled  bool   `json:"enrolled"` // of enrolled handsets alone
	Bad       int64  `json:"bad"`
	Of        int64  `json:"of"`
	BeforeBad int64  `json:"before_bad"`
	BeforeOf  int64  `json:"before_of"`
}

// Tell puts in the deliveries of a message to every hook that asks for its kind
// and device. The hooks are told once of one Data.Event.
func Tell(tx *db.Tx, m Message) error {
	hooks, err := List(tx)
	if err != nil || len(hooks) == 0 {
		return err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot tell webhooks of %s: %w", m.Type, err)
	}
	for _, h := range hooks {
		if !h.wants(m.Type, []string{m.Data.Device}) {
			continue
		}
		if _, err := put(tx, h.ID, m.Data.Event, m.Type, body); err != nil {
			return err
		}
	}
	return nil
}
