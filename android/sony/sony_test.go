package sony_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/sony"
)

// entry is a block of a made .sin: where it goes, and its bytes.
type entry struct {
	at   int64
	data []byte
	lz4  bool
}

// sin makes a .sin of version 3 from the description; with no entries its
// payload is plain.
func sin(t testing.TB, plain []byte, entries ...entry) []byte {
	t.Helper()
	be := binary.BigEndian
	var data, list []byte
	for _, e := range entries {
		stored := e.data
		if e.lz4 {
			stored = make([]byte, lz4.CompressBlockBound(len(e.data)))
			n, err := lz4.CompressBlock(e.data, stored, nil)
			if err != nil || n == 0 {
				t.Fatalf("the test's block does not compress: %d, %v", n, err)
			}
			stored = stored[:n]
		}
		var b []byte
		if e.lz4 {
			b = append(b, "LZ4A"...)
			b = be.AppendUint32(b, 52+32)
			b = be.AppendUint64(b, uint64(len(data)))
			b = be.AppendUint64(b, uint64(len(e.data)))
			b = be.AppendUint64(b, uint64(len(stored)))
			b = be.AppendUint64(b, uint64(e.at))
			b = be.AppendUint64(b, 0)
		} else {
			b = append(b, "ADDR"...)
			b = be.AppendUint32(b, 36+32)
			b = be.AppendUint64(b, uint64(len(data)))
			b = be.AppendUint64(b, uint64(len(stored)))
			b = be.AppendUint64(b, uint64(e.at))
		}
		b = be.AppendUint32(b, 2)
		sum := sha256.Sum256(stored)
		list = append(list, append(b, sum[:]...)...)
		data = append(data, stored...)
	}
	pieces := [][]byte{plain}
	if len(entries) > 0 {
		head := append([]byte("MMCF"), be.AppendUint32(nil, uint32(24+len(list)))...)
		head = append(head, "GPTP\x00\x00\x00\x18"...)
		head = append(head, "0123456789abcdef"...)
		pieces = [][]byte{append(head, list...), data}
	}
	var hashes, payload []byte
	for _, p := range pieces {
		sum := sha256.Sum256(p)
		hashes = append(be.AppendUint32(hashes, uint32(len(p))), sum[:]...)
		payload = append(payload, p...)
	}
	const cert = "certificate"
	b := []byte(sony.Magic)
	for _, v := range []int{24 + len(hashes) + 4 + len(cert), 1, 2, 0, len(hashes)} {
		b = be.AppendUint32(b, uint32(v))
	}
	b = be.AppendUint32(append(b, hashes...), uint32(len(cert)))
	return append(append(b, cert...), payload...)
}

var (
	first  = bytes.Repeat([]byte("ext4 blocks of the system "), 400)
	second = []byte("raw bytes that do not compress at all")
)

func example(t testing.TB) []byte {
	return sin(t, nil, entry{at: 20_000, data: second}, entry{at: 0, data: first, lz4: true})
}

func TestRead(t *testing.T) {
	b := example(t)
	s, err := sony.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(first), bytes.Repeat([]byte{0xff}, 20_000-len(first))...)
	want = append(want, second...)
	got, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v; not the image of %d", len(got), err, len(want))
	}
	if string(s.UUID[:]) != "0123456789abcdef" || string(s.Certificate) != "certificate" || len(s.Pieces) != 2 {
		t.Errorf("header is %+v", s)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	plain := bytes.Repeat([]byte("\x7fELF kernel "), 100)
	b = sin(t, plain)
	if s, err = sony.Open(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size)); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("a plain payload reads as %d bytes, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Verify gives %v", err)
	}
}

