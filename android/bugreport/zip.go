package bugreport

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// What is read of a zip.
const (
	maxFiles   = 20000    // in the directory
	maxWanted  = 500      // of which text is read
	maxBinary  = 16 << 20 // of a protobuf tombstone, in bytes
	mostPacked = 1000     // bytes of text to a byte of the zip: deflate's own limit is 1032
)

// zip reads a zipped bugreport: its main text first, then tombstones, traces and
// the last kernel's log.
func (x *reading) zip(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("it begins as a zip: %w", err)
	}
	if len(z.File) > maxFiles {
		return fmt.Errorf("its zip holds %d files, at most %d are expected", len(z.File), maxFiles)
	}
	main, err := mainEntry(z)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, f := range z.File {
		names[f.Name] = true
	}
	wanted := []*zip.File{}
	for _, f := range z.File {
		switch {
		case f.FileInfo().IsDir() || f.Name == "main_entry.txt" || f.Name == "version.txt":
		case f == main:
		case wantedEntry(f.Name) && !(strings.HasSuffix(f.Name, ".pb") && names[strings.TrimSuffix(f.Name, ".pb")]) && len(wanted) < maxWanted:
			wanted = append(wanted, f)
		default:
			x.leftOut++
		}
	}
	slices.SortStableFunc(wanted, func(a, b *zip.File) int { return cmp.Compare(a.Name, b.Name) })
	if main != nil {
		wanted = append([]*zip.File{main}, wanted...)
	}
	if len(wanted) == 0 { // no bugreport as Android packs it: whichever of its files are logs
		if wanted = logsIn(z); len(wanted) > 0 {
			x.leftOut -= len(wanted)
		}
	}
	if len(wanted) == 0 {
		return errors.New("its zip holds no bugreport: expected bugreport-….txt, FS/data/tombstones or FS/data/anr")
	}
	var first error
	read := 0
	for _, f := range wanted {
		err := x.entry(f, f == main)
		if err != nil && f != main && !errors.Is(err, ErrTooLarge) {
			x.leftOut++ // the rest is worth reading without it
			first = cmp.Or(first, fmt.Errorf("%s: %w", shown(f.Name), err))
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shown(f.Name), err)
		}
		read++
	}
	if read == 0 {
		return first
	}
	return nil
}

// logsIn returns the files of a zip that are logs or hold some.
func logsIn(z *zip.Reader) (logs []*zip.File) {
	l := looking{left: looksText}
	for _, f := range z.File {
		if f.FileInfo().IsDir() || len(logs) == maxWanted {
			continue
		}
		e, err := f.Open()
		if err != nil {
			continue
		}
		if l.stream(e, 1) {
			logs = append(logs, f)
		}
		e.Close()
	}
	return logs
}

// mainEntry finds the report itself: main_entry.txt names it; before Android 7
// there was but one.
func mainEntry(z *zip.Reader) (*zip.File, error) {
	name := ""
	var best *zip.File
	for _, f := range z.File {
		if f.Name == "main_entry.txt" {
			b, err := readAll(f, 4096)
			if err != nil {
				return nil, err
			}
			name = strings.TrimSpace(string(b))
		}
		base := path.Base(f.Name)
		if strings.Count(f.Name, "/") <= 1 && strings.HasSuffix(base, ".txt") && (strings.HasPrefix(base, "bugreport") || strings.HasPrefix(base, "dumpstate") && base != "dumpstate_log.txt") && !strings.HasPrefix(f.Name, "FS/") &&
			(best == nil || f.UncompressedSize64 > best.UncompressedSize64) {
			best = f
		}
	}
	for _, f := range z.File {
		if name != "" && f.Name == name {
			return f, nil
		}
	}
	return best, nil
}

// wantedEntry tells which files beside the report hold crashes.
func wantedEntry(name string) bool {
	for _, dir := range [...]string{"FS/data/tombstones/", "FS/data/anr/", "FS/sys/fs/pstore/", "FS/data/system/dropbox/", "tombstones/", "anr/", "pstore/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	base := path.Base(name)
	return base == "last_kmsg" || strings.HasPrefix(base, "console-ramoops") || strings.HasSuffix(base, ".log") && strings.Count(name, "/") == 0 || strings.Contains(base, "logcat") && strings.HasSuffix(base, ".txt")
}

// entry reads one file of the zip, below a line with its name.
func (x *reading) entry(f *zip.File, main bool) error {
	if f.UncompressedSize64 > uint64(x.limit) || f.CompressedSize64 > 0 && f.UncompressedSize64/f.CompressedSize64 > mostPacked && f.UncompressedSize64 > 1<<20 {
		return fmt.Errorf("%w: it unpacks from %d to %d bytes", ErrTooLarge, f.CompressedSize64, f.UncompressedSize64)
	}
	if !main {
		if _, err := fmt.Fprintf(x.out, "\n------ %s ------\n", shown(f.Name)); err != nil {
			return err
		}
		// What debuggerd wrote for other reasons lies in the same folder, as trace_NN.
		x.finder.Section(strings.Contains(f.Name, "anr/anr") || strings.Contains(f.Name, "_anr@") || strings.HasSuffix(f.Name, "traces.txt"))
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	switch {
	case strings.HasSuffix(f.Name, ".pb"):
		return x.tombstone(r)
	case strings.HasSuffix(f.Name, ".gz"):
		return x.gzip(r)
	case !main && !wantedEntry(f.Name):
		return x.inner(r)
	case !main && f.UncompressedSize64 == 0:
		return nil
	}
	return x.text(r)
}

// inner reads a file of a zip by its content: text, gzip, or one more zip.
func (x *reading) inner(r io.Reader) error {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case isZip(head):
		whole, err := io.ReadAll(io.LimitReader(b, looksZip+1))
		if err != nil {
			return err
		}
		if len(whole) > looksZip || x.inZip == looksDeep {
			return fmt.Errorf("%w: a zip within a zip of at most %d MiB", ErrTooLarge, looksZip>>20)
		}
		x.inZip++
		defer func() { x.inZip-- }()
		return x.zip(bytes.NewReader(whole), int64(len(whole)))
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return x.gzip(b)
	case tombstone(head):
		return x.tombstone(b)
	}
	return x.text(b)
}

func readAll(f *zip.File, most int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown(f.Name), err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, most)); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(f.Name), err)
	}
	return b.Bytes(), nil
}

// shown is a file's name as it is printed: without control characters, and not
// longer than a line.
func shown(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
	if len(name) > 200 {
		name = name[:200] + "…"
	}
	return name
}
