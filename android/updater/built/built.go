// Package built holds the update-binary for phones' processors: package updater,
// built from cmd/update-binary by scripts/update-binary and kept packed, so that
// whoever makes packages needs no compiler. Its test builds the programs anew and
// compares them byte for byte.
package built

import (
	"bytes"
	_ "embed" // the programs
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
)

// Processors of phones.
const (
	ARM   = "arm"   // ARMv7, 32 bits
	ARM64 = "arm64" // ARMv8, 64 bits
)

var (
	//go:embed arm.br
	arm []byte
	//go:embed arm64.br
	arm64 []byte
)

// maxSize bounds what is unpacked.
const maxSize = 64 << 20

// Program is the update-binary for a processor. A phone of 64 bits whose recovery
// has 32 runs both.
func Program(arch string) ([]byte, error) {
	packed := map[string][]byte{ARM: arm, ARM64: arm64}[arch]
	if packed == nil {
		return nil, fmt.Errorf("cannot give update-binary: the processor is %q, expected %s or %s", arch, ARM, ARM64)
	}
	b, err := io.ReadAll(io.LimitReader(brotli.NewReader(bytes.NewReader(packed)), maxSize))
	if err != nil {
		return nil, fmt.Errorf("cannot give update-binary for %s: %w", arch, err)
	}
	return b, nil
}
