// Package samsung reads and writes what Samsung's Odin flashes: .tar.md5 files
// and the partition table (PIT) of a phone. The outer zip (BL_, AP_, CP_, CSC_
// and HOME_CSC_ files) is an ordinary one; PartOf says what a name in it means.
//
// It does not decode members: a member that ends in .lz4 is package lz4frame's,
// an .img mostly package sparse's or super's. It speaks no USB.
//
// Format of .tar.md5: a ustar archive, and after its end the line that md5sum
// writes of it, "<32 hex digits>  <name>.tar\n". Of the PIT: Heimdall's libpit
// was read for the facts.
package samsung

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the format's own sum; it finds accidents, not attacks
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fridayos/friday/android/ctxio"
)

// Limits of what is read and written.
const (
	MaxMembers = 10_000
	MaxMember  = 8<<30 - 1 // of a ustar archive; larger images are packed by LZ4 first
	maxLine    = 512
)

// Package is a .tar.md5 (or a plain .tar of one) that was opened.
type Package struct {
	Members []Member
	End     int64 // of the archive in its file: what follows is the line
	Sum     *Sum  // nil: a plain tar

	r    io.ReaderAt
	size int64
}

// Member is one file of a package, for reading in place.
type Member struct {
	Name         string // "system.img.lz4", "meta-data/fota.zip"
	Offset, Size int64  // in the package, in bytes
	MTime        time.Time
}

// Sum is the line behind the archive.
type Sum struct {
	MD5    [md5.Size]byte
	Name   string // of the archive when it was made: "AP_….tar"
	Offset int64  // where the line begins, which is what the sum covers
}

// Open reads the headers of a .tar.md5 of size bytes.
func Open(r io.ReaderAt, size int64) (*Package, error) {
	p := &Package{r: r, size: size}
	if err := p.list(); err != nil {
		return nil, fmt.Errorf("cannot open tar.md5: %w", err)
	}
	if err := p.readSum(); err != nil {
		return nil, fmt.Errorf("cannot open tar.md5: %w", err)
	}
	return p, nil
}

func (p *Package) list() error {
	s := io.NewSectionReader(p.r, 0, p.size)
	tr := tar.NewReader(s)
	for {
		h, err := tr.Next()
		at, _ := s.Seek(0, io.SeekCurrent) // a SectionReader knows
		switch {
		case errors.Is(err, io.EOF):
			p.End = at
			return nil
		case err != nil:
			return fmt.Errorf("offset %d: %w", at, err)
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg:
			return fmt.Errorf("offset %d: %q is of type %q, expected a file", at, h.Name, h.Typeflag)
		case h.PAXRecords["GNU.sparse.major"] != "":
			return fmt.Errorf("offset %d: not supported: %q is stored with holes (GNU sparse)", at, h.Name)
		case at+h.Size > p.size:
			return fmt.Errorf("offset %d: %q has %d bytes, %d are left", at, h.Name, h.Size, p.size-at)
		case len(p.Members) == MaxMembers:
			return fmt.Errorf("offset %d: more than %d members", at, MaxMembers)
		}
		p.Members = append(p.Members, Member{Name: h.Name, Offset: at, Size: h.Size, MTime: h.ModTime})
	}
}

// readSum looks for the line between the end of the archive and that of the
// file. Padding of zeros before it belongs to the archive.
func (p *Package) readSum() error {
	at := max(p.End, p.size-maxLine)
	b := make([]byte, p.size-at)
	if n, err := p.r.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("offset %d: %w", at, err)
	}
	start := bytes.LastIndexByte(b, 0) + 1
	line := b[start:]
	if len(line) == 0 {
		return nil
	}
	sum, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	digest, err := hex.DecodeString(sum)
	if !ok || err != nil || len(digest) != md5.Size || len(name) < 2 || name[0] != ' ' && name[0] != '*' || strings.ContainsAny(name, "\r\n") {
		return fmt.Errorf("offset %d: after the archive stands %.80q, expected a line as md5sum writes it", at+int64(start), line)
	}
	p.Sum = &Sum{MD5: [md5.Size]byte(digest), Name: name[1:], Offset: at + int64(start)}
	return nil
}

// Open returns a member's bytes for reading at any place.
func (p *Package) Open(m Member) *io.SectionReader { return io.NewSectionReader(p.r, m.Offset, m.Size) }

// ErrNoSum says that a package has no line to compare with.
var ErrNoSum = errors.New("it has no MD5 line")

