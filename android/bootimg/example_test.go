package bootimg_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/tree"
)

// Changes a file in the ramdisk of a boot image.
func Example() {
	root := tree.NewDir(0o755, 0, 0)
	root.Set("init", tree.NewFile(0o750, 0, 0, []byte("old")))
	ramdisk, err := bootimg.PackRamdisk(root, bootimg.LZ4Legacy)
	if err != nil {
		log.Fatal(err)
	}
	stock, err := bootimg.Build(&bootimg.Image{HeaderVersion: 4, Kernel: []byte("kernel"), Ramdisk: ramdisk,
		OSVersion: bootimg.OSVersion{A: 16}, OSPatchLevel: bootimg.OSPatchLevel{Year: 2026, Month: 11}})
	if err != nil {
		log.Fatal(err)
	}

	im, err := bootimg.Parse(stock, stock.Size())
	if err != nil {
		log.Fatal(err)
	}
	root, packing, err := bootimg.UnpackRamdisk(im.Ramdisk)
	if err != nil {
		log.Fatal(err)
	}
	root.Set("init", tree.NewFile(0o750, 0, 0, []byte("new")))
	if im.Ramdisk, err = bootimg.PackRamdisk(root, packing); err != nil {
		log.Fatal(err)
	}
	im.Tail = nil // a footer behind the old sections would be wrong
	out, err := bootimg.Build(im)
	if err != nil {
		log.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := out.WriteTo(&b); err != nil {
		log.Fatal(err)
	}
	fmt.Println(packing, im.OSVersion, im.OSPatchLevel, b.Len())
	// Output: lz4-legacy 16.0.0 2026-11 12288
}
