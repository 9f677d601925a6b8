package payload

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/fridayos/friday/android/payload/internal/pb"
	"github.com/fridayos/friday/internal/judge"
)

// The manifest is a protobuf message with the fields where AOSP has them.
func TestProtocReadsManifest(t *testing.T) {
	judge.Need(t, "protoc")
	plan, _, _ := deltaPlan(t)
	b, _ := write(t, plan, rsaKey())
	text := judge.Pipe(t, b[headerSize:open(t, b).Layout().MetadataSize], "protoc", "--decode_raw")
	for _, want := range []string{
		`(?m)^3: 4096$`, `(?m)^4: \d+$`, `(?m)^5: 267$`, `(?m)^12: 6$`, `(?m)^14: 1700000000$`, `(?m)^18: "2026-11-05"$`,
		`(?m)^  1: "system"$`, `(?ms)^  6 \{\n    1: 262144\n    2: ".*?^  7 \{\n    1: 262144\n    2: "`,
		`(?ms)^  8 \{\n    1: 4\n    4 \{\n      1: 8\n      2: 5\n    \}.*?    6 \{\n      1: 0\n      2: 8\n    \}\n    9: "`,
		`(?m)^    1: 10\n    2: \d+\n    3: \d+$`,
	} {
		if !regexp.MustCompile(want).Match(text) {
			t.Errorf("protoc does not show %s in\n%s", want, text)
		}
	}
}

