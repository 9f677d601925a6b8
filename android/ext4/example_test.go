package ext4_test

import (
	"fmt"
	"io"
	"log"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
)

func ExampleBuild() {
	root := tree.NewDir(0o755, 0, 0)
	prop := tree.NewFile(0o644, 0, 0, []byte("ro.build.id=FRIDAY\n"))
	prop.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
	root.Set("build.prop", prop)
	root.Set("lost+found", tree.NewDir(0o700, 0, 0)) // e2fsck wants one

	im, err := ext4.Build(root, ext4.Options{VolumeName: "system", LastMounted: "/system", Time: 1764000000, Size: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	n, err := im.WriteTo(io.Discard) // or a file
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "bytes")
	// Output:
	// 1048576 bytes
}

func ExampleOpen() {
	root := tree.NewDir(0o755, 0, 0)
	root.Set("build.prop", tree.NewFile(0o644, 0, 0, []byte("ro.build.id=FRIDAY\n")))
	r, err := ext4.Build(root, ext4.Options{VolumeName: "system"})
	if err != nil {
		log.Fatal(err)
	}

	im, err := ext4.Open(r, r.Size())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(im.Info().VolumeName, im.Info().BlockSize)
	top, err := im.Tree()
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(top.Lookup("build.prop").Open())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", b)
	// Output:
	// system 4096
	// ro.build.id=FRIDAY
}
