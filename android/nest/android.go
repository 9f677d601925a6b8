package nest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
)

// Formats are the openers that this package brings, in the order in which they
// are asked.
func Formats() []Format {
	out := []Format{
		// Blocks that a transfer list puts in their places: what they begin with says
		// nothing of the rest.
		{"new-data", func(f File, _ []byte) bool {
			return strings.HasSuffix(f.Name, ".new.dat") || strings.HasSuffix(f.Name, ".patch.dat")
		}, func(context.Context, *Nest, File) (*Opened, error) { return &Opened{}, nil }},
		{"zip", isZip, openZip},
		{"payload", func(_ File, h []byte) bool { return isOne(h, "CrAU") }, openPayload},
		{"sparse", func(_ File, h []byte) bool { return len(h) >= 28 && binary.LittleEndian.Uint32(h) == sparse.Magic }, openSparse},
		{"boot", func(_ File, h []byte) bool { return isOne(h, "ANDROID!", "VNDRBOOT") }, openBoot},
		{"vbmeta", func(_ File, h []byte) bool { return isOne(h, "AVB0") }, openVBMeta},
		{"super", isSuper, openSuper},
		{"erofs", func(_ File, h []byte) bool {
			return len(h) >= 1152 && binary.LittleEndian.Uint32(h[1024:]) == 0xE0F5E1E2
		}, openErofs},
		{"ext4", func(_ File, h []byte) bool { return len(h) >= 2048 && binary.LittleEndian.Uint16(h[1080:]) == 0xef53 }, openExt4},
		{"cpio", isCPIO, openCPIO},
		{"tar", isTar, openTar},
	}
	return append(append(out, vendors()...), compressions()...)
}

// openSparse is a wrapping. Parts that lie beside the first are taken with it.
func openSparse(_ context.Context, _ *Nest, f File) (*Opened, error) {
	im, err := sparse.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	parts := []*sparse.Image{im}
	name := f.Name
	if stem, ok := strings.CutSuffix(f.Name, "sparsechunk.0"); ok && f.Sibling != nil {
		name = strings.TrimRight(stem, "_.")
		for i := 1; i <= 1000; i++ {
			s, ok := f.Sibling(fmt.Sprintf("%ssparsechunk.%d", stem, i))
			if !ok {
				break
			}
			next, err := sparse.Open(s.R, s.Size)
			if err != nil {
				return nil, fmt.Errorf("part %d: %w", i, err)
			}
			parts = append(parts, next)
		}
	}
	whole, err := sparse.Join(parts...)
	if err != nil {
		return nil, err
	}
	i := whole.Info()
	o := &Opened{
		Facts: map[string]any{"files": i.Files, "block_size": i.BlockSize, "chunks": i.Chunks, "raw": i.Raw, "fill": i.Fill, "dont_care": i.DontCare, "checksums": i.Checksums},
		Inner: &File{Name: name, R: whole, Size: whole.Size(), Sibling: f.Sibling},
	}
	if i.Tail > 0 {
		o.Problems = append(o.Problems, fmt.Sprintf("byte %d: %d bytes follow the last chunk that nothing accounts for", f.Size-im.Info().Tail, i.Tail))
	}
	o.Verify = func(ctx context.Context, report func(string, error)) error {
		report("sparse: the chunks account for every block", nil) // or Open had failed
		for k, p := range parts {
			n, err := p.Verify(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if n > 0 || err != nil {
				report(fmt.Sprintf("sparse: CRC-32 of file %d", k), err)
			}
		}
		return nil
	}
	return o, nil
}

func isSuper(_ File, h []byte) bool {
	return isOne(h, "gDla") || len(h) >= 4148 && isOne(h[4096:], "gDla")
}

// openSuper shows the partitions of the first slot that can be read, and those
// of the others where they differ.
func openSuper(_ context.Context, _ *Nest, f File) (*Opened, error) {
	s, err := super.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	o := &Opened{Root: tree.NewDir(0o755, 0, 0), Problems: s.Problems, Facts: map[string]any{
		"slots": s.Geometry.Slots, "metadata_max_size": s.Geometry.MetadataMaxSize, "block_size": s.Geometry.BlockSize,
	}}
	if s.Empty {
		o.Format = "super-empty"
	}
	o.Verify = func(_ context.Context, report func(string, error)) error {
		if len(s.Problems) == 0 { // else each was reported as such
			report("super: SHA-256 of every copy of the metadata, extents that do not overlap", nil)
		}
		return nil
	}
	if i := slices.IndexFunc(s.Slots, func(m *super.Metadata) bool { return m != nil }); i >= 0 && !s.Empty && len(s.Slots[i].Devices) > 0 {
		addTail(f, o, int64(min(s.Slots[i].Devices[0].Size, 1<<62)), "block device that its metadata describes")
	}
	first := -1
	for slot, m := range s.Slots {
		if m == nil {
			continue
		}
		dir := o.Root
		if first >= 0 {
			if same(s.Slots[first], m) {
				continue
			}
			dir = tree.NewDir(0o755, 0, 0)
			o.Root.Set(fmt.Sprintf("slot-%d", slot), dir)
		} else {
			first = slot
			superFacts(o.Facts, m)
		}
		for i := range m.Partitions {
			p := &m.Partitions[i]
			if tree.ValidName(p.Name) != nil || dir.Entry(p.Name) != nil {
				continue // a problem that super names
			}
			n := &tree.Node{Perm: 0o600, Size: p.Size()}
			if s.Empty {
				n.Size = 0
			}
			if n.Size > 0 {
				if im, err := s.Contents(slot, p.Name); err != nil {
					if elsewhere(p) {
						err = fmt.Errorf("%w: %w", ErrAbsent, err)
					}
					n.Content = unreadable{err}
				} else {
					n.Content = im
				}
			}
			dir.Set(p.Name, n)
		}
	}
	return o, nil
}

// elsewhere says whether a part of a partition lies on another block device.
func elsewhere(p *super.Partition) bool {
	return slices.ContainsFunc(p.Extents, func(e super.Extent) bool { return !e.Zero && e.Device > 0 })
}

func superFacts(facts map[string]any, m *super.Metadata) {
	facts["version"] = fmt.Sprintf("10.%d", m.Minor)
	facts["virtual_ab"] = m.Flags&super.VirtualAB != 0
	groups, devices, partitions := map[string]any{}, []any{}, map[string]any{}
	for _, g := range m.Groups {
		groups[g.Name] = g.MaxSize
	}
	for _, d := range m.Devices {
		devices = append(devices, map[string]any{"name": d.Name, "size": d.Size})
	}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		partitions[p.Name] = map[string]any{"size": p.Size(), "group": m.Groups[p.Group].Name, "extents": len(p.Extents)}
	}
	facts["groups"], facts["devices"], facts["partitions"] = groups, devices, partitions
}