// Verify compares the archive with its line.
func (p *Package) Verify(ctx context.Context) error {
	if p.Sum == nil {
		return fmt.Errorf("cannot verify tar.md5: %w", ErrNoSum)
	}
	h := md5.New() //nolint:gosec // as above
	if _, err := io.Copy(h, ctxio.Reader(ctx, io.NewSectionReader(p.r, 0, p.Sum.Offset))); err != nil {
		return fmt.Errorf("cannot verify tar.md5: %w", err)
	}
	if got := h.Sum(nil); !bytes.Equal(got, p.Sum.MD5[:]) {
		return fmt.Errorf("cannot verify tar.md5: MD5 of its first %d bytes is %x, its line says %x", p.Sum.Offset, got, p.Sum.MD5)
	}
	return nil
}

// Source is a member to be written.
type Source struct {
	Name    string // at most 100 bytes; no path that leaves the archive
	Size    int64
	Content io.Reader
}

// Write writes a .tar.md5; name is what its line calls the archive
// ("AP_N9005XXU.tar"). Owner, mode and time are those that Odin's own packages
// have no use for: fixed, so that the same members give the same bytes.
func Write(w io.Writer, name string, members []Source) error {
	if name == "" || len(name) > 255 || strings.ContainsAny(name, "\x00\r\n/\\") {
		return fmt.Errorf("cannot write tar.md5: its line cannot hold the name %q", name)
	}
	h := md5.New() //nolint:gosec // as above
	tw := tar.NewWriter(io.MultiWriter(w, h))
	seen := map[string]bool{}
	for _, m := range members {
		if err := m.check(seen); err != nil {
			return fmt.Errorf("cannot write tar.md5: %w", err)
		}
		err := tw.WriteHeader(&tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: m.Name, Size: m.Size, Mode: 0o644, ModTime: time.Unix(0, 0)})
		if err == nil {
			var n int64
			if n, err = io.Copy(tw, io.LimitReader(m.Content, m.Size)); err == nil && n != m.Size {
				err = fmt.Errorf("it ended after %d bytes, expected %d", n, m.Size)
			}
		}
		if err != nil {
			return fmt.Errorf("cannot write tar.md5: %q: %w", m.Name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("cannot write tar.md5: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%x  %s\n", h.Sum(nil), name); err != nil {
		return fmt.Errorf("cannot write tar.md5: %w", err)
	}
	return nil
}

func (m *Source) check(seen map[string]bool) error {
	switch {
	case m.Name == "" || len(m.Name) > 100 || strings.HasPrefix(m.Name, "/") || strings.HasSuffix(m.Name, "/") ||
		strings.Contains("/"+m.Name+"/", "/../") || strings.ContainsRune(m.Name, 0):
		return fmt.Errorf("a member cannot be called %q: expected 1 to 100 bytes that stay in the archive", m.Name)
	case seen[m.Name]:
		return fmt.Errorf("there are two members %q", m.Name)
	case m.Size < 0 || m.Size > MaxMember:
		return fmt.Errorf("%q has %d bytes, expected at most %d; pack it by LZ4 first", m.Name, m.Size, int64(MaxMember))
	}
	seen[m.Name] = true
	return nil
}

// Part is which of Odin's fields a file belongs in.
type Part string

// Parts of a firmware.
const (
	Bootloader Part = "BL"
	System     Part = "AP" // also called PDA
	Modem      Part = "CP"
	Region     Part = "CSC"      // wipes the phone's data
	HomeRegion Part = "HOME_CSC" // keeps them
	UserData   Part = "USERDATA"
)

// PartOf reads the name of a file in the outer zip, such as
// "AP_N9005XXUGBOD3_CL123_QB456_REV00_user_low_ship.tar.md5": its part, and the
// build that follows it. ok is false for other names.
func PartOf(name string) (part Part, build string, ok bool) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	name = strings.TrimSuffix(name, ".md5") // a .tar is taken without its line too
	name, isTar := strings.CutSuffix(name, ".tar")
	if !isTar {
		return "", "", false
	}
	for _, p := range []Part{HomeRegion, Bootloader, System, Modem, Region, UserData} {
		rest, found := strings.CutPrefix(name, string(p)+"_")
		if !found {
			continue
		}
		if p == Region || p == HomeRegion { // CSC_OXM_N9005OXMGBOD3_…: the region comes first
			if code, after, more := strings.Cut(rest, "_"); more && len(code) == 3 {
				rest = after
			}
		}
		build, _, _ = strings.Cut(rest, "_")
		return p, build, true
	}
	return "", "", false
}
