package stocktest

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/mincrypt"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
)

const (
	bootSize   = 16 << 20 // of the boot partition
	vbmetaSize = 64 << 10 // of the vbmeta partition

	chainedSize = 64 << 10 // of vbmeta_system and vbmeta_vendor
	modemSize   = 1 << 20
)

// partition is one image of the firmware.
type partition struct {
	name  string
	image *tree.Image
}

// vendor is whose firmware it is.
type vendor struct {
	key   *rsa.PrivateKey // nil: not RSA
	cert  *x509.Certificate
	certs []byte // otacerts.zip
}

func partitions(ctx context.Context, s Spec, v vendor) ([]partition, error) {
	root, err := s.systemTree(v.certs)
	if err != nil {
		return nil, err
	}
	var parts []partition
	var described []avb.Descriptor
	add := func(name string, root *tree.Node) error {
		im, err := s.fileSystem(name, root)
		if err != nil {
			return fmt.Errorf("partition %s: %w", name, err)
		}
		if s.of.avb {
			var d *avb.HashtreeDescriptor
			if im, d, err = avb.AddHashtree(im, avb.HashtreeParams{Partition: name, Salt: s.salt(name), FECRoots: s.FECRoots}); err != nil {
				return fmt.Errorf("partition %s: %w", name, err)
			}
			described = append(described, d)
		} else if im, err = s.verified(ctx, name, im, v); err != nil {
			return fmt.Errorf("partition %s: %w", name, err)
		}
		parts = append(parts, partition{name, im})
		return nil
	}
	if s.of.avb {
		boot, d, err := s.boot(v.certs)
		if err != nil {
			return nil, err
		}
		parts, described = append(parts, partition{"boot", boot}), append(described, d)
	} else { // phones with one slot have a recovery of its own
		for _, name := range []string{"boot", "recovery"} {
			im, err := s.olderBoot(name, v)
			if err != nil {
				return nil, fmt.Errorf("partition %s: %w", name, err)
			}
			parts = append(parts, partition{name, im})
		}
	}
	if err := add("system", root); err != nil {
		return nil, err
	}
	for _, name := range s.of.more {
		if err := add(name, s.smaller(name)); err != nil {
			return nil, err
		}
	}
	if s.Modem {
		modem := &tree.Image{}
		modem.AppendRange(&synthetic{mixed, seedOf(s.Seed, "modem "+s.Version), modemSize}, 0, modemSize)
		parts = append(parts, partition{"modem", modem})
	}
	if !s.of.avb {
		return parts, nil
	}
	for _, c := range s.of.chains {
		im, d, rest, err := s.chained(c, described)
		if err != nil {
			return nil, fmt.Errorf("partition %s: %w", c.name, err)
		}
		described = append(rest, d)
		parts = append(parts, partition{c.name, im})
	}
	im, err := s.vbmeta(described, v.key)
	if err != nil {
		return nil, err
	}
	return append(parts, partition{"vbmeta", im}), nil
}

// chained is a struct of some of the descriptors under a key of its own, as vendors
// have it, the descriptor by which vbmeta delegates to it, and what it leaves.
func (s Spec) chained(c chain, described []avb.Descriptor) (im *tree.Image, d *avb.ChainDescriptor, rest []avb.Descriptor, err error) {
	key, _, err := VendorKeys(seedOf(s.Seed, c.name))
	if err != nil {
		return nil, nil, nil, err
	}
	index, err := s.rollbackIndex()
	if err != nil {
		return nil, nil, nil, err
	}
	v := &avb.VBMeta{RollbackIndex: index, ReleaseString: "avbtool 1.2.0"}
	for _, x := range described {
		if t, ok := x.(*avb.HashtreeDescriptor); ok && slices.Contains(c.of, t.Partition) {
			v.Descriptors = append(v.Descriptors, &avb.PropertyDescriptor{Key: "com.android.build." + t.Partition + ".fingerprint", Value: []byte(s.Fingerprint())}, t)
		} else {
			rest = append(rest, x)
		}
	}
	b, err := avb.Sign(v, key)
	if err != nil {
		return nil, nil, nil, err
	}
	im = &tree.Image{}
	im.AppendBytes(b)
	im.AppendZeros(chainedSize - int64(len(b)))
	return im, &avb.ChainDescriptor{Partition: c.name, RollbackIndexLocation: c.location, PublicKey: avb.EncodePublicKey(&key.PublicKey)}, rest, nil
}

// rollbackIndex is the patch level's day, as AOSP's build has it.
func (s Spec) rollbackIndex() (uint64, error) {
	day, err := time.Parse(time.DateOnly, s.PatchLevel)
	if err != nil {
		return 0, err
	}
	return uint64(day.Unix()), nil
}

