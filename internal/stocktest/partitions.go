package stocktest

import (
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
)

const (
	bootSize   = 16 << 20 // of the boot partition
	vbmetaSize = 64 << 10 // of the vbmeta partition

	chainedSize = 64 << 10 // of vbmeta_system and vbmeta_vendor
)

// partition is one image of the firmware.
type partition struct {
	name  string
	image *tree.Image
}

func partitions(s Spec, certs []byte, key *rsa.PrivateKey) ([]partition, error) {
	root, err := s.systemTree(certs)
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
		}
		parts = append(parts, partition{name, im})
		return nil
	}
	boot, bootDescriptor, err := s.boot(certs)
	if err != nil {
		return nil, err
	}
	parts = append(parts, partition{"boot", boot})
	if bootDescriptor != nil {
		described = append(described, bootDescriptor)
	} else { // phones with one slot have a recovery of its own
		parts = append(parts, partition{"recovery", boot})
	}
	if err := add("system", root); err != nil {
		return nil, err
	}
	for _, name := range s.of.more {
		if err := add(name, s.smaller(name)); err != nil {
			return nil, err
		}
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
	im, err := s.vbmeta(described, key)
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

// boot is the boot image; without Verified Boot it has no descriptor.
func (s Spec) boot(certs []byte) (*tree.Image, *avb.HashDescriptor, error) {
	root := tree.NewDir(0o755, 0, 0)
	dir := func(path string) *tree.Node {
		return at(root, path, func(string) *tree.Node { return tree.NewDir(0o755, 0, 0) })
	}
	init := s.file("ramdisk/init", code, 600<<10)
	init.Perm, init.GID = 0o750, 2000
	dir("").Set("init", init)
	dir("first_stage_ramdisk").Set("fstab.qcom", tree.NewFile(0o640, 0, 0, []byte(
		"system /system "+s.of.fs+" ro wait,slotselect,avb=vbmeta,logical,first_stage_mount\n/dev/block/by-name/metadata /metadata ext4 noatime,nosuid,nodev wait,formattable,first_stage_mount\n")))
	where := "system/etc/security"
	if !s.of.asRoot {
		where = "res/keys"
	}
	dir(where).Set("otacerts.zip", tree.NewFile(0o644, 0, 0, certs))
	dir("system/etc").Set("recovery.fstab", tree.NewFile(0o644, 0, 0, []byte("/dev/block/by-name/misc /misc emmc defaults defaults\n")))
	recovery := s.file("ramdisk/recovery", code, 900<<10)
	recovery.Perm, recovery.GID = 0o755, 2000
	dir("system/bin").Set("recovery", recovery)
	for _, d := range []string{"dev", "proc", "sys", "mnt", "metadata", "debug_ramdisk", "second_stage_resources"} {
		dir(d)
	}
	dir("").Set("default.prop", tree.NewSymlink("prop.default", 0, 0))
	dir("").Set("prop.default", tree.NewFile(0o644, 0, 0, []byte("ro.bootimage.build.fingerprint="+s.Fingerprint()+"\nro.secure=1\nro.product.device="+s.Device+"\nro.build.product="+s.Device+fmt.Sprintf("\nro.build.date.utc=%d\n", s.Timestamp))))

	kernel := make([]byte, 5<<20)
	if _, err := (&synthetic{mixed, seedOf(s.Seed, "kernel"), int64(len(kernel))}).ReadAt(kernel, 0); err != nil {
		return nil, nil, err
	}
	copy(kernel, "MZ\x40\xfa") // an arm64 Image begins so
	if !s.of.avb {
		im, err := s.olderBoot(root, kernel)
		return im, nil, err
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

// olderBoot is a boot image of header version 0, with a gzip ramdisk.
func (s Spec) olderBoot(root *tree.Node, kernel []byte) (*tree.Image, error) {
	ramdisk, err := bootimg.PackRamdisk(root, bootimg.Gzip)
	if err != nil {
		return nil, err
	}
	return bootimg.Build(&bootimg.Image{
		PageSize: 2048, Kernel: kernel, Ramdisk: ramdisk, KernelAddr: 0x8000, RamdiskAddr: 0x2000000, SecondAddr: 0xf00000, TagsAddr: 0x1e00000,
		Cmdline: "console=null androidboot.hardware=qcom user_debug=23",
	})
}

func major(release string) (n int) {
	fmt.Sscanf(release, "%d", &n)
	return n
}
