package super_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
)

// Two partitions into a super image, and one of them out again.
func Example() {
	geometry := super.Geometry{MetadataMaxSize: 65536, Slots: 2, BlockSize: 4096}
	metadata, err := super.Lay(geometry,
		[]super.Device{{Name: "super", Size: 8 << 20}},
		[]super.Group{{Name: "main", MaxSize: 4 << 20}},
		[]super.Want{
			{Name: "system", Group: "main", Attributes: super.ReadOnly, Size: 5000},
			{Name: "vendor", Group: "main", Attributes: super.ReadOnly, Size: 4096},
		})
	if err != nil {
		log.Fatal(err)
	}
	system := new(tree.Image)
	system.AppendBytes([]byte("ro.build.id=FRIDAY\n"))
	images, err := super.Build(geometry, metadata, map[string]*tree.Image{"system": system})
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := images[0].WriteTo(&file); err != nil {
		log.Fatal(err)
	}

	s, err := super.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range s.Slots[0].Partitions {
		fmt.Println(p.Name, p.Size(), "bytes from sector", p.Extents[0].Sector)
	}
	contents, err := s.Contents(0, "system")
	if err != nil {
		log.Fatal(err)
	}
	line := make([]byte, 18)
	if _, err := contents.ReadAt(line, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
	// Output:
	// system 8192 bytes from sector 2048
	// vendor 4096 bytes from sector 4096
	// ro.build.id=FRIDAY
}
