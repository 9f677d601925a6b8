package office

import (
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/train"
)

// signalView is a crash that a release brought to a phone or made worse there.
type signalView struct {
	page.Crash
	Device, Words string
}

// signalViews are the signals of a device's build that the viewer may know of:
// some thread with the crash is theirs to see.
func signalViews(c *page.Call, tx *db.Tx, device, version string) ([]signalView, error) {
	const most = 10
	signals, err := train.Crashes(tx, device, version)
	if err != nil {
		return nil, err
	}
	var all []signalView
	for _, s := range signals[:min(len(signals), most)] {
		one, err := crash.ByFingerprint(tx, s.Fingerprint)
		if err != nil {
			return nil, err
		}
		v := signalView{Device: device}
		if v.Crash, err = c.Crash(tx, one, 0, 1); err != nil {
			return nil, err
		}
		if len(v.Threads) == 0 {
			continue
		}
		key := "crash-grew"
		if s.Change == crash.New {
			key = "crash-new"
		}
		v.Words = c.Text.N("release."+key, int(s.Here), "Handsets", s.HandsetsHere)
		all = append(all, v)
	}
	return all, nil
}
