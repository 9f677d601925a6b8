package cable

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/rom/flashing"
)

// Decide says what would be done to a phone, or why nothing may be.
func Decide(b Build, p Phone, o Options) (Plan, error) {
	d := &decision{b: b, p: p, o: o, plan: Plan{
		Device: b.Device, Version: b.Version, Build: b.ID, Program: "fastboot", Serial: p.Serial,
		Writes: []string{}, Wipes: []string{}, Untouched: []string{}, Files: []flashing.Loose{}, Steps: []Step{},
	}}
	d.choose()
	switch {
	case b.Odin():
		d.plan.Program = "heimdall"
		d.samsung()
	case len(b.Models) > 0 && p.Vars["security"] == "off":
		d.refuseHTC()
		d.refuseFastboot()
		d.ruu()
	default:
		d.refuseFastboot()
		d.fastboot()
	}
	if len(d.why) > 0 {
		return Plan{}, fmt.Errorf("cannot flash %s %s: %w", b.Device, b.Version, errors.Join(d.why...))
	}
	return d.plan, nil
}

// Odin says that the phone is flashed in Samsung's way.
func (b *Build) Odin() bool { return b.Profile.Flash == bootprofile.Odin }

// decision is one under way.
type decision struct {
	b      Build
	p      Phone
	o      Options
	images []Image // that are written
	plan   Plan
	why    []error // it may not be done
}

func (d *decision) refuse(format string, a ...any) { d.why = append(d.why, fmt.Errorf(format, a...)) }
func (d *decision) note(format string, a ...any) {
	d.plan.Notes = append(d.plan.Notes, fmt.Sprintf(format, a...))
}

func (d *decision) step(mode Mode, why string, args ...string) *Step {
	restarts := args[0] == "reboot" || args[0] == "oem"
	d.plan.Steps = append(d.plan.Steps, Step{Args: args, Why: why, Mode: mode, Restarts: restarts})
	return &d.plan.Steps[len(d.plan.Steps)-1]
}

// choose parts what is written from the vendor's firmware.
func (d *decision) choose() {
	for _, im := range d.b.Images {
		if im.Firmware && !d.o.Firmware {
			d.plan.Untouched = append(d.plan.Untouched, im.Partition+": the vendor's firmware, the same as in the stock; --firmware writes it")
			continue
		}
		d.images = append(d.images, im)
	}
	d.plan.Untouched = append(d.plan.Untouched, d.b.Left...)
	if len(d.images) == 0 {
		d.refuse("the build has no image that a phone starts from")
	}
	d.plan.Untouched = append(d.plan.Untouched, "every partition of which the build has no image, such as calibration and the IMEI's")
}

func (d *decision) is(name string, words ...string) bool {
	return slices.Contains(words, strings.ToLower(d.p.Vars[name]))
}

// refuseFastboot finds what speaks against flashing a phone in its boot loader.
func (d *decision) refuseFastboot() {
	vars := d.p.Vars
	switch product := vars["product"]; {
	case len(d.b.Models) > 0 && vars["modelid"] != "":
		d.refuseModel()
	case product == "":
		d.refuse("the phone does not say which it is (getvar product); expected %s", strings.Join(d.b.Products, " or "))
	case product == d.o.Product:
		d.note("the phone calls itself %q, which many do; that it is %s is your word", product, d.b.Device)
	case !slices.Contains(d.b.Products, product):
		d.refuse("the phone on the cable is %q, the build is for %s: connect that one; if it is this one, whose boot loader calls itself so, add --product %[1]s", product, strings.Join(d.b.Products, ", "))
	}
	if d.is("unlocked", "no", "false", "0") {
		d.refuse("the boot loader is locked and writes nothing: unlock it ('fastboot flashing unlock', or the vendor's way), which wipes the phone, and run this again")
	} else if vars["unlocked"] == "" {
		d.note("the phone does not say whether its boot loader is unlocked; a locked one refuses the first image")
	}
	if d.is("battery-soc-ok", "no", "false", "0") {
		d.refuse("the battery is too low for flashing%s: charge the phone first", volts(vars["battery-voltage"]))
	}
	switch state := vars["snapshot-update-status"]; state {
	case "", "none":
	case "merging":
		d.refuse("an update is being merged into the phone's system: start the phone, let it end, and run this again")
	default:
		d.refuse("an update waits on the phone to be started (%s): start the phone and let it end, or throw it away with 'fastboot snapshot-update cancel'", state)
	}
	d.refuseAnti()
	d.refuseSlots()
}

func volts(millivolts string) string {
	if n, err := strconv.Atoi(strings.TrimSuffix(millivolts, "mV")); err == nil && n > 0 {
		return fmt.Sprintf(" (%.2f V)", float64(n)/1000)
	}
	return ""
}

// refuseModel compares HTC's numbers, which its boot loaders go by.
func (d *decision) refuseModel() {
	if model := d.p.Vars["modelid"]; !slices.Contains(d.b.Models, model) {
		d.refuse("the phone on the cable is model %s, the build is for %s", model, strings.Join(d.b.Models, ", "))
	}
}