func (s Spec) vbmeta(described []avb.Descriptor, key *rsa.PrivateKey) (*tree.Image, error) {
	index, err := s.rollbackIndex()
	if err != nil {
		return nil, err
	}
	prop := func(key, value string) avb.Descriptor {
		return &avb.PropertyDescriptor{Key: key, Value: []byte(value)}
	}
	vbmeta, err := avb.Sign(&avb.VBMeta{
		RollbackIndex: index, ReleaseString: "avbtool 1.2.0",
		Descriptors: append([]avb.Descriptor{
			prop("com.android.build.boot.fingerprint", s.Fingerprint()),
			prop("com.android.build.boot.os_version", s.of.release),
			prop("com.android.build.boot.security_patch", s.PatchLevel),
			prop("com.android.build.system.fingerprint", s.Fingerprint()),
			prop("com.android.build.system.os_version", s.of.release),
			prop("com.android.build.system.security_patch", s.PatchLevel),
		}, described...),
	}, key)
	if err != nil {
		return nil, err
	}
	im := &tree.Image{}
	im.AppendBytes(vbmeta)
	im.AppendZeros(vbmetaSize - int64(len(vbmeta)))
	return im, nil
}

func (s Spec) salt(partition string) []byte {
	h := sha256.Sum256([]byte(s.Fingerprint() + partition)) // as AOSP does
	return h[:]
}

// fileSystem writes a tree as the maker does.
func (s Spec) fileSystem(name string, root *tree.Node) (*tree.Image, error) {
	id := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", s.Device, s.Seed, name))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	if s.of.fs == "ext4" {
		o := ext4.Options{Time: fileTime, VolumeName: name, LastMounted: "/" + name, Inodes: 4096}
		copy(o.UUID[:], id[:])
		im, err := ext4.Build(root, o)
		if err != nil || s.of.avb {
			return im, err
		}
		o.Size = im.Size() + 4<<20 // a phone with one slot has room left in its partitions
		return ext4.Build(root, o)
	}
	o := erofs.Options{BuildTime: fileTime, VolumeName: name}
	copy(o.UUID[:], id[:])
	if s.LZ4 > 0 {
		f, err := os.CreateTemp("", ".friday-stock-*") // without a name at once; the image reads it
		if err != nil {
			return nil, err
		}
		if err := os.Remove(f.Name()); err != nil {
			return nil, err
		}
		o.LZ4 = &erofs.LZ4{Blocks: s.LZ4, Scratch: f}
	}
	return erofs.Build(root, o)
}

// smaller is a partition beside system.
func (s Spec) smaller(name string) *tree.Node {
	b := &builder{Spec: s}
	b.root = b.dir(name)
	prop := "build.prop"
	if s.of.sdk >= 30 {
		prop = "etc/build.prop"
	}
	b.text(prop, fmt.Sprintf("ro.%s.build.fingerprint=%s\nro.product.%s.device=%s\nro.%s.build.version.incremental=%s\n", name, s.Fingerprint(), name, s.Device, name, s.Version))
	for i := range max(s.Files/20, 4) {
		path := fmt.Sprintf("lib64/lib%s%d.so", name, i)
		b.put(path, b.file(name+"/"+path, code, 4096+int64(seedOf(s.Seed, path)%60_000)))
	}
	b.put("bin/hw/"+name+".service", b.file(name+"/bin/hw", code, 30_000)).Perm = 0o755
	kind := map[string]string{"vendor": "vendor_file"}[name]
	tree.Walk(b.root, func(_ string, n *tree.Node) error {
		n.SetXattr("security.selinux", []byte("u:object_r:"+cmp.Or(kind, "system_file")+":s0\x00"))
		return nil
	})
	return b.root
}

// ramdisk is what a boot image brings: init, and the folders that it mounts on.
func (s Spec) ramdisk() (root *tree.Node, dir func(path string) *tree.Node) {
	root = tree.NewDir(0o755, 0, 0)
	dir = func(path string) *tree.Node {
		return at(root, path, func(string) *tree.Node { return tree.NewDir(0o755, 0, 0) })
	}
	init := s.file("ramdisk/init", code, 600<<10)
	init.Perm, init.GID = 0o750, 2000
	dir("").Set("init", init)
	for _, d := range []string{"dev", "proc", "sys", "mnt", "metadata", "debug_ramdisk", "second_stage_resources"} {
		dir(d)
	}
	dir("").Set("default.prop", tree.NewSymlink("prop.default", 0, 0))
	dir("").Set("prop.default", tree.NewFile(0o644, 0, 0, []byte("ro.bootimage.build.fingerprint="+s.Fingerprint()+"\nro.secure=1\nro.product.device="+s.Device+"\nro.build.product="+s.Device+fmt.Sprintf("\nro.build.date.utc=%d\n", s.Timestamp))))
	return root, dir
}

// recovery adds the program that installs updates.
func (s Spec) recovery(dir func(path string) *tree.Node) {
	dir("system/etc").Set("recovery.fstab", tree.NewFile(0o644, 0, 0, []byte("/dev/block/by-name/misc /misc emmc defaults defaults\n")))
	recovery := s.file("ramdisk/recovery", code, 900<<10)
	recovery.Perm, recovery.GID = 0o755, 2000
	dir("system/bin").Set("recovery", recovery)
}

func (s Spec) kernel() ([]byte, error) {
	kernel := make([]byte, 5<<20)
	if _, err := (&synthetic{mixed, seedOf(s.Seed, "kernel"), int64(len(kernel))}).ReadAt(kernel, 0); err != nil {
		return nil, err
	}
	copy(kernel, "MZ\x40\xfa") // an arm64 Image begins so
	return kernel, nil
}