// same says whether two slots name the same partitions at the same places.
func same(a, b *super.Metadata) bool {
	if len(a.Partitions) != len(b.Partitions) {
		return false
	}
	for i := range a.Partitions {
		p, q := &a.Partitions[i], &b.Partitions[i]
		if p.Name != q.Name || len(p.Extents) != len(q.Extents) {
			return false
		}
		for k := range p.Extents {
			if p.Extents[k] != q.Extents[k] {
				return false
			}
		}
	}
	return true
}

// unreadable is content that cannot be had, and why.
type unreadable struct{ err error }

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.err }

func openErofs(_ context.Context, _ *Nest, f File) (*Opened, error) {
	im, err := erofs.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	i := im.Info()
	o := &Opened{Files: true, Facts: map[string]any{
		"uuid": uuidText(i.UUID), "built": timeText(i.BuildTime), "block_size": i.BlockSize, "used": i.Size, "inodes": i.Inodes, "features": i.Features,
	}}
	set(o.Facts, "volume", i.VolumeName)
	if o.Root, err = im.Tree(); err != nil {
		return nil, err
	}
	return o, fileSystem(f, o, i.Size)
}

func openExt4(_ context.Context, _ *Nest, f File) (*Opened, error) {
	im, err := ext4.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	i := im.Info()
	o := &Opened{Files: true, Facts: map[string]any{
		"uuid": uuidText(i.UUID), "built": timeText(i.Made), "block_size": i.BlockSize, "used": i.Size, "inodes": i.Inodes, "features": i.Features,
	}}
	set(o.Facts, "volume", i.VolumeName)
	set(o.Facts, "last_mounted", i.LastMounted)
	if i.NeedsRecovery {
		o.Problems = append(o.Problems, "its journal was not replayed: what is read may be torn")
	}
	if o.Root, err = im.Tree(); err != nil {
		return nil, err
	}
	return o, fileSystem(f, o, i.Size)
}

// fileSystem adds what an Android system says of itself, and what follows the
// file system, which has used bytes.
func fileSystem(f File, o *Opened, used int64) error {
	files, bytes := 0, int64(0)
	seen := map[*tree.Node]bool{}
	if err := tree.Walk(o.Root, func(_ string, n *tree.Node) error {
		if !seen[n] {
			files, bytes = files+1, bytes+n.Size
		}
		seen[n] = true
		return nil
	}); err != nil {
		return err
	}
	o.Facts["files"], o.Facts["content"] = files, bytes
	for _, path := range []string{"system/build.prop", "build.prop", "etc/build.prop", "odm/etc/build.prop"} {
		if n := o.Root.Lookup(path); n != nil && n.Type == tree.Regular && n.Size <= buildprop.MaxSize {
			propFacts(o.Facts, n)
			break
		}
	}
	addAVB(f, o)
	addTail(f, o, used, "file system")
	return nil
}

// tails are what is known to follow images, beside verity: the signatures of Android 7
// and older, and Samsung's mark.
var tails = map[string]string{
	"\x30\x82":         "signature of Verified Boot 1",
	"SEANDROIDENFORCE": "mark of Samsung",
	"QCDT":             "device trees of Qualcomm",
}

