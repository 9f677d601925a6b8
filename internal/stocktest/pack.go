package stocktest

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/lz4frame"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/sony"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/xiaomi"
)

// whole reads an image from its start.
func whole(im *tree.Image) io.Reader { return io.NewSectionReader(im, 0, im.Size()) }

// sparsed writes an image as a sparse file into dir.
func sparsed(ctx context.Context, dir string, im *tree.Image) (*os.File, int64, error) {
	plan, err := sparse.NewPlan(ctx, im, im.Size(), sparse.Options{})
	if err != nil {
		return nil, 0, err
	}
	f, err := os.CreateTemp(dir, "sparse")
	if err != nil {
		return nil, 0, err
	}
	os.Remove(f.Name()) // it lives until it is closed
	w := bufio.NewWriterSize(f, 1<<20)
	if err = plan.Write(ctx, 0, w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, plan.Size(0), nil
}

// writeFastboot packs Xiaomi's .tgz: what is logical lies in a sparse super.
func writeFastboot(ctx context.Context, w *os.File, s Spec, parts []partition) error {
	f := &xiaomi.Firmware{
		Name:    xiaomi.Name{Device: s.Device + "_global", Version: s.Version, Date: time.Unix(s.Timestamp, 0).UTC().Format("20060102") + ".0000.00", Android: s.of.release + ".0", Region: "global"},
		Product: s.Device, Anti: 2, Slot: "a",
	}
	contents := map[string]*tree.Image{}
	var wants []super.Want
	total := int64(0)
	for _, p := range parts {
		if p.name == "boot" || p.name == "vbmeta" {
			f.Images = append(f.Images, xiaomi.Image{Partition: p.name + "_ab", File: p.name + ".img", Size: p.image.Size(), Content: whole(p.image)})
			continue
		}
		contents[p.name+"_a"] = p.image
		wants = append(wants,
			super.Want{Name: p.name + "_a", Group: "qti_dynamic_partitions_a", Attributes: super.ReadOnly, Size: p.image.Size()},
			super.Want{Name: p.name + "_b", Group: "qti_dynamic_partitions_b", Attributes: super.ReadOnly})
		total += p.image.Size()
	}
	g := super.Geometry{MetadataMaxSize: 65536, Slots: 3, BlockSize: 4096}
	size := uint64(total+16<<20) &^ (1<<20 - 1)
	m, err := super.Lay(g, []super.Device{{Name: "super", Alignment: 1 << 20, Size: size}},
		[]super.Group{{Name: "qti_dynamic_partitions_a", MaxSize: size - 4<<20}, {Name: "qti_dynamic_partitions_b", MaxSize: size - 4<<20}}, wants)
	if err != nil {
		return err
	}
	images, err := super.Build(g, m, contents)
	if err != nil {
		return err
	}
	file, n, err := sparsed(ctx, filepath.Dir(w.Name()), images[0])
	if err != nil {
		return err
	}
	defer file.Close()
	f.Images = append(f.Images, xiaomi.Image{Partition: "super", File: "super.img", Size: n, Content: file})
	return xiaomi.Write(w, f)
}

// framed packs a member into an LZ4 frame, in a file in dir.
func framed(dir string, src samsung.Source) (*os.File, int64, error) {
	f, err := os.CreateTemp(dir, "lz4")
	if err != nil {
		return nil, 0, err
	}
	os.Remove(f.Name()) // it lives until it is closed
	err = lz4frame.Write(f, src.Content, src.Size, 0)
	n, seekErr := f.Seek(0, io.SeekCurrent)
	if err == nil {
		err = seekErr
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, n, nil
}

// writeOdin packs Odin's zip: AP with the images, CSC with the partition table.
func writeOdin(ctx context.Context, w *os.File, s Spec, parts []partition) error {
	z := zip.NewWriter(w)
	var members []samsung.Source
	pit := &samsung.PIT{Project: [8]byte{'M', 'S', 'M', '8', '9', '7', '4'}, Unknown: [8]byte{'C', 'O', 'M', '_', 'T', 'A', 'R', '2'}}
	for i, p := range parts {
		name, src := p.name+".img", samsung.Source{Size: p.image.Size(), Content: whole(p.image)}
		if p.name == "system" {
			file, n, err := sparsed(ctx, filepath.Dir(w.Name()), p.image)
			if err != nil {
				return err
			}
			defer file.Close()
			name, src.Size, src.Content = "system.img.ext4", n, file
		}
		src.Name = name
		if s.Frames {
			file, n, err := framed(filepath.Dir(w.Name()), src)
			if err != nil {
				return err
			}
			defer file.Close()
			src = samsung.Source{Name: name + ".lz4", Size: n, Content: file}
		}
		members = append(members, src)
		pit.Partitions = append(pit.Partitions, samsung.Partition{
			Device: 2, ID: uint32(i + 10), Attributes: 5, Update: 1, BlockSize: uint32(i) << 20, BlockCount: uint32(p.image.Size()/512 + 65536),
			Name: strings.ToUpper(p.name), FlashName: name,
		})
	}
	var table strings.Builder
	if _, err := pit.WriteTo(&table); err != nil {
		return err
	}
	suffix := "_" + s.Version + "_CL6567551_QB7217539_REV00_user_low_ship_MULTI_CERT.tar"
	for _, part := range []struct {
		name    string
		members []samsung.Source
	}{
		{"AP" + suffix, members},
		{"CSC_OXX" + suffix, []samsung.Source{{Name: "HLTE_EUR_OPEN.pit", Size: int64(table.Len()), Content: strings.NewReader(table.String())}}},
	} {
		f, err := z.CreateHeader(&zip.FileHeader{Name: part.name + ".md5", Method: zip.Store})
		if err != nil {
			return err
		}
		if err := samsung.Write(f, part.name, part.members); err != nil {
			return err
		}
	}
	return z.Close()
}

// writeFTF packs a zip of .sin files.
func writeFTF(w io.Writer, s Spec, parts []partition) error {
	z := zip.NewWriter(w)
	f, err := z.Create("META-INF/MANIFEST.MF")
	if err != nil {
		return err
	}
	fmt.Fprintf(f, "Manifest-Version: 1.0\nCreated-By: FlashTool\ndevice: %s\nversion: %s\nbranding: Customized\n", s.Model, s.of.buildID)
	for _, p := range parts {
		if f, err = z.CreateHeader(&zip.FileHeader{Name: p.name + ".sin", Method: zip.Store}); err != nil {
			return err
		}
		if err := writeSin(f, p.image); err != nil {
			return err
		}
	}
	return z.Close()
}

const sinBlock = 1 << 20

// writeSin writes version 3 without a signature, which only Sony can make. What
// is all 0xFF has no block.
func writeSin(w io.Writer, im *tree.Image) error {
	be := binary.BigEndian
	var list, packed []byte
	var data, at int64
	blocks := func(fn func(stored []byte) error) error {
		buf := make([]byte, sinBlock)
		for at = 0; at < im.Size(); at += sinBlock {
			b := buf[:min(sinBlock, im.Size()-at)]
			if err := tree.ReadFull(im, b, at); err != nil {
				return err
			}
			packed = append(packed[:0], make([]byte, lz4.CompressBlockBound(len(b)))...)
			n, err := lz4.CompressBlock(b, packed, nil)
			if err != nil {
				return err
			}
			stored := packed[:n]
			if n == 0 || n >= len(b) {
				stored = b
			}
			if err := fn(stored); err != nil {
				return err
			}
		}
		return nil
	}
	pieces := sha256.New()
	if err := blocks(func(stored []byte) error {
		size := min(sinBlock, im.Size()-at)
		if int64(len(stored)) < size {
			list = be.AppendUint32(append(list, "LZ4A"...), 52+32)
			for _, v := range []int64{data, size, int64(len(stored)), at, 0} {
				list = be.AppendUint64(list, uint64(v))
			}
		} else {
			list = be.AppendUint32(append(list, "ADDR"...), 36+32)
			for _, v := range []int64{data, int64(len(stored)), at} {
				list = be.AppendUint64(list, uint64(v))
			}
		}
		sum := sha256.Sum256(stored)
		list = append(be.AppendUint32(list, 2), sum[:]...)
		data += int64(len(stored))
		pieces.Write(stored)
		return nil
	}); err != nil {
		return err
	}
	head := be.AppendUint32([]byte("MMCF"), uint32(24+len(list)))
	head = append(head, "GPTP\x00\x00\x00\x180123456789abcdef"...)
	head = append(head, list...)
	first := sha256.Sum256(head)
	hashes := append(be.AppendUint32(nil, uint32(len(head))), first[:]...)
	hashes = pieces.Sum(be.AppendUint32(hashes, uint32(data)))
	const cert = "unsigned"
	b := []byte(sony.Magic)
	for _, v := range []int{24 + len(hashes) + 4 + len(cert), 1, 2, 0, len(hashes)} {
		b = be.AppendUint32(b, uint32(v))
	}
	b = be.AppendUint32(append(b, hashes...), uint32(len(cert)))
	b = append(append(b, cert...), head...)
	if _, err := w.Write(b); err != nil {
		return err
	}
	return blocks(func(stored []byte) error {
		_, err := w.Write(stored)
		return err
	})
}

// writeRUU packs HTC's zip.
func writeRUU(w io.Writer, s Spec, parts []partition) error {
	z := zip.NewWriter(w)
	f, err := z.Create("android-info.txt")
	if err != nil {
		return err
	}
	for _, m := range s.of.models {
		fmt.Fprintf(f, "modelid: %s\n", m)
	}
	fmt.Fprintf(f, "cidnum: HTC__001\ncidnum: HTC__E11\nmainver: 6.12.401.4\nbtype:1\naareport:1\nhbootpreupdate:3\nDelCache:1\n")
	for _, p := range parts {
		f, err := z.Create(p.name + ".img")
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, whole(p.image)); err != nil {
			return err
		}
	}
	return z.Close()
}