// boot is the boot image of a phone with Verified Boot 2.0, with recovery in it.
func (s Spec) boot(certs []byte) (*tree.Image, *avb.HashDescriptor, error) {
	root, dir := s.ramdisk()
	dir("first_stage_ramdisk").Set("fstab.qcom", tree.NewFile(0o640, 0, 0, []byte(
		"system /system "+s.of.fs+" ro wait,slotselect,avb=vbmeta,logical,first_stage_mount\n/dev/block/by-name/metadata /metadata ext4 noatime,nosuid,nodev wait,formattable,first_stage_mount\n")))
	dir("system/etc/security").Set("otacerts.zip", tree.NewFile(0o644, 0, 0, certs))
	s.recovery(dir)
	kernel, err := s.kernel()
	if err != nil {
		return nil, nil, err
	}
	ramdisk, err := bootimg.PackRamdisk(root, bootimg.LZ4Legacy)
	if err != nil {
		return nil, nil, err
	}
	day, err := time.Parse(time.DateOnly, s.PatchLevel)
	if err != nil {
		return nil, nil, err
	}
	im, err := bootimg.Build(&bootimg.Image{
		HeaderVersion: 4, PageSize: 4096, Kernel: kernel, Ramdisk: ramdisk,
		Cmdline: "androidboot.hardware=qcom androidboot.console=ttyMSM0", OSVersion: bootimg.OSVersion{A: uint8(major(s.of.release))},
		OSPatchLevel: bootimg.OSPatchLevel{Year: day.Year(), Month: int(day.Month())},
	})
	if err != nil {
		return nil, nil, err
	}
	return avb.AddHash(im, avb.HashParams{Partition: "boot", Salt: s.salt("boot"), PartitionSize: bootSize})
}

// olderBoot is boot or recovery of a phone with one slot: header version 0, a gzip
// ramdisk, and in recovery's the keys of updates in text, as up to Android 9.
func (s Spec) olderBoot(name string, v vendor) (*tree.Image, error) {
	root, dir := s.ramdisk()
	verify := ""
	if s.Verity != VerityNone {
		verify = ",verify"
		if v.key == nil {
			return nil, errors.New("Verified Boot 1 needs an RSA key")
		}
		key, err := vb1.EncodeKey(&v.key.PublicKey)
		if err != nil {
			return nil, err
		}
		dir("").Set("verity_key", tree.NewFile(0o644, 0, 0, key))
	}
	fstab := "# Android fstab file.\n"
	for _, p := range append([]string{"system"}, s.of.more...) {
		fstab += blockDevice(p) + " /" + p + " " + s.of.fs + " ro,barrier=1,discard wait" + verify + "\n"
	}
	fstab += blockDevice("userdata") + " /data ext4 noatime,nosuid,nodev wait,check,encryptable=footer\n"
	dir("").Set("fstab.qcom", tree.NewFile(0o640, 0, 0, []byte(fstab)))
	if name == "recovery" {
		keys, err := mincrypt.WriteKeys([]mincrypt.Key{{Public: v.cert.PublicKey, Hash: crypto.SHA256}})
		if err != nil {
			return nil, err
		}
		dir("res").Set("keys", tree.NewFile(0o644, 0, 0, keys))
		s.recovery(dir)
	}
	kernel, err := s.kernel()
	if err != nil {
		return nil, err
	}
	ramdisk, err := bootimg.PackRamdisk(root, bootimg.Gzip)
	if err != nil {
		return nil, err
	}
	im, err := bootimg.Build(&bootimg.Image{
		PageSize: 2048, Kernel: kernel, Ramdisk: ramdisk, KernelAddr: 0x8000, RamdiskAddr: 0x2000000, SecondAddr: 0xf00000, TagsAddr: 0x1e00000,
		Cmdline: "console=null androidboot.hardware=qcom user_debug=23",
	})
	if err != nil || s.Verity == VerityNone {
		return im, err
	}
	sig, err := vb1.SignBoot(im, im.Size(), "/"+name, v.key, v.cert)
	if err != nil {
		return nil, err
	}
	im.AppendBytes(sig)
	return im, nil
}

// blockDevice is where a phone with one slot finds a partition.
func blockDevice(partition string) string { return "/dev/block/bootdevice/by-name/" + partition }

// verified puts the hash tree of Verified Boot 1 behind a file system.
func (s Spec) verified(ctx context.Context, name string, im *tree.Image, v vendor) (*tree.Image, error) {
	if s.Verity == VerityNone {
		return im, nil
	}
	p := vb1.Params{Device: blockDevice(name), Salt: s.salt(name), Key: v.key}
	if s.Verity == Verity7 {
		p.TreeFirst, p.FECRoots = true, cmp.Or(s.FECRoots, 2)
	}
	out, _, err := vb1.AddVerity(ctx, im, p)
	return out, err
}

func major(release string) (n int) {
	fmt.Sscanf(release, "%d", &n)
	return n
}
