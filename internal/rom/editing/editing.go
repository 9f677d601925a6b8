// Package editing changes the files of the stock's partitions as a plan of layers says:
// what goes, what is added, properties, policy, overlays, ramdisks, and what Friday itself
// writes. It works on trees (tree.Node) and notes in the report who owns what; it reads
// and makes no images (package rom does), and it checks no layers (osrepo/layering has).
package editing

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/mincrypt"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
)

const (
	labelXattr      = "security.selinux"
	capabilityXattr = "security.capability"
)

// Editor applies what a plan says to the trees of one device's partitions.
type Editor struct {
	Context context.Context
	Plan    *osrepo.Plan
	View    osrepo.View // of the stock
	Blobs   *blob.Store
	Version string            // of the build
	Values  map[string]string // of variables
	Time    int64             // of all that is written, in seconds since 1970
	// Places are where each partition has the update certificates.
	Places map[string][]string
	Certs  []byte            // otacerts.zip, with Cert alone
	Cert   *x509.Certificate // of updates
	Key    crypto.Signer     // Cert's, which signs overlays; RSA, or nil where no layer brings one
	Report *report.Report    // to which it adds what it did

	// Fingerprint and PatchLevel are what build.prop says, once system was changed; of
	// either that it does not say: "".
	Fingerprint, PatchLevel string
}

