package nest_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"github.com/fridayos/friday/android/nest"
)

// A file within a tar within a gzip.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	_ = w.WriteHeader(&tar.Header{Name: "images/flash_all.sh", Mode: 0o755, Size: 10})
	_, _ = w.Write([]byte("#!/bin/sh\n"))
	_ = w.Close()
	_ = z.Close()
	firmware := filepath.Join(dir, "umi.tgz")
	if err := os.WriteFile(firmware, b.Bytes(), 0o600); err != nil {
		log.Fatal(err)
	}

	n := nest.New(nest.Options{})
	defer n.Close()
	o, err := n.Open(context.Background(), firmware+"//images/flash_all.sh")
	if err != nil {
		log.Fatal(err)
	}
	script, err := io.ReadAll(o.Node.Open())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", script)
	// Output:
	// #!/bin/sh
}
