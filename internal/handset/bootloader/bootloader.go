// Package bootloader is the fastboot mode of a virtual handset: what package
// fastboot asks of a phone, answered from the handset's folder. The rules of
// flashing are the handset's.
package bootloader

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/handset"
)

// Mode is a handset that was switched on into its boot loader.
type Mode struct {
	Handset *handset.Phone
	Log     func(line string) // told what is done; nil: nobody
	HTC     *HTC              // of HTC's phones; nil: of another maker
	RUU     bool              // an HTC in RUU mode, to which "oem rebootRUU" restarts it
	// Userspace: it is fastbootd, of the recovery, to which "reboot fastboot" restarts it.
	Userspace bool
	Says      map[string]string // variables beside, or other than, those that it knows: "battery-soc-ok"
}

// Restarted is the mode that the phone is in after a restart to target; ok is false if it
// starts its system or its recovery.
func (m *Mode) Restarted(target string) (ok bool) {
	m.RUU = target == RestartRUU
	m.Userspace = target == "fastboot" && m.Handset.Identity().Super != nil
	return m.RUU || m.Userspace || target == "bootloader"
}

// Vars are the names that "getvar:all" lists.
func (m *Mode) Vars() []string {
	return []string{"version", "product", "variant", "current-slot", "slot-count", "unlocked", "secure", "is-userspace"}
}

// Var answers "getvar".
func (m *Mode) Var(name string) (string, bool) {
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}
	if said, ok := m.Says[name]; ok {
		return said, true
	}
	id := m.Handset.Identity()
	name, arg, _ := strings.Cut(name, ":")
	switch name {
	case "version":
		return "0.4", true
	case "product":
		return id.Device, true
	case "variant":
		return id.Variant, true
	case "current-slot":
		return m.Handset.Active(), !m.single()
	case "slot-count":
		if m.single() {
			return "0", true
		}
		return "2", true
	case "has-slot":
		_, slot := split(arg)
		return yes(arg != "userdata" && arg != "super" && arg != customKey && slot == "" && !m.single()), bootprofile.IsPartition(arg)
	case "is-logical":
		partition, _ := m.split(arg)
		return yes(m.Userspace && m.Handset.Logical(partition)), true
	case "super-partition-name":
		return "super", m.Userspace
	case "snapshot-update-status":
		state, err := m.Handset.SnapshotState()
		if state == "initiated" { // what is not whole yet is none to a boot loader
			state = handset.SnapshotsNone
		}
		return state, err == nil && id.Super != nil
	case "is-userspace":
		return yes(m.Userspace), true
	case "modelid", "cidnum", "security", "boot-mode":
		return m.HTC.value(name, m.RUU)
	case "unlocked":
		return yes(!m.Handset.Locked()), true
	case "secure":
		return yes(id.Profile.KeyEnforced()), true
	}
	return "", false
}

func (m *Mode) log(format string, a ...any) {
	if m.Log != nil {
		m.Log(fmt.Sprintf(format, a...))
	}
}

// split takes the slot off a partition's name: "boot_a" is boot in slot a.
func split(name string) (partition, slot string) {
	for _, slot := range []string{"a", "b"} {
		if p, ok := strings.CutSuffix(name, "_"+slot); ok {
			return p, slot
		}
	}
	return name, ""
}

// single says whether the phone has one slot.
func (m *Mode) single() bool { return m.Handset.Identity().Profile.Slots == bootprofile.Single }

// split is split, but that a phone with one slot has all in its only one.
func (m *Mode) split(name string) (partition, slot string) {
	if m.single() && name != "userdata" {
		return name, "a"
	}
	return split(name)
}

// Flash writes an image to "boot_a" and the like.
func (m *Mode) Flash(ctx context.Context, name string, image io.ReaderAt, size int64) error {
	partition, slot := m.split(name)
	switch both, ok := strings.CutSuffix(name, "_ab"); {
	case name == ruu:
		return m.flashZip(ctx, image, size)
	case m.Handset.Logical(partition) && !m.Userspace:
		return fmt.Errorf("no such partition %q: it lies in super; run 'fastboot reboot fastboot'", name)
	case name == customKey:
		if err := m.Handset.StoreKey(io.NewSectionReader(image, 0, size)); err != nil {
			return err
		}
	case name == "super":
		if err := m.Handset.FlashSuper(ctx, image, size); err != nil {
			return err
		}
	case ok && !m.single(): // as Xiaomi's scripts call a partition of both slots
		for _, slot := range []string{"a", "b"} {
			if err := m.Handset.FlashSlot(ctx, slot, both, image, size); err != nil {
				return err
			}
		}
	default:
		if err := m.Handset.FlashSlot(ctx, slot, partition, image, size); err != nil {
			return err
		}
	}
	m.log("flashed %s, %d bytes", name, size)
	return nil
}

// customKey is where a phone keeps the key that its owner trusts.
const customKey = "avb_custom_key"

// Resize makes room in a logical partition; in fastbootd alone.
func (m *Mode) Resize(_ context.Context, name string, size int64) error {
	partition, _ := m.split(name)
	if !m.Userspace || !m.Handset.Logical(partition) {
		return fmt.Errorf("no such logical partition %q", name)
	}
	return m.Handset.Resize(partition, size)
}

// Erase empties a partition, or erases "userdata".
func (m *Mode) Erase(_ context.Context, name string) error {
	partition, slot := m.split(name)
	if err := m.Handset.Erase(slot, partition); err != nil {
		return err
	}
	m.log("erased %s", name)
	return nil
}

// SetActive chooses the slot to start.
func (m *Mode) SetActive(slot string) error {
	if m.Handset.Locked() {
		return fmt.Errorf("cannot set active slot: the boot loader is locked")
	}
	if err := m.Handset.SetActive(slot); err != nil {
		return err
	}
	m.log("slot %s is active", slot)
	return nil
}

// Reboot leaves the mode, or stays in it for another computer.
func (m *Mode) Reboot(target string) error {
	m.log("restarting %s", target)
	return nil
}
