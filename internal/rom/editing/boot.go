package editing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

// Boot applies what layers say of a boot image.
func (x *Editor) Boot(partition string, im *bootimg.Image, disks *Ramdisks) error {
	for _, e := range x.Plan.Boot {
		if e.Partition != partition {
			continue
		}
		for _, w := range e.Files {
			if err := x.placeIn(disks, w); err != nil {
				return fmt.Errorf("layer %s: ramdisk: %s: %w", e.Layer, w.Path, err)
			}
			x.Report.Owners[partition+":"+w.Path] = e.Layer
		}
		words := strings.Fields(im.Cmdline)
		for _, w := range e.Remove {
			i := slices.Index(words, w)
			if i < 0 {
				return fmt.Errorf("layer %s: the command line has no word %q: %s", e.Layer, w, im.Cmdline)
			}
			words = slices.Delete(words, i, i+1)
		}
		if len(e.Remove)+len(e.Append) > 0 {
			im.Cmdline = strings.Join(append(words, e.Append...), " ")
		}
	}
	return nil
}

// placeIn writes a path of a layer into the ramdisks that have it, or into the first.
func (x *Editor) placeIn(disks *Ramdisks, w osrepo.Placed) error {
	roots, err := disks.For(w.Path)
	if err != nil {
		return err
	}
	for _, root := range roots {
		folders(root, dirOf(w.Path), x.Time)
		if err := x.place(root, w, true); err != nil {
			return err
		}
	}
	return nil
}

// CertificatesIn puts our certificates, or keys, in the place of the vendor's in ramdisks.
func (x *Editor) CertificatesIn(disks *Ramdisks, path string) error {
	roots, err := disks.For(path)
	for _, root := range roots {
		if err == nil {
			err = x.Certificates(root, path)
		}
	}
	return err
}

// folders makes the folders of a ramdisk that lack.
func folders(root *tree.Node, path string, when int64) {
	n := root
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			return
		}
		next := n.Entry(name)
		if next == nil {
			next = tree.NewDir(0o755, 0, 0)
			next.MTime = when
			n.Set(name, next)
		}
		n = next
	}
}