func TestOpenSSLVerifiesSignatures(t *testing.T) {
	judge.Need(t, "openssl")
	for _, signer := range []crypto.Signer{rsaKey(), ecKey()} {
		plan, _, _ := deltaPlan(t)
		b, _ := write(t, plan, signer)
		l := open(t, b).Layout()
		dir := t.TempDir()
		der, err := x509.MarshalPKIXPublicKey(signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		key := filepath.Join(dir, "key.pem")
		if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		metadata := b[:l.MetadataSize]
		data := b[l.BlobsOffset : l.BlobsOffset+l.BlobsSize]
		for _, c := range []struct {
			name          string
			signed, block []byte
		}{
			{"metadata", metadata, b[l.MetadataSize:l.BlobsOffset]},
			{"payload", append(bytes.Clone(metadata), data...), b[l.BlobsOffset+l.BlobsSize:]},
		} {
			var s pb.Signatures
			if err := proto.Unmarshal(c.block, &s); err != nil {
				t.Fatal(err)
			}
			sig := s.Signatures[0].Data[:s.Signatures[0].GetUnpaddedSignatureSize()]
			file := filepath.Join(dir, c.name+".sig")
			if err := os.WriteFile(file, sig, 0o600); err != nil {
				t.Fatal(err)
			}
			out := judge.Pipe(t, c.signed, "openssl", "dgst", "-sha256", "-verify", key, "-signature", file)
			if !bytes.Contains(out, []byte("Verified OK")) {
				t.Errorf("%T, %s: openssl says %s", signer, c.name, out)
			}
		}
	}
}

// What Compress makes is read by the programs whose formats they are, and as
// the phone's decoder wants it: one block, no filter but LZMA2, no check that it
// does not know.
func TestProgramsReadData(t *testing.T) {
	judge.Need(t, "xz")
	plan, images := fullPlan(t)
	b, _ := write(t, plan, nil)
	p := open(t, b)
	seen := map[OpType]int{}
	for _, q := range p.Manifest().Partitions {
		for i, o := range q.Operations {
			data := b[p.Layout().BlobsOffset+int64(o.DataOffset):][:o.DataLength]
			seen[o.Type]++
			if o.Type == ReplaceXZ {
				file := filepath.Join(t.TempDir(), "chunk.xz")
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
				list := judge.Pipe(t, nil, "xz", "--robot", "-lvv", file)
				if !regexp.MustCompile(`(?m)^block\t1\t1\t1\t.*\t--lzma2=dict=\w+$`).Match(list) || bytes.Contains(list, []byte("block\t1\t2")) ||
					!regexp.MustCompile(`(?m)^stream\t1\t1\t.*\t(None|CRC32)\t`).Match(list) {
					t.Errorf("xz -lvv says %s", list)
				}
				data = judge.Pipe(t, data, "xz", "-dc")
			}
			at := o.Dst[0].Start * blockSize
			if !bytes.Equal(data, images[q.Name][at:at+o.Dst[0].Count*blockSize]) {
				t.Errorf("%s, operation %d differs", q.Name, i)
			}
		}
	}
	if seen[ReplaceXZ] < 2 {
		t.Errorf("operations are %v, expected REPLACE_XZ", seen)
	}
}

// What the programs make is read, with every decoder there is.
func TestReadsForeignData(t *testing.T) {
	judge.Need(t, "xz", "bzip2", "zstd", "bsdiff")
	old, next := image(5, 16), image(6, 16)
	dir := t.TempDir()
	o, n, patch := filepath.Join(dir, "o"), filepath.Join(dir, "n"), filepath.Join(dir, "p")
	for f, b := range map[string][]byte{o: old, n: next} {
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	judge.Pipe(t, nil, "bsdiff", o, n, patch)
	diff, err := os.ReadFile(patch)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		t    OpType
		data []byte
	}{
		{Replace, next}, {ReplaceBZ, judge.Pipe(t, next, "bzip2", "-c")}, {ReplaceXZ, judge.Pipe(t, next, "xz", "-c")}, {ReplaceXZ, judge.Pipe(t, next, "xz", "-c", "--check=none", "--x86", "--lzma2")},
		{ReplaceZstd, judge.Pipe(t, next, "zstd", "-19", "-c")}, {SourceBsdiff, diff},
	} {
		q := Partition{Name: "p", OldSize: int64(len(old)), OldSHA256: sum(old), NewSize: int64(len(next)), NewSHA256: sum(next),
			Operations: []Operation{{Type: c.t, Dst: []Extent{{0, 16}}, DataLength: uint64(len(c.data)), DataSHA256: sum(c.data)}}}
		if c.t == SourceBsdiff {
			q.Operations[0].Src, q.Operations[0].SrcSHA256 = []Extent{{0, 16}}, sum(old)
		}
		b := raw(t, Manifest{MinorVersion: 10, Partitions: []Partition{q}}, c.data)
		d := &disk{b: make([]byte, len(next))}
		if err := open(t, b).Apply(context.Background(), "p", bytes.NewReader(old), d, ApplyOptions{}); err != nil || !bytes.Equal(d.b, next) {
			t.Errorf("%v: %v", c.t, err)
		}
	}
	// A dictionary larger than the phone's limit is refused, as is more output
	// than there is room for.
	for _, c := range []struct {
		t    OpType
		data []byte
	}{
		{ReplaceXZ, judge.Pipe(t, next, "xz", "-c", "--lzma2=dict=128MiB")},
		{ReplaceZstd, judge.Pipe(t, next, "zstd", "-c", "--ultra", "-22", "--long=27")},
		{ReplaceXZ, judge.Pipe(t, make([]byte, 64<<20), "xz", "-c")},
		{ReplaceBZ, judge.Pipe(t, make([]byte, 64<<20), "bzip2", "-c")},
	} {
		b := raw(t, Manifest{MinorVersion: 10, Partitions: []Partition{{Name: "p", NewSize: int64(len(next)), NewSHA256: sum(next),
			Operations: []Operation{{Type: c.t, Dst: []Extent{{0, 16}}, DataLength: uint64(len(c.data)), DataSHA256: sum(c.data)}}}}}, c.data)
		if err := open(t, b).Apply(context.Background(), "p", nil, &disk{b: make([]byte, len(next))}, ApplyOptions{}); err == nil {
			t.Errorf("%v with too much was taken", c.t)
		} else {
			t.Log(err)
		}
	}
}
