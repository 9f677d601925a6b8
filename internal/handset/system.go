package handset

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
)

// System is what a running system says of itself in its properties.
type System struct {
	Device      string `json:"device"`      // ro.product.device
	Fingerprint string `json:"fingerprint"` // ro.build.fingerprint
	Incremental string `json:"incremental"` // ro.build.version.incremental
	Timestamp   int64  `json:"timestamp"`   // ro.build.date.utc
	PatchLevel  string `json:"patch_level"` // ro.build.version.security_patch
	Release     string `json:"release"`     // ro.build.version.release
}

// readSystem brings a system image up as far as that can be judged from its
// bytes: init is there, executable and labelled, and build.prop names a
// device and a build.
func (p *Phone) readSystem(slot string) (System, error) {
	var sys System
	err := p.withTree(slot, "system", func(root *tree.Node) error {
		where := "system/build.prop"
		if err := p.checkStart(root, &where); err != nil {
			return err
		}
		b, err := content(root, where, buildprop.MaxSize)
		if err != nil {
			return err
		}
		props, err := buildprop.Parse(b)
		if err != nil {
			return err
		}
		sys, err = parseSystem(props)
		return err
	})
	return sys, err
}

// checkStart looks at what starts the system: init in its own root folder, or,
// before Android 9, in the ramdisk of the boot image; then props is in the root of
// the partition.
func (p *Phone) checkStart(root *tree.Node, props *string) error {
	if n := root.Entry("system"); n != nil && n.Type == tree.Directory || !p.single() {
		return checkInit(root)
	}
	*props = "build.prop"
	ramdisk, err := p.ramdisk("boot")
	if err != nil {
		return fmt.Errorf("cannot start the kernel: %w", err)
	}
	for _, f := range []struct {
		root  *tree.Node
		where string
	}{{ramdisk, "init"}, {root, "bin/sh"}} {
		n := f.root.Lookup(f.where)
		if n == nil || n.Type != tree.Regular || n.Perm&0o100 == 0 || n.Size == 0 {
			return fmt.Errorf("cannot start %s: not there, or no executable file", f.where)
		}
	}
	return tree.Walk(root, func(string, *tree.Node) error { return nil })
}

// older says whether the phone has no Verified Boot 2.0: one slot and no vbmeta.
func (p *Phone) older(slot string) bool {
	if !p.single() {
		return false
	}
	_, err := os.Stat(p.image(slot, "vbmeta"))
	return errors.Is(err, fs.ErrNotExist)
}

func checkInit(root *tree.Node) error {
	const where = "system/bin/init"
	n := root.Lookup(where)
	if n == nil || n.Type != tree.Regular {
		return fmt.Errorf("cannot start %s: not there", where)
	}
	if n.Perm&0o100 == 0 || n.Size == 0 {
		return fmt.Errorf("cannot start %s: mode %04o and %d bytes, expected an executable file", where, n.Perm, n.Size)
	}
	label, _ := n.Xattr("security.selinux")
	if got := strings.TrimRight(string(label), "\x00"); got != "u:object_r:init_exec:s0" {
		return fmt.Errorf("cannot start %s: SELinux label is %q, expected \"u:object_r:init_exec:s0\"", where, got)
	}
	return nil
}

func parseSystem(props *buildprop.File) (System, error) {
	get := func(key string) string {
		v, _ := props.Get(key)
		return v
	}
	sys := System{
		Device:      get("ro.product.device"),
		Fingerprint: get("ro.build.fingerprint"),
		Incremental: get("ro.build.version.incremental"),
		PatchLevel:  get("ro.build.version.security_patch"),
		Release:     get("ro.build.version.release"),
	}
	if sys.Device == "" || sys.Incremental == "" {
		return System{}, errors.New("cannot read system/build.prop: ro.product.device or ro.build.version.incremental is missing")
	}
	t, err := strconv.ParseInt(get("ro.build.date.utc"), 10, 64)
	if err != nil {
		return System{}, fmt.Errorf("cannot read system/build.prop: ro.build.date.utc is %q, expected seconds since 1970", get("ro.build.date.utc"))
	}
	sys.Timestamp = t
	return sys, nil
}

// updateCertificates reads the certificates that the running system trusts for
// updates, from the first place that the boot profile names in an image of the
// system partition.
func (p *Phone) updateCertificates(slot string) ([]*x509.Certificate, error) {
	for _, place := range p.id.Profile.UpdateCertificates {
		partition, where, _ := strings.Cut(place, ":")
		if partition != "system" {
			continue // recovery's own copy; the agent runs in the system
		}
		var certs []*x509.Certificate
		err := p.withTree(slot, partition, func(root *tree.Node) error {
			if root.Entry("system") == nil { // the partition is no root folder
				where = strings.TrimPrefix(where, "system/")
			}
			b, err := content(root, where, 1<<20)
			if err != nil {
				return err
			}
			certs, err = otazip.ReadCerts(bytes.NewReader(b), int64(len(b)))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("cannot read update certificates: %w", err)
		}
		return certs, nil
	}
	return nil, fmt.Errorf("cannot read update certificates: the boot profile names no place in system, only %q", []string(p.id.Profile.UpdateCertificates))
}

// withTree opens the erofs or ext4 image of a slot's partition for fn.
func (p *Phone) withTree(slot, partition string, fn func(root *tree.Node) error) error {
	f, err := p.open(slot, partition)
	if err != nil {
		return err
	}
	defer f.Close()
	var root *tree.Node
	if im, err := erofs.Open(f, f.size); err == nil {
		root, err = im.Tree()
		if err != nil {
			return err
		}
	} else if im, ext4Err := ext4.Open(f, f.size); ext4Err == nil {
		if root, err = im.Tree(); err != nil {
			return err
		}
	} else {
		return errors.Join(err, ext4Err)
	}
	return fn(root)
}

// content reads a regular file of at most limit bytes.
func content(root *tree.Node, path string, limit int64) ([]byte, error) {
	n := root.Lookup(path)
	if n == nil || n.Type != tree.Regular {
		return nil, fmt.Errorf("cannot read %s: not there", path)
	}
	if n.Size > limit {
		return nil, fmt.Errorf("cannot read %s: %d bytes, at most %d are expected", path, n.Size, limit)
	}
	if n.Size == 0 {
		return nil, nil
	}
	b := make([]byte, n.Size)
	if _, err := n.Content.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return b, nil
}