// refuseHTC finds what RUU mode would refuse.
func (d *decision) refuseHTC() {
	if cid := d.p.Vars["cidnum"]; cid != superCID && !slices.Contains(d.b.CIDs, cid) {
		d.refuse("the phone is of carrier %q (cidnum), the stock's android-info.txt is for %s", cid, strings.Join(d.b.CIDs, ", "))
	}
}

// superCID is HTC's for phones that take every carrier's.
const superCID = "11111111"

// refuseAnti compares Xiaomi's anti-rollback number, which only rises.
func (d *decision) refuseAnti() {
	said := d.p.Vars["anti"]
	if said == "" {
		return
	}
	anti, err := strconv.Atoi(said)
	switch {
	case err != nil:
		d.note("the phone's anti-rollback number is %q, which is no number; it was not compared", said)
	case d.b.Anti > 0 && anti > d.b.Anti:
		d.refuse("the phone's anti-rollback number is %d, the build's stock has %d: it would never start again; build from a newer stock", anti, d.b.Anti)
	case d.b.Anti == 0 && anti > 0 && d.o.Firmware:
		d.refuse("the phone's anti-rollback number is %d and the build's stock does not say its own: an older firmware would brick it; leave --firmware out", anti)
	case d.b.Anti == 0 && anti > 0:
		d.note("the phone's anti-rollback number is %d; the build's stock says none, so the vendor's firmware stays as it is", anti)
	}
}

// refuseSlots compares how many slots there are, and chooses one.
func (d *decision) refuseSlots() {
	single := d.b.Profile.Slots == bootprofile.Single
	if count, err := strconv.Atoi(d.p.Vars["slot-count"]); err == nil && single != (count < 2) {
		d.refuse("the phone says that it has %d slots, its device.yaml says slots %s", count, d.b.Profile.Slots)
	}
	if single {
		if d.o.Slot != "" {
			d.refuse("the phone has no slot %s: it has but one set of partitions", d.o.Slot)
		}
		return
	}
	d.plan.Slot = cmp.Or(d.o.Slot, strings.TrimPrefix(d.p.Vars["current-slot"], "_"))
	if d.plan.Slot != "a" && d.plan.Slot != "b" {
		d.note("the phone does not say which slot it starts; slot a is written and started")
		d.plan.Slot = "a"
	}
}

// named is what the phone calls a partition.
func (d *decision) named(im Image) string {
	if d.plan.Slot == "" || im.Unslotted {
		return im.Partition
	}
	return im.Partition + "_" + d.plan.Slot
}

// fastboot writes the images one by one, super last.
func (d *decision) fastboot() {
	if d.is("is-userspace", "yes") {
		d.step(Bootloader, "the boot loader writes what lies outside super", "reboot", "bootloader")
	}
	if slot := d.plan.Slot; slot != "" {
		s := d.step(Bootloader, "the slot that is written is the one that starts", "set_active", slot)
		s.Writes = slot != strings.TrimPrefix(d.p.Vars["current-slot"], "_")
	}
	plain, logical := d.parted()
	for _, im := range plain {
		d.flash(Bootloader, im)
	}
	if d.b.Profile.KeyEnforced() {
		d.file(flashing.Loose{Name: keyFile, Kind: flashing.LooseKey})
		d.step(Bootloader, "the phone is to trust the key of this OS", "flash", "avb_custom_key", keyFile).Writes = true
		d.plan.After = append(d.plan.After, "once it has started: 'fastboot flashing lock' in the boot loader has the phone verify this system at every start; it wipes the phone again")
	}
	by := d.byRecovery()
	d.erase(Bootloader)
	switch {
	case by:
		d.sideload()
		return
	case len(logical) > 0 && d.b.Super:
		d.super(logical)
	case len(logical) > 0:
		d.step(Fastbootd, "fastbootd knows what lies in super", "reboot", "fastboot")
		for _, im := range logical {
			d.flash(Fastbootd, im)
		}
	}
	d.step(System, "it starts what was flashed", "reboot")
}

// keyFile is the file of the key that the phone is to trust.
const keyFile = "avb_custom_key.bin"

func (d *decision) file(f flashing.Loose) { d.plan.Files = append(d.plan.Files, f) }

// parted are the images outside super, a vbmeta last, and those within. Of a phone
// whose system goes in by its recovery, there are what it starts from alone.
func (d *decision) parted() (plain, logical []Image) {
	var last []Image
	for _, im := range d.images {
		switch {
		case im.Logical:
			logical = append(logical, im)
		case d.byRecovery() && im.Partition != "boot" && im.Partition != "recovery":
		case strings.HasPrefix(im.Partition, "vbmeta"):
			last = append(last, im)
		default:
			plain = append(plain, im)
		}
	}
	return append(plain, last...), logical
}

