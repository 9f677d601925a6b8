package stocktest

import (
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
)

const (
	bootSize   = 16 << 20 // of the boot partition
	vbmetaSize = 64 << 10 // of the vbmeta partition
)

// partition is one image of the firmware.
type partition struct {
	name  string
	image *tree.Image
}

func partitions(s Spec, certs []byte, key *rsa.PrivateKey) ([]partition, error) {
	system, systemDescriptor, err := s.system(certs)
	if err != nil {
		return nil, err
	}
	boot, bootDescriptor, err := s.boot(certs)
	if err != nil {
		return nil, err
	}
	day, err := time.Parse(time.DateOnly, s.PatchLevel)
	if err != nil {
		return nil, err
	}
	prop := func(key, value string) avb.Descriptor {
		return &avb.PropertyDescriptor{Key: key, Value: []byte(value)}
	}
	vbmeta, err := avb.Sign(&avb.VBMeta{
		RollbackIndex: uint64(day.Unix()), ReleaseString: "avbtool 1.2.0",
		Descriptors: []avb.Descriptor{
			prop("com.android.build.boot.fingerprint", s.Fingerprint()),
			prop("com.android.build.boot.os_version", release),
			prop("com.android.build.boot.security_patch", s.PatchLevel),
			prop("com.android.build.system.fingerprint", s.Fingerprint()),
			prop("com.android.build.system.os_version", release),
			prop("com.android.build.system.security_patch", s.PatchLevel),
			bootDescriptor, systemDescriptor,
		},
	}, key)
	if err != nil {
		return nil, err
	}
	im := &tree.Image{}
	im.AppendBytes(vbmeta)
	im.AppendZeros(vbmetaSize - int64(len(vbmeta)))
	return []partition{{"boot", boot}, {"system", system}, {"vbmeta", im}}, nil
}

func (s Spec) salt(partition string) []byte {
	h := sha256.Sum256([]byte(s.Fingerprint() + partition)) // as AOSP does
	return h[:]
}

func (s Spec) system(certs []byte) (*tree.Image, *avb.HashtreeDescriptor, error) {
	root, err := s.systemTree(certs)
	if err != nil {
		return nil, nil, err
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%s %d system", s.Device, s.Seed))
	o := erofs.Options{BuildTime: fileTime, VolumeName: "system"}
	copy(o.UUID[:], id[:])
	o.UUID[6], o.UUID[8] = o.UUID[6]&0x0f|0x40, o.UUID[8]&0x3f|0x80
	im, err := erofs.Build(root, o)
	if err != nil {
		return nil, nil, err
	}
	return avb.AddHashtree(im, avb.HashtreeParams{Partition: "system", Salt: s.salt("system")})
}

func (s Spec) boot(certs []byte) (*tree.Image, *avb.HashDescriptor, error) {
	root := tree.NewDir(0o755, 0, 0)
	dir := func(path string) *tree.Node {
		return at(root, path, func(string) *tree.Node { return tree.NewDir(0o755, 0, 0) })
	}
	init := s.file("ramdisk/init", code, 600<<10)
	init.Perm, init.GID = 0o750, 2000
	dir("").Set("init", init)
	dir("first_stage_ramdisk").Set("fstab.qcom", tree.NewFile(0o640, 0, 0, []byte(
		"system /system erofs ro wait,slotselect,avb=vbmeta,logical,first_stage_mount\n/dev/block/by-name/metadata /metadata ext4 noatime,nosuid,nodev wait,formattable,first_stage_mount\n")))
	dir("system/etc/security").Set("otacerts.zip", tree.NewFile(0o644, 0, 0, certs))
	dir("system/etc").Set("recovery.fstab", tree.NewFile(0o644, 0, 0, []byte("/dev/block/by-name/misc /misc emmc defaults defaults\n")))
	recovery := s.file("ramdisk/recovery", code, 900<<10)
	recovery.Perm, recovery.GID = 0o755, 2000
	dir("system/bin").Set("recovery", recovery)
	for _, d := range []string{"dev", "proc", "sys", "mnt", "metadata", "debug_ramdisk", "second_stage_resources"} {
		dir(d)
	}
	dir("").Set("default.prop", tree.NewSymlink("prop.default", 0, 0))
	dir("").Set("prop.default", tree.NewFile(0o644, 0, 0, []byte("ro.bootimage.build.fingerprint="+s.Fingerprint()+"\nro.secure=1\n")))

	ramdisk, err := bootimg.PackRamdisk(root, bootimg.LZ4Legacy)
	if err != nil {
		return nil, nil, err
	}
	day, err := time.Parse(time.DateOnly, s.PatchLevel)
	if err != nil {
		return nil, nil, err
	}
	kernel := make([]byte, 5<<20)
	if _, err := (&synthetic{mixed, seedOf(s.Seed, "kernel"), int64(len(kernel))}).ReadAt(kernel, 0); err != nil {
		return nil, nil, err
	}
	copy(kernel, "MZ\x40\xfa") // an arm64 Image begins so
	im, err := bootimg.Build(&bootimg.Image{
		HeaderVersion: 4, PageSize: 4096, Kernel: kernel, Ramdisk: ramdisk,
		Cmdline: "androidboot.hardware=qcom androidboot.console=ttyMSM0", OSVersion: bootimg.OSVersion{A: 13},
		OSPatchLevel: bootimg.OSPatchLevel{Year: day.Year(), Month: int(day.Month())},
	})
	if err != nil {
		return nil, nil, err
	}
	return avb.AddHash(im, avb.HashParams{Partition: "boot", Salt: s.salt("boot"), PartitionSize: bootSize})
}
