package rom

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/wire"
)

// AddStock takes in a vendor's full A/B OTA zip: its partitions and the listing
// of their files go into blobs, the zip itself does not. The vendor's signatures
// are not looked at, since nobody told us the vendor's key: the digest in
// device.yaml is what pins a stock. The payload's own hashes are.
func AddStock(ctx context.Context, blobs *blob.Store, r io.ReaderAt, size int64, codename string) (catalog.Stock, error) {
	s, err := addStock(ctx, blobs, r, size, codename)
	if err != nil {
		return catalog.Stock{}, fmt.Errorf("cannot add stock for %s: %w", codename, err)
	}
	return s, nil
}

func addStock(ctx context.Context, blobs *blob.Store, r io.ReaderAt, size int64, codename string) (catalog.Stock, error) {
	s := catalog.Stock{Device: codename}
	if !wire.IsCodename(codename) {
		return s, errors.New("that is no codename such as \"umi\"")
	}
	z, err := otazip.Open(r, size)
	if err != nil {
		return s, err
	}
	meta, err := z.Metadata()
	if err != nil {
		return s, err
	}
	if len(meta.PreDevice) > 0 && !slices.Contains(meta.PreDevice, codename) {
		return s, fmt.Errorf("its metadata says that it is for %q, expected %q", meta.PreDevice, codename)
	}
	section, err := z.Payload()
	if err != nil {
		return s, err
	}
	p, err := payload.Open(section, section.Size())
	if err != nil {
		return s, err
	}
	if m := p.Manifest(); m.MinorVersion != 0 || m.Partial {
		return s, fmt.Errorf("its payload is incremental (minor version %d, partial %v), expected a full one", m.MinorVersion, m.Partial)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return s, err
	}
	s.Digest = blob.Digest(h.Sum(nil))
	x := &intake{blobs: blobs, props: map[string]osrepo.PropFile{}}
	for _, part := range p.Manifest().Partitions {
		one, err := x.partition(ctx, p, part.Name)
		if err != nil {
			return s, fmt.Errorf("partition %s: %w", part.Name, err)
		}
		s.Partitions = append(s.Partitions, one)
	}
	slices.SortFunc(s.Partitions, func(a, b catalog.Partition) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if err := x.facts(&s, meta); err != nil {
		return s, err
	}
	ref, err := writeListing(ctx, blobs, &x.index, x.props)
	if err != nil {
		return s, err
	}
	s.Index = ref.Digest
	return s, nil
}

// intake collects what the partitions of one stock hold.
type intake struct {
	blobs *blob.Store
	index tree.Index
	props map[string]osrepo.PropFile
}

func (x *intake) partition(ctx context.Context, p *payload.Payload, name string) (catalog.Partition, error) {
	one := catalog.Partition{Name: name}
	w, err := x.blobs.Create(ctx)
	if err != nil {
		return one, err
	}
	defer w.Abort()
	if err := p.Apply(ctx, name, nil, w, payload.ApplyOptions{}); err != nil {
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
	if !isEROFS(b) {
		return one, nil
	}
	one.FS = "erofs"
	im, err := erofs.Open(b, b.Size())
	if err != nil {
		return one, err
	}
	root, err := im.Tree()
	if err != nil {
		return one, err
	}
	if err := checkContent(root); err != nil {
		return one, err
	}
	entries, err := tree.IndexOf(name, root)
	if err != nil {
		return one, err
	}
	x.index.Add(entries...)
	f, err := propFile(root)
	if err != nil || f == nil {
		return one, err
	}
	x.props[name] = *f
	return one, nil
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

// isEROFS looks for the magic number where the superblock has it.
func isEROFS(r io.ReaderAt) bool {
	var magic [4]byte
	_, err := r.ReadAt(magic[:], 1024)
	return err == nil && binary.LittleEndian.Uint32(magic[:]) == 0xe0f5e1e2
}

// propFile finds the build.prop of a partition; nil if it has none.
func propFile(root *tree.Node) (*osrepo.PropFile, error) {
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

// facts reads what names the stock from the build.prop of system.
func (x *intake) facts(s *catalog.Stock, meta otazip.Metadata) error {
	f, ok := x.props["system"]
	if !ok {
		return fmt.Errorf("there is no partition system with a build.prop in it; there are %q with one", slices.Sorted(maps.Keys(x.props)))
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
	if d := get("ro.product.device", "ro.product.system.device"); len(meta.PreDevice) == 0 && d != s.Device {
		return fmt.Errorf("system:%s says that it is for %q, expected %q", f.Path, d, s.Device)
	}
	for name, v := range map[string]string{"ro.build.fingerprint": s.Fingerprint, "ro.build.version.incremental": s.Incremental, "ro.build.version.security_patch": s.PatchLevel} {
		if v == "" {
			return fmt.Errorf("system:%s does not say %s", f.Path, name)
		}
	}
	return nil
}
