package rom

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/mincrypt"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/filesystem"
	"github.com/fridayos/friday/internal/rom/intake"
)

const (
	labelXattr      = "security.selinux"
	capabilityXattr = "security.capability"
)

// fileSystem writes a partition anew with the plan applied.
func (b *builder) fileSystem(p catalog.Partition) error {
	r, err := b.source(p)
	if err != nil {
		return err
	}
	was, root, err := filesystem.Open(r, r.Size())
	if err != nil {
		return err
	}
	known := b.digests(p.Name, root)
	if err := b.change(p.Name, root); err != nil {
		return err
	}
	again, err := b.makeLaid(p, was, root, known, false)
	if again {
		_, err = b.makeLaid(p, was, root, known, true)
	}
	return err
}

// makeLaid lays out a partition and keeps it. again says that something of before had
// rotted, and that packed content which has is forgotten: afresh, that is packed anew,
// and nothing is taken from the image of the build before.
func (b *builder) makeLaid(p catalog.Partition, was filesystem.FileSystem, root *tree.Node, known map[*tree.Node]layout.Digest, afresh bool) (again bool, err error) {
	l, err := b.lay(p, was, root, known, afresh)
	if err != nil {
		return false, err
	}
	defer l.close()
	err = b.keepLaid(p, l)
	if !errors.Is(err, avb.ErrMismatch) || afresh {
		return false, err
	}
	again = l.base != nil // which may be what has rotted
	if l.memory != nil {
		found, e := l.memory.Mend()
		again, err = again || found, errors.Join(err, e)
	}
	return again, err
}

// verified says whether the phone has Verified Boot 2.0: its stock has a vbmeta.
func (b *builder) verified() bool {
	_, ok := b.stock["vbmeta"]
	return ok
}

// change applies the plan to a partition's tree and notes who owns what.
func (b *builder) change(partition string, root *tree.Node) error {
	for _, r := range slices.Backward(b.plan.Removed) { // what a folder holds before the folder
		if r.Partition != partition {
			continue
		}
		if parent := root.Lookup(dirOf(r.Path)); parent == nil || !parent.Remove(path.Base(r.Path)) {
			return fmt.Errorf("%s is to be removed by layer %s, but the image does not have it; add the stock again", r.Path, r.Layer)
		}
		b.report.Removed[partition+":"+r.Path] = r.Layer
	}
	owners := map[string]string{}
	nul := endsInNUL(root)
	for _, w := range b.plan.Placed {
		if w.Partition != partition {
			continue
		}
		if err := b.place(root, w, nul); err != nil {
			return fmt.Errorf("layer %s: %s: %w", w.Layer, w.Path, err)
		}
		owners[w.Path] = w.Layer
	}
	if partition == "system" {
		if err := b.policy(root, owners); err != nil {
			return err
		}
	}
	changed, err := b.properties(partition, root)
	if err != nil {
		return err
	}
	if changed != "" {
		owners[changed] = Friday
	}
	for _, p := range b.places[partition] {
		if err := b.certificates(root, p); err != nil {
			return err
		}
		owners[p] = Friday
	}
	return tree.Walk(root, func(p string, _ *tree.Node) error {
		b.report.Owners[partition+":"+p] = cmp.Or(owners[p], Stock)
		return nil
	})
}

