package api

import (
	"net/http"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/train"
)

type (
	deviceJSON struct {
		Codename string     `json:"codename"`
		Variant  string     `json:"variant"`
		Name     string     `json:"name"`
		Vendor   string     `json:"vendor"`
		URL      string     `json:"url"`
		Newest   *buildJSON `json:"newest_build"`
	}
	buildJSON struct {
		Version     string    `json:"version"`
		PatchLevel  string    `json:"patch_level"`
		Fingerprint string    `json:"fingerprint"`
		Timestamp   int64     `json:"timestamp"`
		CreatedAt   time.Time `json:"created_at"`
	}
	releaseJSON struct {
		Name      string            `json:"name"`
		URL       string            `json:"url"`
		State     string            `json:"state"`
		Reason    string            `json:"reason"`
		Departure time.Time         `json:"departure"`
		CutAt     *time.Time        `json:"cut_at"`
		Commit    string            `json:"commit"`
		Notes     string            `json:"notes"`
		Fixes     []int64           `json:"fixes"`
		Devices   []deviceOfRelease `json:"devices"`
	}
	deviceOfRelease struct {
		Device  string  `json:"device"`
		State   string  `json:"state"`
		Reason  string  `json:"reason"`
		Version string  `json:"version"`
		Fixes   []int64 `json:"fixes"`
	}
	memberJSON struct {
		Name    string    `json:"name"`
		URL     string    `json:"url"`
		Roles   []string  `json:"roles"`
		Devices []string  `json:"devices"`
		Since   time.Time `json:"since"`
	}
	askJSON struct {
		Thread   int64     `json:"thread"`
		URL      string    `json:"url"`
		Title    string    `json:"title"`
		Device   string    `json:"device"`
		Release  string    `json:"release"`
		OpenedAt time.Time `json:"opened_at"`
	}
)

func (c *call) toDevice(tx *db.Tx, d device.Device) (deviceJSON, error) {
	out := deviceJSON{Codename: d.Codename, Variant: d.Variant, Name: d.Name, Vendor: d.Vendor, URL: c.BaseURL + "/d/" + d.Codename}
	builds, err := catalog.Builds(tx, d.Codename)
	if err == nil && len(builds) > 0 {
		b := builds[0]
		out.Newest = &buildJSON{b.Version, b.PatchLevel, b.Fingerprint, b.Timestamp, b.CreatedAt}
	}
	return out, err
}

func (c *call) devices() error {
	if _, err := c.query(); err != nil {
		return err
	}
	out := struct {
		Devices []deviceJSON `json:"devices"`
	}{[]deviceJSON{}}
	err := c.read(func(tx *db.Tx) error {
		all, err := device.List(tx)
		for _, d := range all {
			one, err := c.toDevice(tx, d)
			if err != nil {
				return err
			}
			out.Devices = append(out.Devices, one)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) device() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var out deviceJSON
	err := c.read(func(tx *db.Tx) error {
		d, err := device.ByCodename(tx, c.r.PathValue("codename"))
		if err == nil {
			out, err = c.toDevice(tx, d)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) toRelease(r train.ReleaseStatus) releaseJSON {
	out := releaseJSON{Name: r.Name, URL: c.BaseURL + "/r/" + r.Name, State: string(r.State), Reason: r.Reason, Departure: r.Departure, CutAt: timeOrNull(r.CutAt),
		Commit: r.Commit, Notes: r.Notes, Fixes: append([]int64{}, r.Fixes...), Devices: []deviceOfRelease{}}
	for _, d := range r.Devices {
		out.Devices = append(out.Devices, deviceOfRelease{d.Device, string(d.State), d.Reason, r.Name, append([]int64{}, d.Fixes...)})
	}
	return out
}

func (c *call) releases() error {
	q, err := c.query("limit")
	if err != nil {
		return err
	}
	count, err := number(q, "limit", 20, 1, maxListed)
	if err != nil {
		return err
	}
	out := struct {
		Week      string        `json:"week"`
		Departure time.Time     `json:"departure"`
		Releases  []releaseJSON `json:"releases"`
	}{Releases: []releaseJSON{}}
	err = c.read(func(tx *db.Tx) error {
		s, err := c.Train.Status(tx, count)
		out.Week, out.Departure = s.Week, s.Departure
		for _, r := range s.Releases {
			out.Releases = append(out.Releases, c.toRelease(r))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) release() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var out releaseJSON
	err := c.read(func(tx *db.Tx) error {
		r, err := c.Train.ReleaseStatus(tx, c.r.PathValue("release"))
		out = c.toRelease(r)
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) toMember(m member.Member) memberJSON {
	out := memberJSON{Name: m.Name, URL: c.BaseURL + "/m/" + m.Name, Roles: []string{}, Devices: append([]string{}, m.Devices...), Since: m.CreatedAt}
	for _, r := range m.Roles {
		out.Roles = append(out.Roles, string(r))
	}
	return out
}

func (c *call) member() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var out memberJSON
	err := c.read(func(tx *db.Tx) error {
		m, err := member.ByName(tx, c.r.PathValue("name"))
		out = c.toMember(m)
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) me() error {
	if _, err := c.query(); err != nil {
		return err
	}
	return c.send(http.StatusOK, struct {
		memberJSON
		Scopes    any        `json:"scopes"`
		ExpiresAt *time.Time `json:"expires_at"`
	}{c.toMember(c.viewer), c.token.Scopes, timeOrNull(c.token.ExpiresAt)})
}

func (c *call) asks() error {
	if _, err := c.query(); err != nil {
		return err
	}
	out := struct {
		Asks []askJSON `json:"asks"`
	}{[]askJSON{}}
	err := c.read(func(tx *db.Tx) error {
		all, err := feedback.OpenAsks(tx, c.inForum())
		for _, a := range all {
			out.Asks = append(out.Asks, askJSON{a.ThreadID, c.threadURL(a.ThreadID), a.Title, a.Device, a.Release, a.OpenedAt})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}
