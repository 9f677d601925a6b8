package editing

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/apk/overlay"
	"github.com/fridayos/friday/android/apk/pack"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

// overlay makes the APK of a resource overlay, signed with the key of the OS's
// updates, as AOSP's release key signs both.
func (x *Editor) overlay(n *tree.Node, o *overlay.Overlay) error {
	key, ok := x.Key.(*rsa.PrivateKey)
	if !ok {
		return fmt.Errorf("the key that signs overlays is a %T, expected an RSA key", x.Key)
	}
	files, err := o.Files()
	if err != nil {
		return err
	}
	content, err := pack.Signed(files, key, x.Cert)
	if err != nil {
		return err
	}
	n.Size, n.Content = int64(len(content)), bytes.NewReader(content)
	return nil
}

// Apps are those that layers bring, overlays with them, as the report lists them.
func (x *Editor) Apps() []osrepo.PlannedApp {
	out := slices.Clone(x.Plan.Apps)
	for _, o := range x.Plan.Overlays {
		out = append(out, osrepo.PlannedApp{
			Layer: o.Layer, Partition: o.Partition, Path: o.Path, Package: o.Overlay.Package,
			VersionCode: int64(o.Overlay.VersionCode), VersionName: o.Overlay.VersionName,
			Signer: fmt.Sprintf("%x", sha256.Sum256(x.Cert.Raw)), Scheme: 3, Overlay: o.Overlay.Target,
		})
	}
	slices.SortStableFunc(out, func(x, y osrepo.PlannedApp) int {
		return cmp.Or(strings.Compare(x.Partition, y.Partition), strings.Compare(x.Path, y.Path))
	})
	return out
}
