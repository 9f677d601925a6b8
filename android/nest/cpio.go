package nest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/fridayos/friday/android/tree"
)

const cpioHeader = 110

func isCPIO(_ File, head []byte) bool { return isOne(head, "070701", "070702") }

// openCPIO reads a ramdisk in place: newc archives, laid over one another.
func openCPIO(ctx context.Context, _ *Nest, f File) (*Opened, error) {
	b := &folder{root: tree.NewDir(0o755, 0, 0)}
	count := 0
	for pos := int64(0); pos < f.Size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		next, last, err := b.addCPIO(f, pos)
		if err != nil {
			return nil, fmt.Errorf("cannot read cpio: at byte %d, entry %d: %w", pos, count, err)
		}
		if pos = next; !last {
			if count++; count > MaxEntries {
				return nil, fmt.Errorf("cannot read cpio: at byte %d: more than %d entries", pos, MaxEntries)
			}
			continue
		}
		if pos, err = skipZeros(f, pos); err != nil {
			return nil, err
		}
		head := make([]byte, min(6, f.Size-pos))
		if err := tree.ReadFull(f.R, head, pos); err != nil {
			return nil, err
		}
		if pos < f.Size && !isCPIO(f, head) {
			b.problem("byte %d: %d bytes follow the archive that nothing accounts for: %s", pos, f.Size-pos, magic(head))
			break
		}
	}
	return &Opened{Root: b.root, Problems: b.problems, Files: true, Facts: map[string]any{"entries": count}}, nil
}

// skipZeros finds the next byte that is not zero.
func skipZeros(f File, pos int64) (int64, error) {
	buf := make([]byte, 4096)
	for pos < f.Size {
		b := buf[:min(int64(len(buf)), f.Size-pos)]
		if err := tree.ReadFull(f.R, b, pos); err != nil {
			return 0, err
		}
		if rest := bytes.TrimLeft(b, "\x00"); len(rest) > 0 {
			return pos + int64(len(b)-len(rest)), nil
		}
		pos += int64(len(b))
	}
	return pos, nil
}

// addCPIO adds the entry at pos, and returns where the next one is.
func (b *folder) addCPIO(f File, pos int64) (next int64, last bool, err error) {
	if pos+cpioHeader > f.Size {
		return 0, false, fmt.Errorf("expected a header of %d bytes, found the end of the file at %d", cpioHeader, f.Size)
	}
	h := make([]byte, cpioHeader)
	if err := tree.ReadFull(f.R, h, pos); err != nil {
		return 0, false, err
	}
	if !isCPIO(f, h) {
		return 0, false, fmt.Errorf("magic: expected 070701, found %q", h[:6])
	}
	var v [13]int64
	for i := range v {
		n, err := strconv.ParseUint(string(h[6+8*i:14+8*i]), 16, 32)
		if err != nil {
			return 0, false, fmt.Errorf("field %d: expected 8 hexadecimal digits, found %q", i, h[6+8*i:14+8*i])
		}
		v[i] = int64(n)
	}
	mode, size, nameSize := v[1], v[6], v[11]
	data := (pos + cpioHeader + nameSize + 3) &^ 3
	if nameSize < 1 || nameSize > 4096 || data+size > f.Size {
		return 0, false, fmt.Errorf("expected a name of 1 to 4096 bytes and content within the file, found %d and %d", nameSize, size)
	}
	name := make([]byte, nameSize)
	if err := tree.ReadFull(f.R, name, pos+cpioHeader); err != nil {
		return 0, false, err
	}
	name, _, _ = bytes.Cut(name, []byte{0})
	next = min((data+size+3)&^3, f.Size)
	if string(name) == "TRAILER!!!" {
		return next, true, nil
	}
	n := &tree.Node{Perm: uint16(mode & 0o7777), UID: uint32(v[2]), GID: uint32(v[3]), MTime: v[5], Major: uint32(v[9]), Minor: uint32(v[10])}
	var ok bool
	if n.Type, ok = tree.TypeOf(uint16(mode)); !ok {
		return 0, false, fmt.Errorf("%q: mode: expected a file type, found %#o", short(string(name)), mode)
	}
	switch n.Type {
	case tree.Regular:
		if n.Major, n.Minor, n.Size = 0, 0, size; size > 0 {
			n.Content = io.NewSectionReader(f.R, data, size)
		}
	case tree.Directory:
		n.Major, n.Minor = 0, 0
	case tree.Symlink:
		if size > 4096 {
			return 0, false, fmt.Errorf("%q: a link to %d bytes", short(string(name)), size)
		}
		target := make([]byte, size)
		if err := tree.ReadFull(f.R, target, data); err != nil {
			return 0, false, err
		}
		n.Major, n.Minor, n.Target = 0, 0, string(target)
	}
	b.add(string(bytes.TrimPrefix(name, []byte("/"))), n)
	return next, false, nil
}
