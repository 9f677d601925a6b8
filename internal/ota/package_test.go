package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
)

func TestFull(t *testing.T) {
	ctx := context.Background()
	_, to := twoBuilds(t)
	f, p := makeFull(t, to, Options{Blobs: store(t)})
	if err := Prove(ctx, f, p.Size, nil, to, testKeys().cert); err != nil {
		t.Fatal(err)
	}
	if p.Kind != catalog.Full || p.From != "" || p.To != to.Build.ID || p.Device != "umi" || p.File != "friday-umi-26.11.27-full.zip" || !p.ProvenAt.IsZero() {
		t.Errorf("package: %+v", p)
	}
	checkFacts(t, f, p)
	r, err := Verify(ctx, f, p.Size, VerifyOptions{Apply: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range r.Partitions {
		if !part.Applied || part.Operations["ZERO"] != 0 {
			t.Errorf("partition %+v: expected applied, and no ZERO, which old clients do not know", part)
		}
	}
	if r.Trusted || r.Minor != 0 || r.Metadata.PostBuildIncremental != "26.11.27" {
		t.Errorf("report: %+v", r)
	}
}

func TestIncremental(t *testing.T) {
	ctx := context.Background()
	from, to := twoBuilds(t)
	f, p := makeIncremental(t, from, to, Options{Blobs: store(t)})
	if err := Prove(ctx, f, p.Size, &from, to, testKeys().cert); err != nil {
		t.Fatal(err)
	}
	if p.Kind != catalog.Incremental || p.From != from.Build.ID || p.To != to.Build.ID || p.File != "friday-umi-26.11.20-to-26.11.27.zip" {
		t.Errorf("package: %+v", p)
	}
	checkFacts(t, f, p)
	_, full := makeFull(t, to, Options{})
	t.Logf("full %d bytes, incremental %d", full.Size, p.Size)
	if p.Size > full.Size/8 {
		t.Errorf("incremental has %d bytes, full %d: expected an eighth at most", p.Size, full.Size)
	}
	r, err := Verify(ctx, f, p.Size, VerifyOptions{Certs: []*x509.Certificate{testKeys().cert}, From: from.Images})
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]int{}
	for _, part := range r.Partitions {
		for name, n := range part.Operations {
			ops[name] += n
		}
	}
	t.Logf("operations: %v", ops)
	for name := range ops {
		switch name {
		case "SOURCE_COPY", "ZERO", "BROTLI_BSDIFF", "REPLACE_XZ", "REPLACE_BZ", "REPLACE":
			delete(ops, name)
		}
	}
	if len(ops) != 0 || !r.Trusted || r.Minor != 6 {
		t.Errorf("report: %+v; operations that not every phone knows: %v", r, ops)
	}
	checkSources(t, f, p)
}

// checkFacts compares what the catalogue is told with the zip.
func checkFacts(t *testing.T, f *os.File, p catalog.Package) {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != p.Size || sha256.Sum256(b) != p.Digest {
		t.Errorf("size or digest is not the file's: %+v", p)
	}
	z, err := otazip.Open(f, p.Size)
	if err != nil {
		t.Fatal(err)
	}
	text, err := z.Properties()
	if err != nil || text != p.Properties {
		t.Errorf("properties: %q, %v; expected %q", p.Properties, err, text)
	}
	m, err := z.Metadata()
	if err != nil || m.PropertyFiles[otazip.PropertyFiles] != p.PropertyFiles {
		t.Errorf("property files: %q, %v; expected %q", p.PropertyFiles, err, m.PropertyFiles)
	}
	props, err := payload.ParseProperties(text)
	if err != nil || props.FileSize != p.PayloadSize || props.FileHash != sha256.Sum256(b[p.PayloadOffset:p.PayloadOffset+p.PayloadSize]) {
		t.Errorf("payload is not at %d with %d bytes (%v)", p.PayloadOffset, p.PayloadSize, err)
	}
}

// checkSources: every operation that reads says the hash of what it reads.
func checkSources(t *testing.T, f *os.File, p catalog.Package) {
	t.Helper()
	content := io.NewSectionReader(f, p.PayloadOffset, p.PayloadSize)
	pl, err := payload.Open(content, p.PayloadSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range pl.Manifest().Partitions {
		for i, op := range part.Operations {
			if len(op.Src) > 0 && len(op.SrcSHA256) != 32 {
				t.Errorf("partition %s, operation %d (%v): no source hash", part.Name, i, op.Type)
			}
		}
	}
}

func TestDeterministic(t *testing.T) {
	from, to := twoBuilds(t)
	var first, firstFull []byte
	for _, o := range []Options{{Workers: 1}, {Workers: 4}, {Workers: 3, Blobs: store(t), Memory: 1}} {
		for range 2 { // the second time from what was kept
			f, _ := makeIncremental(t, from, to, o)
			g, _ := makeFull(t, to, o)
			b, err := os.ReadFile(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			full, err := os.ReadFile(g.Name())
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first, firstFull = b, full
			}
			if !bytes.Equal(first, b) || !bytes.Equal(firstFull, full) {
				t.Errorf("%+v: other bytes", o.Workers)
			}
			if o.Blobs == nil {
				break
			}
		}
	}
}

func TestNewAndGonePartitions(t *testing.T) {
	ctx := context.Background()
	from, to := twoBuilds(t)
	from.Images[0].Partition = "recovery" // gone; boot is new
	f, p := makeIncremental(t, from, to, Options{})
	if err := Prove(ctx, f, p.Size, &from, to, testKeys().cert); err != nil {
		t.Error(err)
	}
}

// TestJudges asks programs that are not ours about a package.
func TestJudges(t *testing.T) {
	from, to := twoBuilds(t)
	f, p := makeIncremental(t, from, to, Options{})
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	judge.Run(t, "unzip", "-tq", f.Name())
	judge.Signed(t, b, testKeys().cert.Raw)
	content := b[p.PayloadOffset : p.PayloadOffset+p.PayloadSize]
	pl, err := payload.Open(bytes.NewReader(content), p.PayloadSize)
	if err != nil {
		t.Fatal(err)
	}
	l := pl.Layout()
	out := string(judge.Pipe(t, content[24:l.MetadataSize], "protoc", "--decode_raw"))
	if !strings.Contains(out, "12: 6\n") || !strings.Contains(out, "14: 1795737600\n") || strings.Count(out, "\n13 {")+strings.Count(out[:4], "13 {") != 3 {
		t.Errorf("protoc's reading of the manifest: %.300s", out)
	}
}
