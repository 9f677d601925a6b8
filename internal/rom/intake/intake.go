// Package intake takes in a vendor's firmware: its partitions go into the blob store,
// and of their files, properties, apps and packaging a listing, by which layers see the
// stock without its images being read again. It builds nothing (package rom does) and
// knows no vendor's packaging itself (android/firmware does).
package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/firmware"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/filesystem"
	"github.com/fridayos/friday/internal/wire"
)

// Add takes in a vendor's firmware, in any packaging that package firmware
// reads: its partitions and the listing of their files go into blobs, the file
// itself does not. Checksums and hashes that the packaging has are compared. The
// vendor's signatures are not looked at, since nobody told us the vendor's key:
// the digest in device.yaml is what pins a stock. Temporary files lie in tmp.
func Add(ctx context.Context, blobs *blob.Store, f nest.File, codename, tmp string) (catalog.Stock, error) {
	s, err := add(ctx, blobs, f, codename, tmp)
	if err != nil {
		return catalog.Stock{}, fmt.Errorf("cannot add stock for %s: %w", codename, err)
	}
	return s, nil
}

func add(ctx context.Context, blobs *blob.Store, f nest.File, codename, tmp string) (catalog.Stock, error) {
	s := catalog.Stock{Device: codename}
	if !wire.IsCodename(codename) {
		return s, errors.New("that is no codename such as \"umi\"")
	}
	n := nest.New(nest.Options{TempDir: tmp})
	defer n.Close()
	fw, err := firmware.Open(ctx, n, f)
	if err != nil {
		return s, err
	}
	named := fw.Kind != firmware.RUU && len(fw.Devices) > 0 // HTC's firmware names models
	if named && !slices.Contains(fw.Devices, codename) {
		return s, fmt.Errorf("it says that it is for %q, expected %q", fw.Devices, codename)
	}
	if err := fw.Verify(ctx); err != nil {
		return s, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f.R, 0, f.Size)); err != nil {
		return s, err
	}
	s.Digest = blob.Digest(h.Sum(nil))
	x := &intake{blobs: blobs, view: osrepo.View{Index: &tree.Index{}, Props: map[string]osrepo.PropFile{}}}
	for _, p := range fw.Partitions {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		one, err := x.partition(ctx, p)
		if err != nil {
			return s, fmt.Errorf("partition %s: %w", p.Name, err)
		}
		s.Partitions = append(s.Partitions, one)
	}
	if err := x.facts(&s, named); err != nil {
		return s, err
	}
	ref, err := writeListing(ctx, blobs, x.view, Packaging{fw.Kind, fw.Packing})
	if err != nil {
		return s, err
	}
	s.Index = ref.Digest
	return s, nil
}

// intake collects what the partitions of one stock hold.
type intake struct {
	blobs *blob.Store
	view  osrepo.View
}

func (x *intake) partition(ctx context.Context, p firmware.Partition) (catalog.Partition, error) {
	one := catalog.Partition{Name: p.Name}
	w, err := x.blobs.Create(ctx)
	if err != nil {
		return one, err
	}
	defer w.Abort()
	if err := p.Copy(ctx, w); err != nil {
		return one, err
	}
	ref, err := w.Commit()
	if err != nil {
		return one, err
	}
	one.Digest, one.Size = ref.Digest, ref.Size
	b, err := x.blobs.OpenRef(ref)
	if err != nil {
		return one, err
	}
	defer b.Close()
	if one.FS = filesystem.KindOf(b); one.FS == "" {
		return one, nil
	}
	return one, Look(x.blobs, one, &x.view)
}

// checkContent refuses a file system whose files say to hold more than a phone
// does: many can share the same few blocks, and all of it is read, and written
// again at every build.
func checkContent(root *tree.Node) error {
	var total int64
	seen := map[*tree.Node]bool{}
	return tree.Walk(root, func(path string, n *tree.Node) error {
		if n.Type != tree.Regular || seen[n] {
			return nil
		}
		seen[n] = true
		if n.Size < 0 || n.Size > payload.MaxNewSize-total {
			return fmt.Errorf("%s: with it, the files have more than %d bytes", path, int64(payload.MaxNewSize))
		}
		total += n.Size
		return nil
	})
}

// PropFile finds the build.prop of a partition; nil if it has none.
func PropFile(root *tree.Node) (*osrepo.PropFile, error) {
	for _, p := range osrepo.PropPaths {
		n := root.Lookup(p)
		if n == nil || n.Type != tree.Regular {
			continue
		}
		if n.Size > buildprop.MaxSize {
			return nil, fmt.Errorf("%s has %d bytes, at most %d are expected", p, n.Size, buildprop.MaxSize)
		}
		text, err := io.ReadAll(n.Open())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		return &osrepo.PropFile{Path: p, Text: text}, nil
	}
	return nil, nil
}

// firstPatchLevel is the API level of Android 6, since when systems say their
// security patch level.
const firstPatchLevel = 23

// facts reads what names the stock from the build.prop of system.
// named says that the packaging said already that it is for the device.
func (x *intake) facts(s *catalog.Stock, named bool) error {
	f, ok := x.view.Props["system"]
	if !ok {
		return fmt.Errorf("there is no partition system with a build.prop in it; there are %q with one", slices.Sorted(maps.Keys(x.view.Props)))
	}
	props, err := buildprop.Parse(f.Text)
	if err != nil {
		return fmt.Errorf("system:%s: %w", f.Path, err)
	}
	get := func(keys ...string) string {
		for _, k := range keys {
			if v, ok := props.Get(k); ok && v != "" {
				return v
			}
		}
		return ""
	}
	number := func(keys ...string) int64 {
		n, e := strconv.ParseInt(get(keys...), 10, 64)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("system:%s: %s is %q, expected a number", f.Path, keys[0], get(keys...)))
		}
		return n
	}
	s.Fingerprint = get("ro.build.fingerprint", "ro.system.build.fingerprint")
	s.Incremental = get("ro.build.version.incremental", "ro.system.build.version.incremental")
	s.PatchLevel = get("ro.build.version.security_patch")
	s.Release = get("ro.build.version.release", "ro.system.build.version.release")
	s.SDK = int(number("ro.build.version.sdk", "ro.system.build.version.sdk"))
	s.Timestamp = number("ro.build.date.utc", "ro.system.build.date.utc")
	if err != nil {
		return err
	}
	if d := get("ro.product.device", "ro.product.system.device"); !named && d != s.Device {
		return fmt.Errorf("system:%s says that it is for %q, expected %q", f.Path, d, s.Device)
	}
	for name, v := range map[string]string{"ro.build.fingerprint": s.Fingerprint, "ro.build.version.incremental": s.Incremental, "ro.build.version.security_patch": s.PatchLevel} {
		if v == "" && (name != "ro.build.version.security_patch" || s.SDK >= firstPatchLevel) {
			return fmt.Errorf("system:%s does not say %s", f.Path, name)
		}
	}
	return nil
}
