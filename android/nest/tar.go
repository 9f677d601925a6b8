package nest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

func isTar(_ File, head []byte) bool { return len(head) >= 512 && string(head[257:262]) == "ustar" }

// xattrRecord is how PAX headers call extended attributes.
const xattrRecord = "SCHILY.xattr."

// openTar reads a tar in place, and Samsung's line with an MD5 behind it.
func openTar(ctx context.Context, _ *Nest, f File) (*Opened, error) {
	r := io.NewSectionReader(f.R, 0, f.Size)
	t := tar.NewReader(r)
	b := &folder{root: tree.NewDir(0o755, 0, 0)}
	count := 0
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		at, _ := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, fmt.Errorf("cannot read tar: at byte %d, entry %d: %w", at, count, err)
		}
		if count++; count > MaxEntries {
			return nil, fmt.Errorf("cannot read tar: at byte %d: more than %d entries", at, MaxEntries)
		}
		b.addTar(f, h, at)
	}
	end, _ := r.Seek(0, io.SeekCurrent)
	o := &Opened{Root: b.root, Problems: b.problems, Facts: map[string]any{"entries": count}}
	if err := tarTail(f, o, end); err != nil {
		return nil, err
	}
	addCRCLists(o)
	return o, nil
}

func (b *folder) addTar(f File, h *tar.Header, at int64) {
	n := &tree.Node{Perm: uint16(h.Mode & 0o7777), UID: uint32(h.Uid), GID: uint32(h.Gid), MTime: h.ModTime.Unix(), MTimeNsec: uint32(h.ModTime.Nanosecond())}
	for k, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, xattrRecord); ok {
			n.SetXattr(name, []byte(v))
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		if n.Size = h.Size; n.Size > 0 {
			n.Content = io.NewSectionReader(f.R, at, n.Size)
		}
		if at+n.Size > f.Size {
			b.problem("entry %q at byte %d: expected %d bytes, found the end of the file at %d", short(h.Name), at, n.Size, f.Size)
		}
		for k := range h.PAXRecords {
			if strings.HasPrefix(k, "GNU.sparse.") {
				b.problem("entry %q at byte %d: a sparse entry; it is left out", short(h.Name), at)
				return
			}
		}
	case tar.TypeDir:
		n.Type = tree.Directory
	case tar.TypeSymlink:
		n.Type, n.Target = tree.Symlink, h.Linkname
	case tar.TypeLink:
		if n = b.find(h.Linkname); n == nil || n.Type == tree.Directory {
			b.problem("entry %q at byte %d: a link to %q, which is not there; it is left out", short(h.Name), at, short(h.Linkname))
			return
		}
	case tar.TypeChar, tar.TypeBlock:
		n.Type, n.Major, n.Minor = tree.CharDevice, uint32(h.Devmajor), uint32(h.Devminor)
		if h.Typeflag == tar.TypeBlock {
			n.Type = tree.BlockDevice
		}
	case tar.TypeFifo:
		n.Type = tree.FIFO
	default:
		b.problem("entry %q at byte %d: type %q; it is left out", short(h.Name), at, h.Typeflag)
		return
	}
	b.add(strings.TrimSuffix(h.Name, "/"), n)
}

// tarTail accounts for what follows the archive.
func tarTail(f File, o *Opened, end int64) error {
	tail := f.Size - end
	const longest = 1 << 20
	b := make([]byte, min(tail, longest))
	if err := tree.ReadFull(f.R, b, end); err != nil {
		return err
	}
	zeros := len(b) - len(bytes.TrimLeft(b, "\x00"))
	if zeros == len(b) {
		if tail > longest {
			o.Facts["tail"] = tail
		}
		return nil
	}
	line := b[zeros:]
	at := end + int64(zeros)
	sum, name, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), "  ")
	if want, err := hex.DecodeString(sum); ok && err == nil && len(want) == md5.Size && tail <= longest {
		o.Format = "tar.md5"
		o.Facts["md5"], o.Facts["md5_name"] = sum, name
		o.Verify = func(ctx context.Context, report func(string, error)) error {
			h := md5.New()
			_, err := io.Copy(h, &stoppable{ctx, io.NewSectionReader(f.R, 0, at)})
			if err == nil && !bytes.Equal(h.Sum(nil), want) {
				err = fmt.Errorf("byte %d: expected %x (computed), found %s", at, h.Sum(nil), sum)
			}
			report("tar.md5: MD5 of the archive", err)
			return ctx.Err()
		}
		return nil
	}
	o.Facts["tail"] = tail
	o.Problems = append(o.Problems, fmt.Sprintf("byte %d: %d bytes follow the archive that nothing accounts for: %s", at, f.Size-at, magic(line)))
	return nil
}
