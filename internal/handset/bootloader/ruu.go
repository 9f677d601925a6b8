package bootloader

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/htc"
)

// RestartRUU is where "oem rebootRUU" restarts an HTC to: a Mode with RUU set.
const RestartRUU = "RUU"

// ruu is the partition that "fastboot flash zip" names; there is none of that name.
const ruu = "zip"

// HTC is what the boot loader of an HTC knows beside.
type HTC struct {
	Model string // "0P6B10000": modelid
	CID   string // "HTC__001": cidnum, which carrier sold it
	SOff  bool   // its radio's security is off: it takes zips that HTC did not sign
}

// value is a variable of such a phone.
func (h *HTC) value(name string, ruu bool) (string, bool) {
	if h == nil {
		return "", false
	}
	if name == "boot-mode" && ruu {
		return "RUU", true
	}
	if name == "security" && h.SOff {
		return "off", true
	}
	return map[string]string{"modelid": h.Model, "cidnum": h.CID, "security": "on", "boot-mode": "FASTBOOT"}[name], true
}

// OEM answers "fastboot oem …".
func (m *Mode) OEM(_ context.Context, command string, say func(line string)) (restart *string, err error) {
	if m.HTC == nil {
		return nil, fmt.Errorf("unknown oem command %.40q", command)
	}
	switch command {
	case "rebootRUU":
		m.log("restarting into RUU mode")
		target := RestartRUU
		return &target, nil
	case "readcid":
		say("cid: " + m.HTC.CID)
		return nil, nil
	}
	return nil, fmt.Errorf("[ERR] Command error !!! %.40q is neither rebootRUU nor readcid", command)
}

// flashZip is what RUU mode does with a zip: everything in it is looked at before
// anything is written. The numbers are those that HTC's own boot loaders say.
func (m *Mode) flashZip(ctx context.Context, image io.ReaderAt, size int64) error {
	switch {
	case m.HTC == nil:
		return fmt.Errorf("this phone has no partition %q", ruu)
	case !m.RUU:
		return fmt.Errorf("not allowed: a zip is flashed in RUU mode; run 'fastboot oem rebootRUU' first")
	case !m.HTC.SOff:
		return fmt.Errorf("12 signature verify fail: the phone is S-ON and takes only what HTC signed")
	}
	z, err := zip.NewReader(image, size)
	if err != nil {
		return fmt.Errorf("33 parse zip fail: %w", err)
	}
	files, err := m.ruuFiles(z)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := m.flashMember(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// ruuFiles are the images of a zip that is for this phone.
func (m *Mode) ruuFiles(z *zip.Reader) ([]*zip.File, error) {
	text, err := z.Open(htc.NameInfo)
	if err != nil {
		return nil, fmt.Errorf("24 parsing android-info fail: %w", err)
	}
	info, err := htc.ReadInfo(text)
	text.Close() //nolint:errcheck // it was read
	switch {
	case err != nil:
		return nil, fmt.Errorf("24 parsing android-info fail: %w", err)
	case !slices.Contains(info.Models, m.HTC.Model):
		return nil, fmt.Errorf("41 model id check fail: the zip is for %q, this phone is %s", info.Models, m.HTC.Model)
	case !slices.Contains(info.CIDs, m.HTC.CID) && m.HTC.CID != superCID:
		return nil, fmt.Errorf("42 custom id check fail: the zip is for %q, this phone is of %s", info.CIDs, m.HTC.CID)
	}
	var files []*zip.File
	for _, f := range z.File {
		if f.Name == htc.NameInfo {
			continue
		}
		name, ok := strings.CutSuffix(f.Name, ".img")
		if room := m.Handset.Identity().Partitions; !ok || len(room) > 0 && room[name] < int64(f.UncompressedSize64) {
			return nil, fmt.Errorf("99 unknown fail: %s with %d bytes goes into no partition of this phone", f.Name, f.UncompressedSize64)
		}
		files = append(files, f)
	}
	return files, nil
}

// superCID is the one that takes all.
const superCID = "11111111"

func (m *Mode) flashMember(ctx context.Context, f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("33 parse zip fail: %s: %w", f.Name, err)
	}
	defer r.Close()
	name := strings.TrimSuffix(f.Name, ".img")
	if err := m.Handset.FlashStream(ctx, "a", name, r); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	m.log("flashed %s, %d bytes", name, f.UncompressedSize64)
	return nil
}
