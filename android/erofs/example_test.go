package erofs_test

import (
	"fmt"
	"io"
	"log"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
)

func ExampleBuild() {
	root := tree.NewDir(0o755, 0, 0)
	prop := tree.NewFile(0o644, 0, 0, []byte("ro.build.id=FRIDAY\n"))
	prop.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
	root.Set("build.prop", prop)

	im, err := erofs.Build(root, erofs.Options{BuildTime: 1764000000, VolumeName: "system"})
	if err != nil {
		log.Fatal(err)
	}
	n, err := im.WriteTo(io.Discard) // or a file
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "bytes")
	// Output:
	// 8192 bytes
}

func ExampleOpen() {
	root := tree.NewDir(0o755, 0, 0)
	root.Set("build.prop", tree.NewFile(0o644, 0, 0, []byte("ro.build.id=FRIDAY\n")))
	r, err := erofs.Build(root, erofs.Options{VolumeName: "system"})
	if err != nil {
		log.Fatal(err)
	}

	im, err := erofs.Open(r, r.Size())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(im.Info().VolumeName, im.Info().Blocks)
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
	// system 2
	// ro.build.id=FRIDAY
}
