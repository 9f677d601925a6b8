// Package download is the download mode of a virtual Samsung handset: it takes what
// Odin sends, by the phone's own partition table. The rules of writing are the
// handset's.
//
// Odin compares a package's MD5 line before it sends anything, unpacks LZ4 and
// sparse images, and asks the phone's table (PIT) which partition a file is for; a
// file that the table does not name ends it. No phone was at hand to see more.
package download

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/lz4frame"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/internal/handset"
)

// Mode is a handset that was switched on into its download mode.
type Mode struct {
	Handset *handset.Phone
	PIT     []byte            // the table in the phone
	Log     func(line string) // told what is done; nil: nobody
}

// Sizes are the partitions of a table with their sizes in bytes, as an Identity
// has them.
func Sizes(pit []byte) (map[string]int64, error) {
	t, err := samsung.ReadPIT(bytes.NewReader(pit))
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, p := range t.Partitions {
		sizes[strings.ToLower(p.Name)] = int64(p.BlockCount) * 512
	}
	return sizes, nil
}

// Flash takes one .tar.md5. What is wrong with any of its files is found before the
// first is written.
func (m *Mode) Flash(ctx context.Context, r io.ReaderAt, size int64) error {
	if err := m.flash(ctx, r, size); err != nil {
		return fmt.Errorf("cannot take Odin package: %w", err)
	}
	return nil
}

func (m *Mode) flash(ctx context.Context, r io.ReaderAt, size int64) error {
	table, err := samsung.ReadPIT(bytes.NewReader(m.PIT))
	if err != nil {
		return err
	}
	pkg, err := samsung.Open(r, size)
	if err != nil {
		return err
	}
	if err := pkg.Verify(ctx); err != nil {
		return err
	}
	partitions := make([]string, len(pkg.Members))
	for i, f := range pkg.Members {
		at := slices.IndexFunc(table.Partitions, func(p samsung.Partition) bool {
			return p.FlashName != "" && p.FlashName == strings.TrimSuffix(f.Name, ".lz4")
		})
		if at < 0 {
			return fmt.Errorf("the phone's partition table has no partition for %q", f.Name)
		}
		partitions[i] = strings.ToLower(table.Partitions[at].Name)
	}
	for i, f := range pkg.Members {
		if err := m.member(ctx, partitions[i], f.Name, pkg.Open(f)); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if m.Log != nil {
			m.Log(fmt.Sprintf("%s: %d bytes to %s", f.Name, f.Size, partitions[i]))
		}
	}
	return nil
}

func (m *Mode) member(ctx context.Context, partition, name string, in *io.SectionReader) error {
	if !strings.HasSuffix(name, ".lz4") {
		return m.Handset.FlashSlot(ctx, "a", partition, in, in.Size())
	}
	f, err := lz4frame.Open(in, in.Size())
	if err != nil {
		return err
	}
	return m.Handset.FlashSlot(ctx, "a", partition, f, f.Size)
}