// addTail names what follows an image of size bytes, where no AVB footer accounts
// for it. Zeros are nothing; what follows more than a MiB of them is not looked for.
func addTail(f File, o *Opened, size int64, of string) {
	if o.Facts["avb"] != nil || size >= f.Size || o.Root != nil && verity(f, o, size) {
		return
	}
	b := make([]byte, min(f.Size-size, 1<<20))
	if tree.ReadFull(f.R, b, size) != nil {
		return // who reads it will say so
	}
	zeros := len(b) - len(bytes.TrimLeft(b, "\x00"))
	if zeros == len(b) {
		return
	}
	for begins, what := range tails {
		if bytes.HasPrefix(b[zeros:], []byte(begins)) {
			o.Facts["followed_by"] = what
			signedBoot(f, o, size+int64(zeros), b[zeros:])
			return
		}
	}
	at := size + int64(zeros)
	o.Problems = append(o.Problems, fmt.Sprintf("byte %d: %d bytes follow the %s that nothing accounts for: %s", at, f.Size-at, of, magic(b[zeros:])))
}

func propFacts(facts map[string]any, n *tree.Node) {
	b, err := io.ReadAll(n.Open())
	if err != nil {
		return
	}
	p, err := buildprop.Parse(b)
	if err != nil {
		return
	}
	for fact, keys := range map[string][]string{
		"fingerprint":    {"ro.build.fingerprint", "ro.system.build.fingerprint", "ro.vendor.build.fingerprint", "ro.product.build.fingerprint", "ro.odm.build.fingerprint"},
		"device":         {"ro.product.device", "ro.product.system.device", "ro.product.vendor.device", "ro.build.product"},
		"model":          {"ro.product.model", "ro.product.system.model", "ro.product.vendor.model"},
		"android":        {"ro.build.version.release", "ro.system.build.version.release", "ro.vendor.build.version.release"},
		"security_patch": {"ro.build.version.security_patch", "ro.vendor.build.security_patch"},
		"build":          {"ro.build.display.id", "ro.build.id"},
	} {
		for _, k := range keys {
			if v, ok := p.Get(k); ok && v != "" && facts[fact] == nil {
				facts[fact] = v
			}
		}
	}
}

func uuidText(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func timeText(sec int64) string {
	t := time.Unix(sec, 0).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return fmt.Sprint(sec)
	}
	return t.Format(time.RFC3339)
}

// openBoot shows the sections of a boot image.
func openBoot(_ context.Context, _ *Nest, f File) (*Opened, error) {
	im, err := bootimg.Parse(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	o := &Opened{Root: tree.NewDir(0o755, 0, 0), Facts: map[string]any{"header_version": im.HeaderVersion, "page_size": im.PageSize, "cmdline": im.Cmdline}}
	if im.Vendor {
		o.Format = "vendor-boot"
	}
	set(o.Facts, "name", im.Name)
	if im.OSVersion != (bootimg.OSVersion{}) {
		o.Facts["os_version"], o.Facts["os_patch_level"] = im.OSVersion.String(), im.OSPatchLevel.String()
	}
	// Where a section lies is where it is in the order of the format; it is then
	// read from there, so that an opened image holds none of it.
	page := int64(im.PageSize)
	if page == 0 {
		page = 4096
	}
	header := page
	if im.Vendor {
		header = (map[uint32]int64{3: 2112, 4: 2128}[im.HeaderVersion] + page - 1) / page * page
	}
	at := header
	add := func(name string, b []byte) {
		if len(b) == 0 {
			return
		}
		n := &tree.Node{Perm: 0o644, Size: int64(len(b)), Content: bytes.NewReader(b)}
		if liesAt(f, at, b) {
			n.Content = io.NewSectionReader(f.R, at, n.Size)
		}
		at += int64(len(b))
		o.Root.Set(name, n)
	}
	align := func() { at = (at + page - 1) / page * page }
	for _, s := range []struct {
		name string
		b    []byte
	}{{"kernel", im.Kernel}, {"ramdisk", im.Ramdisk}, {"second", im.Second}, {"dt", im.DT}, {"recovery_dtbo", im.RecoveryDTBO}, {"signature", im.Signature}} {
		add(s.name, s.b)
		align()
	}
	for i, r := range im.VendorRamdisks {
		name := r.Name
		if tree.ValidName(name) != nil || o.Root.Entry("ramdisk-"+name) != nil {
			name = fmt.Sprint(i)
		}
		add("ramdisk-"+name, r.Data)
	}
	align()
	add("dtb", im.DTB)
	add("bootconfig", im.Bootconfig)
	addAVB(f, o)
	if im.Tail != nil {
		addTail(f, o, f.Size-im.Tail.Size(), "boot image")
	}
	return o, nil
}

// liesAt says whether the file has these bytes there.
func liesAt(f File, at int64, b []byte) bool {
	buf := make([]byte, min(len(b), 64<<10))
	for off := 0; off < len(b); off += len(buf) {
		part := buf[:min(len(buf), len(b)-off)]
		if at+int64(off+len(part)) > f.Size || tree.ReadFull(f.R, part, at+int64(off)) != nil || !bytes.Equal(part, b[off:off+len(part)]) {
			return false
		}
	}
	return true
}