func TestBad(t *testing.T) {
	good := example(t)
	mmcf := bytes.Index(good, []byte("MMCF"))
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "it has 0 bytes"},
		{"magic", change(0, 4), `offset 0: magic is "\x04SIN"`},
		{"header", change(4, 0xff), "offset 4: the header has"},
		{"hash type", change(15, 1), "offset 12: not supported: hash type 1"},
		{"hashes", change(23, 1), "offset 20: the hashes have 1 bytes"},
		{"piece", change(24, 0xff), "hash 0 covers"},
		{"certificate", change(24+72, 1), "the certificate has"},
		{"cut", good[:len(good)-3], "hash 1 covers"},
		{"map", change(mmcf+4, 0xff), "MMCF has"},
		{"uuid", change(mmcf+8, 'X'), `found "XPTP"`},
		{"kind", change(mmcf+32, 'X'), `found block "XDDR"`},
		{"length", change(mmcf+36, 0xff), "ADDR has 4278190148 bytes"},
		{"source", change(mmcf+40, 0xff), "ADDR points to"},
		{"target", change(mmcf+32+24, 0x7f), "ADDR goes to"},
		{"block hash", change(mmcf+32+35, 7), "ADDR has hash type 7"},
		{"overlap", sin(t, nil, entry{at: 0, data: second}, entry{at: 5, data: second}), "two blocks go to offset 5"},
	} {
		if _, err := sony.Open(bytes.NewReader(c.b), int64(len(c.b))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", c.name, err, c.want)
		}
	}
	bad := change(bytes.Index(good, second)+len(second)+1, 0, 0, 0, 0)
	s, err := sony.Open(bytes.NewReader(bad), int64(len(bad)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "SHA-256 of piece 1") {
		t.Errorf("a flipped byte gives %v", err)
	}
	if _, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size)); err == nil || !strings.Contains(err.Error(), "LZ4 block at") {
		t.Errorf("a broken LZ4 block gives %v", err)
	}
}

func newer(t testing.TB, members ...string) []byte {
	t.Helper()
	var w bytes.Buffer
	z := gzip.NewWriter(&w)
	tw := tar.NewWriter(z)
	for _, name := range members {
		kind := byte(tar.TypeReg)
		if name == "link" {
			kind = tar.TypeSymlink
		}
		h := &tar.Header{Name: name, Typeflag: kind, Mode: 0o644}
		if kind == tar.TypeReg {
			h.Size = int64(len(name))
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if kind == tar.TypeReg {
			if _, err := io.WriteString(tw, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestWalk(t *testing.T) {
	var got []string
	err := sony.Walk(bytes.NewReader(newer(t, "system.cms", "./system.000", "system.001")), func(p sony.Part) error {
		b, err := io.ReadAll(p.Content)
		got = append(got, fmt.Sprintf("%s %v %d", p.Name, p.CMS, len(b)))
		return err
	})
	if want := "[system.cms true 10 system.000 false 12 system.001 false 10]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("walked over %v, %v; expected %s", got, err, want)
	}
	stop := errors.New("stop")
	if err := sony.Walk(bytes.NewReader(newer(t, "a")), func(sony.Part) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a walk that stops gives %v", err)
	}
	for name, b := range map[string][]byte{"no gzip": []byte("hello"), "path": newer(t, "../../x"), "link": newer(t, "link"), "cut": newer(t, "a")[:20]} {
		if err := sony.Walk(bytes.NewReader(b), func(sony.Part) error { return nil }); err == nil || !strings.HasPrefix(err.Error(), "cannot read sin: ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(example(f))
	f.Add(sin(f, []byte("\x7fELF kernel")))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sony.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.NewSectionReader(s, 0, min(s.Size, 4<<20)))
		_ = s.Verify(t.Context())
	})
}

func FuzzWalk(f *testing.F) {
	f.Add(newer(f, "system.cms", "system.000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = sony.Walk(bytes.NewReader(b), func(p sony.Part) error {
			_, err := io.CopyN(io.Discard, p.Content, 1<<20)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		})
	})
}

// A newer .sin is a gzip of a tar: the signed manifest, then pieces of the image.
func ExampleWalk() {
	var sin bytes.Buffer
	z := gzip.NewWriter(&sin)
	w := tar.NewWriter(z)
	for _, name := range []string{"system.cms", "system.000", "system.001"} {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 4})
		_, _ = w.Write([]byte("data"))
	}
	_, _ = w.Close(), z.Close()

	err := sony.Walk(&sin, func(p sony.Part) error {
		fmt.Println(p.Name, p.Size, p.CMS)
		return nil
	})
	fmt.Println(err)
	// Output:
	// system.cms 4 true
	// system.000 4 false
	// system.001 4 false
	// <nil>
}
