// Command update-binary-pack packs the programs that scripts/update-binary built
// in one folder into another, and notes the Go that built them.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/andybalholm/brotli"
)

func main() {
	if err := pack(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "update-binary-pack:", err)
		os.Exit(1)
	}
}

func pack(from, to string) error {
	for _, arch := range []string{"arm", "arm64"} {
		b, err := os.ReadFile(filepath.Join(from, "update-binary-"+arch))
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		w := brotli.NewWriterOptions(&packed, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24})
		if _, err := w.Write(b); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, arch+".br"), packed.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(to, "go.txt"), []byte(runtime.Version()+"\n"), 0o644)
}