func (d *decision) flash(mode Mode, im Image) {
	f := flashing.Loose{Name: im.Partition + ".img", Kind: flashing.LooseRaw, Partition: im.Partition}
	d.file(f)
	name := d.named(im)
	s := d.step(mode, "the build's image of "+im.Partition, "flash", name, f.Name)
	s.Bytes, s.Writes = im.Size, true
	d.plan.Writes = append(d.plan.Writes, name)
}

// super writes the logical partitions at once; those of the other slot are gone.
func (d *decision) super(logical []Image) {
	const name = "super.img"
	d.file(flashing.Loose{Name: name, Kind: flashing.LooseSuper})
	s := d.step(Bootloader, "all logical partitions at once", "flash", "super", name)
	s.Writes = true
	for _, im := range logical {
		s.Bytes += im.Size
		d.plan.Writes = append(d.plan.Writes, d.named(im)+" (in super)")
	}
	if d.plan.Slot != "" {
		d.plan.Wipes = append(d.plan.Wipes, "the other slot's partitions in super: it can no longer start")
	}
}

// erase removes the owner's data, which another system cannot read.
func (d *decision) erase(mode Mode) {
	if d.o.KeepData {
		d.plan.Untouched = append(d.plan.Untouched, "userdata: the owner's data stay, as --keep-data asks")
		d.note("data of another system, or of a newer build, may keep the phone from starting; then 'fastboot erase userdata' is left")
		return
	}
	d.plan.Wipes = append(d.plan.Wipes, "userdata: all of the owner's data"+d.because())
	for _, name := range []string{"userdata", "metadata", "cache"} {
		if _, there := d.p.Vars["partition-type:"+name]; name != "userdata" && !there {
			continue
		}
		d.step(mode, "nothing of another system's data is left", "erase", name).Writes = true
	}
}

// because is why data go, as the build's report has it.
func (d *decision) because() string {
	for _, w := range d.b.Wipes {
		if w.Wipes {
			return " (from " + w.From + ": " + w.Why + ")"
		}
	}
	return ""
}

// byRecovery says that the phone's boot loader does not write system.
func (d *decision) byRecovery() bool { return d.b.Profile.Flash == bootprofile.Recovery }

// sideload leaves the rest to the recovery that was just flashed.
func (d *decision) sideload() {
	if !slices.ContainsFunc(d.images, func(im Image) bool { return im.Partition == "recovery" }) {
		d.refuse("its system goes in by its recovery, and the build has no image of one: install the package of 'friday ota full --to %s/%s -o ZIP' with the recovery that it has", d.b.Device, d.b.Version)
		return
	}
	d.step(Bootloader, "from there its recovery is started by hand", "reboot", "bootloader")
	d.note("the boot loader writes boot and recovery alone; the phone starts once its recovery has installed the rest")
	d.plan.After = append(d.plan.After,
		fmt.Sprintf("make the package: 'friday ota full --to %s/%s -o %[1]s.zip'", d.b.Device, d.b.Version),
		"choose RECOVERY on the phone's screen, there 'Apply update from ADB', and run 'adb sideload "+d.b.Device+".zip'")
}

// download is how many bytes the phone takes at once; 0: it does not say.
func (d *decision) download() int64 {
	n, err := strconv.ParseInt(d.p.Vars["max-download-size"], 0, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Fits says, once the files lie in a folder, whether the phone takes those that cannot
// be sent in pieces.
func (p *Plan) Fits(dir string) error {
	for _, s := range p.Steps {
		if s.Whole == 0 {
			continue
		}
		name := s.Args[len(s.Args)-1]
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("cannot flash %s %s: %w", p.Device, p.Version, err)
		}
		if fi.Size() > s.Whole {
			return fmt.Errorf("cannot flash %s %s: %s has %d bytes, the phone takes %d at once; only HTC's own fastboot cuts such a zip: make it with 'friday build' (outputs: [htc]) and flash it by that", p.Device, p.Version, name, fi.Size(), s.Whole)
		}
	}
	return nil
}

// ruu writes all at once, the way of an HTC whose radio's security is off.
func (d *decision) ruu() {
	name := d.b.Device + "-" + d.b.Version + "-htc.zip"
	d.file(flashing.Loose{Name: name, Kind: flashing.LooseHTC})
	d.step(RUUMode, "RUU mode takes a zip of all images", "oem", "rebootRUU")
	s := d.step(RUUMode, "all images at once", "flash", "zip", name)
	s.Writes, s.Whole = true, d.download()
	for _, im := range d.b.Images { // the zip has them all
		s.Bytes += im.Size
		d.plan.Writes = append(d.plan.Writes, im.Partition)
	}
	d.plan.Untouched = slices.DeleteFunc(d.plan.Untouched, func(s string) bool { return strings.Contains(s, "--firmware") })
	d.step(Bootloader, "data are erased outside RUU mode", "reboot", "bootloader")
	d.erase(Bootloader)
	d.step(System, "it starts what was flashed", "reboot")
}