// Change applies the plan to a partition's tree and notes who owns what.
func (x *Editor) Change(partition string, root *tree.Node) error {
	for _, r := range slices.Backward(x.Plan.Removed) { // what a folder holds before the folder
		if r.Partition != partition {
			continue
		}
		if parent := root.Lookup(dirOf(r.Path)); parent == nil || !parent.Remove(path.Base(r.Path)) {
			return fmt.Errorf("%s is to be removed by layer %s, but the image does not have it; add the stock again", r.Path, r.Layer)
		}
		x.Report.Removed[partition+":"+r.Path] = r.Layer
	}
	owners := map[string]string{}
	nul := endsInNUL(root)
	for _, w := range x.Plan.Placed {
		if w.Partition != partition {
			continue
		}
		if err := x.place(root, w, nul); err != nil {
			return fmt.Errorf("layer %s: %s: %w", w.Layer, w.Path, err)
		}
		owners[w.Path] = w.Layer
	}
	if partition == "system" {
		if err := x.policy(root, owners); err != nil {
			return err
		}
	}
	changed, err := x.properties(partition, root)
	if err != nil {
		return err
	}
	if changed != "" {
		owners[changed] = report.Friday
	}
	for _, p := range x.Places[partition] {
		if err := x.Certificates(root, p); err != nil {
			return err
		}
		owners[p] = report.Friday
	}
	return tree.Walk(root, func(p string, _ *tree.Node) error {
		x.Report.Owners[partition+":"+p] = cmp.Or(owners[p], report.Stock)
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
func (x *Editor) place(root *tree.Node, w osrepo.Placed, nul bool) error {
	parent := root.Lookup(dirOf(w.Path))
	if parent == nil || parent.Type != tree.Directory {
		return errors.New("its folder is not in the image; add the stock again")
	}
	n := &tree.Node{Type: w.Type, Perm: w.Perm, UID: w.UID, GID: w.GID, MTime: x.Time}
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
			if err := x.overlay(n, w.Overlay); err != nil {
				return err
			}
			break
		}
		ref, err := x.take(w.File)
		if err != nil {
			return err
		}
		if n.Size = ref.Size; n.Size > 0 {
			n.Content = Stored{x.Blobs, ref}
		}
	}
	parent.Set(path.Base(w.Path), n)
	return nil
}

// take copies a committed file into the store, once for all builds.
func (x *Editor) take(f *osrepo.File) (blob.Ref, error) {
	return x.Blobs.Cached(x.Context, "git blob "+f.Digest, func(w io.Writer) error {
		r, err := f.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
}

// Stored reads a blob without keeping it open: a layer may add more files than a
// process may have open.
type Stored struct {
	blobs *blob.Store
	Ref   blob.Ref
}

func (s Stored) ReadAt(p []byte, off int64) (int, error) {
	r, err := s.blobs.OpenRef(s.Ref)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return r.ReadAt(p, off)
}

// Rewrite gives a path other content and our time, and keeps the rest.
func (x *Editor) Rewrite(root *tree.Node, p string, content []byte) {
	parent := root.Lookup(dirOf(p))
	n := *parent.Entry(path.Base(p))
	n.Xattrs = slices.Clone(n.Xattrs)
	n.Size, n.Content, n.Extents = int64(len(content)), nil, nil
	if len(content) > 0 {
		n.Content = bytes.NewReader(content)
	}
	n.MTime, n.MTimeNsec = x.Time, 0
	parent.Set(path.Base(p), &n)
}

// Certificates puts our otacerts.zip, or list of keys, in the place of the vendor's.
func (x *Editor) Certificates(root *tree.Node, p string) error {
	n := root.Lookup(p)
	if n == nil || n.Type != tree.Regular {
		return fmt.Errorf("the boot profile has the update certificates at %s, but stock has no such file", p)
	}
	zip, err := isZip(n)
	if err != nil {
		return err
	}
	if zip {
		x.Rewrite(root, p, x.Certs)
		return nil
	}
	keys, err := x.recoveryKeys()
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
	x.Rewrite(root, p, keys)
	return nil
}

// properties edits the partition's build.prop, if there is anything to edit, and
// returns its path.
func (x *Editor) properties(partition string, root *tree.Node) (string, error) {
	edits := slices.DeleteFunc(slices.Clone(x.Plan.Props), func(e osrepo.PropEdit) bool { return e.Partition != partition })
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
		if err := x.edit(props, e); err != nil {
			return "", fmt.Errorf("layer %s: %s: %w", e.Layer, f.Path, err)
		}
		x.Report.Properties[partition+":"+e.Key] = e.Layer
	}
	if partition == "system" {
		if err := x.ours(props); err != nil {
			return "", fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	x.Rewrite(root, f.Path, props.Bytes())
	return f.Path, nil
}

func (x *Editor) edit(props *buildprop.File, e osrepo.PropEdit) error {
	value, err := osrepo.Expand(e.Value, x.Values)
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
func (x *Editor) ours(props *buildprop.File) error {
	when := time.Unix(x.Time, 0).UTC()
	for _, p := range [][2]string{
		{"ro.build.version.incremental", x.Version},
		{"ro.build.date", when.Format("Mon Jan _2 15:04:05 UTC 2006")},
		{"ro.build.date.utc", strconv.FormatInt(x.Time, 10)},
		{"ro.friday.version", x.Version},
		{"ro.friday.channel", x.Plan.OS.Channel},
		{"ro.friday.update_url", x.Plan.OS.UpdateURL},
	} {
		if err := props.Set(p[0], p[1]); err != nil {
			return err
		}
		x.Report.Properties["system:"+p[0]] = report.Friday
	}
	x.Fingerprint, _ = props.Get("ro.build.fingerprint")
	x.PatchLevel, _ = props.Get("ro.build.version.security_patch")
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

// RecoveryKeys is where recovery up to Android 9 has whose updates it takes.
const RecoveryKeys = "res/keys"

// recoveryKeys writes the update certificate as /res/keys has it.
func (x *Editor) recoveryKeys() ([]byte, error) {
	switch x.Cert.PublicKey.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
		return mincrypt.WriteKeys([]mincrypt.Key{{Public: x.Cert.PublicKey, Hash: crypto.SHA256}})
	}
	return nil, fmt.Errorf("cannot write %s: the update certificate has a key of %v, expected RSA or ECDSA", RecoveryKeys, x.Cert.PublicKeyAlgorithm)
}