func dirOf(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

// endsInNUL says how the stock writes its labels: Android's tools put a NUL
// behind them.
func endsInNUL(root *tree.Node) bool {
	v, ok := root.Xattr(labelXattr)
	return !ok || bytes.HasSuffix(v, []byte{0})
}

// place writes one path of a layer. A new node takes the place of the old one,
// whose other names, if it was a hard link, keep what they had.
func (b *builder) place(root *tree.Node, w osrepo.Placed, nul bool) error {
	parent := root.Lookup(dirOf(w.Path))
	if parent == nil || parent.Type != tree.Directory {
		return errors.New("its folder is not in the image; add the stock again")
	}
	n := &tree.Node{Type: w.Type, Perm: w.Perm, UID: w.UID, GID: w.GID, MTime: b.time}
	if old := parent.Entry(path.Base(w.Path)); w.Replaces && old != nil {
		n.Xattrs = slices.Clone(old.Xattrs)
	}
	if w.Label != "" {
		label := []byte(w.Label)
		if nul {
			label = append(label, 0)
		}
		n.SetXattr(labelXattr, label)
	}
	if w.Capability != nil {
		n.SetXattr(capabilityXattr, w.Capability)
	}
	switch w.Type {
	case tree.Symlink:
		target, err := w.File.ReadLink()
		if err != nil {
			return err
		}
		n.Target = target
	case tree.Regular:
		if w.Overlay != nil {
			if err := b.overlay(n, w.Overlay); err != nil {
				return err
			}
			break
		}
		ref, err := b.take(w.File)
		if err != nil {
			return err
		}
		if n.Size = ref.Size; n.Size > 0 {
			n.Content = stored{b.in.Blobs, ref}
		}
	}
	parent.Set(path.Base(w.Path), n)
	return nil
}

// take copies a committed file into the store, once for all builds.
func (b *builder) take(f *osrepo.File) (blob.Ref, error) {
	return b.in.Blobs.Cached(b.ctx, "git blob "+f.Digest, func(w io.Writer) error {
		r, err := f.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
}

// stored reads a blob without keeping it open: a layer may add more files than a
// process may have open.
type stored struct {
	blobs *blob.Store
	ref   blob.Ref
}

func (s stored) ReadAt(p []byte, off int64) (int, error) {
	r, err := s.blobs.OpenRef(s.ref)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return r.ReadAt(p, off)
}

// rewrite gives a path other content and our time, and keeps the rest.
func (b *builder) rewrite(root *tree.Node, p string, content []byte) {
	parent := root.Lookup(dirOf(p))
	n := *parent.Entry(path.Base(p))
	n.Xattrs = slices.Clone(n.Xattrs)
	n.Size, n.Content, n.Extents = int64(len(content)), nil, nil
	if len(content) > 0 {
		n.Content = bytes.NewReader(content)
	}
	n.MTime, n.MTimeNsec = b.time, 0
	parent.Set(path.Base(p), &n)
}

// certificates puts our otacerts.zip, or list of keys, in the place of the vendor's.
func (b *builder) certificates(root *tree.Node, p string) error {
	n := root.Lookup(p)
	if n == nil || n.Type != tree.Regular {
		return fmt.Errorf("the boot profile has the update certificates at %s, but stock has no such file", p)
	}
	zip, err := isZip(n)
	if err != nil {
		return err
	}
	if zip {
		b.rewrite(root, p, b.certs)
		return nil
	}
	keys, err := b.recoveryKeys()
	if err != nil {
		return err
	}
	have := make([]byte, min(n.Size, mincrypt.MaxText+1))
	if len(have) > 0 {
		if err := tree.ReadFull(n.Content, have, 0); err != nil {
			return err
		}
	}
	if _, err := mincrypt.ParseKeys(have); err != nil {
		return fmt.Errorf("%s is neither an otacerts.zip nor a list of keys: %w", p, err)
	}
	b.rewrite(root, p, keys)
	return nil
}

// properties edits the partition's build.prop, if there is anything to edit, and
// returns its path.
func (b *builder) properties(partition string, root *tree.Node) (string, error) {
	edits := slices.DeleteFunc(slices.Clone(b.plan.Props), func(e osrepo.PropEdit) bool { return e.Partition != partition })
	if len(edits) == 0 && partition != "system" {
		return "", nil
	}
	f, err := intake.PropFile(root)
	if err != nil {
		return "", err
	}
	if f == nil {
		return "", fmt.Errorf("there is no build.prop, expected one of %q", osrepo.PropPaths)
	}
	props, err := buildprop.Parse(f.Text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Path, err)
	}
	for _, e := range edits {
		if err := b.edit(props, e); err != nil {
			return "", fmt.Errorf("layer %s: %s: %w", e.Layer, f.Path, err)
		}
		b.report.Properties[partition+":"+e.Key] = e.Layer
	}
	if partition == "system" {
		if err := b.ours(props); err != nil {
			return "", fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	b.rewrite(root, f.Path, props.Bytes())
	return f.Path, nil
}

func (b *builder) edit(props *buildprop.File, e osrepo.PropEdit) error {
	value, err := osrepo.Expand(e.Value, b.values)
	if err != nil {
		return err
	}
	switch e.Op {
	case osrepo.PropSet:
		return props.Set(e.Key, value)
	case osrepo.PropAppend:
		have, _ := props.Get(e.Key)
		return props.Set(e.Key, have+value)
	default:
		props.Delete(e.Key)
		return nil
	}
}

// ours sets what Friday itself says, and reads the facts that name the build.
func (b *builder) ours(props *buildprop.File) error {
	when := time.Unix(b.time, 0).UTC()
	for _, p := range [][2]string{
		{"ro.build.version.incremental", b.in.Version},
		{"ro.build.date", when.Format("Mon Jan _2 15:04:05 UTC 2006")},
		{"ro.build.date.utc", strconv.FormatInt(b.time, 10)},
		{"ro.friday.version", b.in.Version},
		{"ro.friday.channel", b.plan.OS.Channel},
		{"ro.friday.update_url", b.plan.OS.UpdateURL},
	} {
		if err := props.Set(p[0], p[1]); err != nil {
			return err
		}
		b.report.Properties["system:"+p[0]] = Friday
	}
	b.facts.Fingerprint, _ = props.Get("ro.build.fingerprint")
	b.facts.Fingerprint = cmp.Or(b.facts.Fingerprint, b.in.Stock.Fingerprint)
	b.patchLevel, _ = props.Get("ro.build.version.security_patch")
	b.patchLevel = cmp.Or(b.patchLevel, b.in.Stock.PatchLevel)
	b.facts.SDK = b.in.Stock.SDK
	return nil
}

// isZip tells otacerts.zip from other lists of keys.
func isZip(n *tree.Node) (bool, error) {
	if n.Size < 4 {
		return false, nil
	}
	var b [4]byte
	err := tree.ReadFull(n.Content, b[:], 0)
	return strings.HasPrefix(string(b[:]), "PK"), err
}
