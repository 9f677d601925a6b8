package firmware

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/xiaomi"
)

const (
	maxText = 1 << 20 // bytes of a list or script that is read
)

// superfluous says that a member cannot be an image, by its name.
func superfluous(name string) bool {
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "meta-inf/") || lower == "meta-inf" || strings.HasPrefix(lower, "meta-data/") || strings.HasSuffix(lower, "/meta-data") || lower == "meta-data" {
		return true
	}
	return slices.Contains([]string{
		".txt", ".sh", ".bat", ".xml", ".md5", ".exe", ".dll", ".apk", ".jar", ".map", ".html", ".pdf", ".cms", ".sig", ".pem", ".list",
		".dat", ".patch", ".cfg", ".ini", ".py", ".json", ".ta", ".sum", ".sha256",
	}, path.Ext(trim(lower))) && !strings.HasSuffix(lower, ".tar.md5")
}

// facts reads what a container says of itself: whom it is for, and which file is
// flashed where.
func (w *walk) facts(root *tree.Node, where string) error {
	return tree.Walk(root, func(name string, node *tree.Node) error {
		if node.Type != tree.Regular {
			return nil
		}
		base := strings.ToLower(path.Base(name))
		var err error
		switch {
		case name == otazip.NameMetadata:
			err = w.metadata(node)
		case base == "payload.bin":
			w.out.Kind = Payload
		case strings.HasSuffix(base, ".transfer.list"):
			w.out.Kind = Block
		case strings.HasSuffix(base, ".sin"):
			w.out.Kind = Sin
		case strings.HasSuffix(base, ".tar.md5"):
			w.out.Kind = Odin
		case strings.HasSuffix(base, ".img.lz4") || strings.HasSuffix(base, ".img.ext4.lz4"):
			if within := strings.ToLower(strings.TrimSuffix(where, ".md5")); strings.HasSuffix(within, ".tar") {
				w.out.Packing.LZ4 = append(w.out.Packing.LZ4, strings.TrimSuffix(path.Base(name), ".lz4"))
			}
		case base == "flash_all.sh":
			err = w.script(node)
		case strings.HasSuffix(base, ".pit"):
			err = w.pit(node)
		case base == "android-info.txt":
			err = w.androidInfo(node)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", within(where, name), err)
		}
		return nil
	})
}

func text(node *tree.Node) (string, error) {
	if node.Size > maxText {
		return "", fmt.Errorf("it has %d bytes, expected at most %d", node.Size, maxText)
	}
	b, err := io.ReadAll(node.Open())
	return string(b), err
}

func (w *walk) metadata(node *tree.Node) error {
	s, err := text(node)
	if err != nil {
		return err
	}
	m, err := otazip.ParseMetadata(s)
	if err != nil {
		return err
	}
	if m.PreBuild != "" || m.PreBuildIncremental != "" {
		return fmt.Errorf("the package is incremental, from %s; builds start from a full one", cmp.Or(m.PreBuild, m.PreBuildIncremental))
	}
	w.out.Devices = append(w.out.Devices, m.PreDevice...)
	return nil
}

// script reads which file Xiaomi flashes where. A partition that is flashed from
// no file of the firmware is no concern of ours.
func (w *walk) script(node *tree.Node) error {
	s, err := text(node)
	if err != nil {
		return err
	}
	script, err := xiaomi.ParseScript(strings.NewReader(s))
	if err != nil {
		return err
	}
	w.out.Kind, w.listed = Fastboot, len(script.Steps) > 0
	w.out.Devices = append(w.out.Devices, script.Products...)
	w.out.Packing.Products, w.out.Packing.Anti = script.Products, max(script.Anti, 0)
	for _, st := range script.Steps {
		if st.Verb == "flash" && st.File != "" {
			if st.Partition == withoutSlot(st.Partition) {
				w.out.Packing.Unslotted = append(w.out.Packing.Unslotted, st.Partition)
			}
			w.names[trim(path.Base(st.File))] = withoutSlot(strings.ToLower(st.Partition))
		}
	}
	return nil
}

// pit reads which file Odin writes where. It names more files than a firmware
// has, and a firmware may have images for which it has another name; so what it
// does not name may still be told by its own name.
func (w *walk) pit(node *tree.Node) error {
	p, err := samsung.ReadPIT(node.Open())
	if err != nil {
		return err
	}
	var table bytes.Buffer
	if _, err := p.WriteTo(&table); err != nil {
		return err
	}
	w.out.Packing.PIT = table.Bytes()
	for _, e := range p.Partitions {
		if e.FlashName != "" && !strings.HasPrefix(e.FlashName, "-") {
			w.names[trim(e.FlashName)] = withoutSlot(strings.ToLower(e.Name))
		}
	}
	return nil
}

// androidInfo reads the models of HTC's; other vendors' have requirements in it.
func (w *walk) androidInfo(node *tree.Node) error {
	info, err := htc.ReadInfo(node.Open())
	if err != nil || len(info.Models) == 0 {
		return err
	}
	w.out.Kind, w.out.Packing.HTC = RUU, info
	w.out.Devices = append(w.out.Devices, info.Models...)
	return nil
}

// parted says whether a container holds one image in pieces, as Sony's newer .sin
// does: "system.cms", "system.000", "system.001". It returns the pieces in order.
func parted(root *tree.Node) []*tree.Node {
	var stem string
	var parts []*tree.Node
	for _, e := range root.Entries {
		i := strings.LastIndexByte(e.Name, '.')
		if i <= 0 || e.Node.Type != tree.Regular || stem != "" && e.Name[:i] != stem {
			return nil
		}
		stem = e.Name[:i]
		switch ending := e.Name[i+1:]; {
		case ending == "cms":
		case len(ending) == 3 && ending == fmt.Sprintf("%03d", len(parts)):
			parts = append(parts, e.Node)
		default:
			return nil
		}
	}
	return parts
}

// sparseParts notes an image that lies in pieces.
func (w *walk) sparseParts(f nest.File, at string, nodes []*tree.Node) error {
	var parts []*sparse.Image
	for i, node := range nodes {
		part, err := sparse.Open(node.Content, node.Size)
		if err != nil {
			return fmt.Errorf("%s: piece %d: %w", at, i, err)
		}
		parts = append(parts, part)
	}
	whole, err := sparse.Join(parts...)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	m := member{file: nest.File{Name: trim(path.Base(f.Name)), R: whole, Size: whole.Size()}, path: at}
	if opened, err := w.nest.Container(w.ctx, m.file); err == nil {
		m.format = opened.Format
	}
	w.members = append(w.members, m)
	return nil
}
