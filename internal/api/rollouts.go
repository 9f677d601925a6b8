package api

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/pace"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/train"
)

type (
	rolloutJSON struct {
		ID        int64     `json:"id"`
		Channel   string    `json:"channel"`
		Region    string    `json:"region"`
		Carrier   string    `json:"carrier"`
		State     string    `json:"state"`
		Stage     int       `json:"stage"`
		Stages    int       `json:"stages"`
		Reach     string    `json:"reach"`
		CreatedAt time.Time `json:"created_at"`
		ChangedAt time.Time `json:"changed_at"`
		StoppedIn []string  `json:"stopped_in"`
		sumsJSON
		ByRegion []sumsJSON `json:"by_region"`
		BySource []sumsJSON `json:"by_source"`
	}
	// sumsJSON is what became of the offers that some handsets took.
	sumsJSON struct {
		Name     *string          `json:"name,omitempty"`
		Outcomes outcome.Group    `json:"outcomes"`
		Handsets map[string]int64 `json:"handsets"`
		Steps    []paceJSON       `json:"steps"`
	}
	paceJSON struct {
		Step string  `json:"step"`
		N    int64   `json:"n"`
		P50  float64 `json:"p50"`
		P95  float64 `json:"p95"`
		P99  float64 `json:"p99"`
	}
)

func toSums(name *string, g outcome.Group, handsets reach.Group, took outcome.Pace) sumsJSON {
	out := sumsJSON{Name: name, Outcomes: g, Handsets: map[string]int64{}, Steps: []paceJSON{}}
	maps.Copy(out.Handsets, handsets)
	for _, step := range pace.Steps() {
		if s := took[step]; s.N() > 0 {
			at := func(q float64) float64 { return math.Round(10*s.Quantile(q).Seconds()) / 10 }
			out.Steps = append(out.Steps, paceJSON{string(step), s.N(), at(0.5), at(0.95), at(0.99)})
		}
	}
	return out
}

func toRollout(tx *db.Tx, r *fleet.Rollout) (out rolloutJSON, err error) {
	out = rolloutJSON{ID: r.ID, Channel: r.Channel, Region: r.Region, Carrier: r.Carrier, State: string(r.State), Stage: r.Stage + 1, Stages: len(r.Stages), Reach: r.Reach(),
		CreatedAt: r.CreatedAt, ChangedAt: r.ChangedAt, StoppedIn: []string{}, ByRegion: []sumsJSON{}, BySource: []sumsJSON{}}
	for _, s := range r.Regions {
		out.StoppedIn = append(out.StoppedIn, s.Region)
	}
	sums, err := outcome.BreakdownOf(tx, r.ID)
	if err != nil {
		return out, err
	}
	reached, err := reach.Of(tx, r.ID)
	if err != nil {
		return out, err
	}
	took, err := outcome.PaceOf(tx, r.ID)
	if err != nil {
		return out, err
	}
	out.sumsJSON = toSums(nil, sums.All, reached.All, took.All)
	each := func(sums map[string]outcome.Group, reached map[string]reach.Group, took map[string]outcome.Pace) []sumsJSON {
		names := slices.Collect(maps.Keys(sums))
		names = slices.AppendSeq(slices.AppendSeq(names, maps.Keys(reached)), maps.Keys(took))
		slices.Sort(names)
		all := []sumsJSON{}
		for _, name := range slices.Compact(names) {
			all = append(all, toSums(&name, sums[name], reached[name], took[name]))
		}
		return all
	}
	out.ByRegion, out.BySource = each(sums.ByRegion, reached.ByRegion, took.ByRegion), each(sums.BySource, reached.BySource, took.BySource)
	return out, nil
}

// rollouts are those of one device of a release, with what became of them.
func (c *call) rollouts() error {
	if _, err := c.query(); err != nil {
		return err
	}
	out := struct {
		Rollouts []rolloutJSON `json:"rollouts"`
	}{[]rolloutJSON{}}
	err := c.read(func(tx *db.Tx) error {
		r, err := c.Train.ReleaseStatus(tx, c.r.PathValue("release"))
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Devices, func(d train.DeviceStatus) bool { return d.Device == c.r.PathValue("codename") })
		if i < 0 {
			return fmt.Errorf("cannot find %s in release %s: %w", c.r.PathValue("codename"), r.Name, train.ErrNotFound)
		}
		for _, ro := range r.Devices[i].Rollouts {
			one, err := toRollout(tx, &ro.Rollout)
			if err != nil {
				return err
			}
			out.Rollouts = append(out.Rollouts, one)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}
