package payload

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/xi2/xz"
)

// samples are AOSP's own payloads: full and incremental, made by its generator.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open("../../../shared/data/android-samples/sample_payloads.tar.xz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("needs ../shared/data/android-samples/sample_payloads.tar.xz beside the checkout")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := xz.NewReader(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err == nil {
			files[h.Name], err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAOSPFull(t *testing.T) {
	p := open(t, samples(t)["full_payload.bin"])
	m := p.Manifest()
	if m.MinorVersion != 0 || len(m.Partitions) != 2 {
		t.Fatalf("minor version %d with %d partitions, expected 0 with 2", m.MinorVersion, len(m.Partitions))
	}
	for i := range m.Partitions {
		q := &m.Partitions[i]
		d := &disk{b: bytes.Repeat([]byte{0xee}, int(q.NewSize))}
		var last int
		if err := p.Apply(context.Background(), q.Name, nil, d, ApplyOptions{Progress: func(done, total int) { last = total - done }}); err != nil {
			t.Error(err)
		}
		if last != 0 {
			t.Errorf("%s: progress ends %d operations early", q.Name, last)
		}
		// A handset goes step by step, and again after being cut off.
		step := &disk{b: make([]byte, q.NewSize)}
		for n := range q.Operations {
			for range 2 {
				if err := p.ApplyOp(q.Name, n, nil, step); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := p.VerifyNew(context.Background(), q.Name, step); err != nil {
			t.Error(err)
		}
	}
	if err := p.Verify(rsaKey().Public()); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("unsigned sample: error %v", err)
	}
}

// The incremental sample's source is not in public; what can be seen without
// it: every operation parses, and every one that needs no source makes its blocks.
func TestAOSPIncremental(t *testing.T) {
	b := samples(t)
	p := open(t, b["delta_payload.bin"])
	full := open(t, b["full_payload.bin"])
	if v := p.Manifest().MinorVersion; v != 6 {
		t.Fatalf("minor version %d, expected 6", v)
	}
	for i := range p.Manifest().Partitions {
		q := &p.Manifest().Partitions[i]
		if err := p.Check(q.Name); err != nil {
			t.Error(err)
		}
		want := &disk{b: make([]byte, q.NewSize)}
		if err := full.Apply(context.Background(), q.Name, nil, want, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		got := &disk{b: make([]byte, q.NewSize)}
		kinds := map[OpType]int{}
		for n, op := range q.Operations {
			kinds[op.Type]++
			if _, source := op.Type.needs(); source {
				err := p.ApplyOp(q.Name, n, bytes.NewReader(make([]byte, q.OldSize)), got)
				if err == nil || !strings.Contains(err.Error(), "the old partition was changed") {
					t.Errorf("%s, operation %d: wrong source: error %v", q.Name, n, err)
				}
				continue
			}
			if err := p.ApplyOp(q.Name, n, nil, got); err != nil {
				t.Error(err)
			}
			for _, e := range op.Dst {
				at, end := e.Start*blockSize, (e.Start+e.Count)*blockSize
				if !bytes.Equal(got.b[at:end], want.b[at:end]) {
					t.Errorf("%s, operation %d: blocks %v differ from the full payload's", q.Name, n, e)
				}
			}
		}
		t.Logf("%s: %v", q.Name, kinds)
		err := p.Apply(context.Background(), q.Name, nil, got, ApplyOptions{})
		if kinds[SourceCopy]+kinds[BrotliBsdiff] == 0 {
			if err != nil {
				t.Error(err)
			}
		} else if err == nil || !strings.Contains(err.Error(), "needs the old partition") {
			t.Errorf("%s without a source: error %v", q.Name, err)
		}
	}
}

// op is a right operation for a partition of 8 blocks with a source of 8.
func op(t OpType, dst Extent) Operation {
	o := Operation{Type: t, Dst: []Extent{dst}}
	data, source := t.needs()
	if data {
		o.DataLength, o.DataSHA256 = 4096, sum(make([]byte, 4096))
	}
	if source {
		o.Src, o.SrcSHA256 = []Extent{{0, dst.Count}}, sum(make([]byte, dst.Count*blockSize))
	}
	return o
}

func TestOpenRefuses(t *testing.T) {
	hash := make([]byte, 32)
	with := func(edit func(m *Manifest, q *Partition, o *Operation)) func() []byte {
		return func() []byte {
			m := Manifest{Partitions: []Partition{{Name: "p", NewSize: 8 * blockSize, NewSHA256: hash, OldSize: 8 * blockSize, OldSHA256: hash,
				Operations: []Operation{op(SourceCopy, Extent{0, 4}), op(Replace, Extent{4, 4})}}}}
			q := &m.Partitions[0]
			edit(&m, q, &q.Operations[1])
			return raw(t, m, make([]byte, 4096))
		}
	}
	bytesOf := func(edit func(b []byte) []byte) func() []byte {
		return func() []byte { return edit(with(func(*Manifest, *Partition, *Operation) {})()) }
	}
	const big = 1<<64 - 1
	for _, c := range []struct {
		name  string
		bytes func() []byte
		want  string // "" for what is right
	}{
		{"right", with(func(*Manifest, *Partition, *Operation) {}), ""},
		{"nothing", bytesOf(func(b []byte) []byte { return nil }), "at least 24 bytes, found 0"},
		{"magic", bytesOf(func(b []byte) []byte { b[0]++; return b }), `magic is "DrAU", expected "CrAU"`},
		{"version", bytesOf(func(b []byte) []byte { b[11] = 1; return b }), "major version is 1, expected 2"},
		{"manifest huge", bytesOf(func(b []byte) []byte { b[12] = 0xff; return b }), "expected at most 33554432"},
		{"manifest beyond the end", bytesOf(func(b []byte) []byte { b[17] = 1; return b }), "found"},
		{"signature huge", bytesOf(func(b []byte) []byte { b[20] = 1; return b }), "metadata signature has"},
		{"cut in manifest", bytesOf(func(b []byte) []byte { return b[:60] }), "need"},
		{"cut in data", bytesOf(func(b []byte) []byte { return b[:len(b)-1] }), "data of 4096 bytes at 0 is outside of the payload's 4095"},
		{"protobuf", bytesOf(func(b []byte) []byte { b[24] = 0xff; return b }), "cannot read protobuf"},
		{"block size", with(func(m *Manifest, q *Partition, o *Operation) { m.BlockSize = 512 }), "block size is 512, expected 4096"},
		{"no name", with(func(m *Manifest, q *Partition, o *Operation) { q.Name = "" }), "partition 0 is named \"\", expected letters"},
		{"twice", with(func(m *Manifest, q *Partition, o *Operation) { m.Partitions = append(m.Partitions, *q) }), `partition "p" is there twice`},
		{"size not blocks", with(func(m *Manifest, q *Partition, o *Operation) { q.NewSize-- }), "expected whole blocks"},
		{"size huge", with(func(m *Manifest, q *Partition, o *Operation) { q.NewSize = 1 << 60 }), "expected at most"},
		{"no new hash", with(func(m *Manifest, q *Partition, o *Operation) { q.NewSHA256 = nil }), "hash of the new partition is missing"},
		{"short hash", with(func(m *Manifest, q *Partition, o *Operation) { q.OldSHA256 = hash[:20] }), "hash of the old partition has 20 bytes"},
		{"outside", with(func(m *Manifest, q *Partition, o *Operation) { o.Dst = []Extent{{5, 4}} }), "blocks 5+4 are outside of the partition's 8"},
		{"extent wraps", with(func(m *Manifest, q *Partition, o *Operation) { o.Dst = []Extent{{big, 2}} }), "are outside"},
		{"count wraps", with(func(m *Manifest, q *Partition, o *Operation) { o.Dst = []Extent{{4, big - 3}} }), "are outside"},
		{"empty extent", with(func(m *Manifest, q *Partition, o *Operation) { o.Dst = append(o.Dst, Extent{1, 0}) }), "extent at block 1 is empty"},
		{"no destination", with(func(m *Manifest, q *Partition, o *Operation) { o.Dst = nil }), "destination is empty"},
		{"written twice", with(func(m *Manifest, q *Partition, o *Operation) { o.Dst = []Extent{{6, 2}, {3, 2}} }), "operations 0 and 1 both write block 3"},
		{"written twice by one", with(func(m *Manifest, q *Partition, o *Operation) { o.Dst = []Extent{{4, 4}, {7, 1}} }), "operations 1 and 1 both write block 7"},
		{"no data", with(func(m *Manifest, q *Partition, o *Operation) { o.DataLength = 0 }), "data is missing"},
		{"no data hash", with(func(m *Manifest, q *Partition, o *Operation) { o.DataSHA256 = nil }), "data hash has 0 bytes"},
		{"data offset wraps", with(func(m *Manifest, q *Partition, o *Operation) { o.DataOffset = big - 100 }), "outside of the payload's 4096"},
		{"no source", with(func(m *Manifest, q *Partition, o *Operation) { o.Type = BrotliBsdiff }), "source is empty"},
		{"source outside", with(func(m *Manifest, q *Partition, o *Operation) { q.OldSize = 0 }), "source: blocks 0+4 are outside of the partition's 0"},
		{"copy of other size", with(func(m *Manifest, q *Partition, o *Operation) { q.Operations[0].Src[0].Count++ }), "source has 5 blocks, destination 4"},
		{"source hash", with(func(m *Manifest, q *Partition, o *Operation) { q.Operations[0].SrcSHA256 = hash[:3] }), "source hash has 3 bytes"},
		{"tree outside", with(func(m *Manifest, q *Partition, o *Operation) {
			q.HashTree = &HashTree{Extent{0, 4}, Extent{8, 1}, "sha256", nil}
		}), "hash tree: blocks"},
		{"tree in its data", with(func(m *Manifest, q *Partition, o *Operation) {
			q.HashTree = &HashTree{Extent{0, 4}, Extent{3, 1}, "sha256", nil}
		}), "hash tree at block 3 lies in what it is computed of"},
		{"tree over an operation", with(func(m *Manifest, q *Partition, o *Operation) {
			q.HashTree = &HashTree{Extent{2, 2}, Extent{0, 1}, "sha256", nil}
		}), "which the phone is to compute"},
		{"codes over an operation", with(func(m *Manifest, q *Partition, o *Operation) { q.FEC = &FEC{Extent{2, 2}, Extent{0, 2}, 2} }), "which the phone is to compute"},
		{"signature not at the end", with(func(m *Manifest, q *Partition, o *Operation) { m.SignaturesOffset, m.SignaturesSize = 10, 20 }), "is expected to end the data"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.bytes()
			_, err := Open(bytes.NewReader(b), int64(len(b)))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
		})
	}
}

// What cannot be done is named before a byte is written.
func TestRefusedByName(t *testing.T) {
	for _, c := range []struct {
		t    OpType
		want string
	}{
		{Zucchini, "ZUCCHINI is not supported"}, {LZ4DiffBsdiff, "LZ4DIFF_BSDIFF is not"},
		{LZ4DiffPuffdiff, "LZ4DIFF_PUFFDIFF is not"}, {Move, "MOVE is not"}, {Bsdiff, "BSDIFF is not"}, {77, "operation type 77 is not"},
	} {
		m := Manifest{MinorVersion: 9, Partitions: []Partition{{Name: "p", NewSize: 8 * blockSize, NewSHA256: make([]byte, 32), OldSize: 8 * blockSize,
			Operations: []Operation{op(Zero, Extent{0, 4}), op(c.t, Extent{4, 4})}}}}
		d := &disk{b: bytes.Repeat([]byte{1}, 8*blockSize)}
		err := open(t, raw(t, m, make([]byte, 4096))).Apply(context.Background(), "p", d, d, ApplyOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `partition "p": operation 1 of 2`) {
			t.Errorf("error %v, expected %q", err, c.want)
		}
		if !bytes.Equal(d.b, bytes.Repeat([]byte{1}, 8*blockSize)) {
			t.Errorf("%v: something was written", c.t)
		}
	}
	m := Manifest{Partitions: []Partition{{Name: "p", NewSize: 8 * blockSize, NewSHA256: make([]byte, 32)}}}
	if err := open(t, raw(t, m, nil)).Check("q"); err == nil || !strings.Contains(err.Error(), `cannot find partition "q" in payload: it has ["p"]`) {
		t.Errorf("error %v", err)
	}
}

func TestParseHeader(t *testing.T) {
	b, _ := write(t, tinyPlan(t), nil)
	h, err := ParseHeader(b[:HeaderSize])
	if err != nil {
		t.Fatal(err)
	}
	// The metadata alone is enough to open: data comes when it is asked for.
	p, err := Open(bytes.NewReader(b[:h.MetadataSize()]), int64(len(b)))
	if err != nil || p.Layout().BlobsOffset != h.MetadataSize() {
		t.Errorf("layout %+v, error %v, expected data at %d", p.Layout(), err, h.MetadataSize())
	}
	err = p.ApplyOp("p", 0, nil, &disk{b: make([]byte, 2*blockSize)})
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	if _, err := ParseHeader(b[:10]); err == nil {
		t.Error("a short header was taken")
	}
}

func tinyPlan(t testing.TB) Plan {
	b := bytes.Repeat([]byte("tiny "), 2*blockSize/5+1)[:2*blockSize]
	return Plan{TempDir: t.TempDir(), Parts: []PlanPart{{Name: "p", New: bytes.NewReader(b), NewSize: int64(len(b)), Ops: FullOps(bytes.NewReader(b), int64(len(b)), nil)}}}
}

func TestManifestKeepsFields(t *testing.T) {
	plan := tinyPlan(t)
	plan.Partial = true
	plan.MinorVersion = 7
	plan.Dynamic = &Dynamic{SnapshotEnabled: true, VABCEnabled: true, VABCCompression: "lz4", COWVersion: 3, CompressionFactor: 65536,
		Features: &VABCFeatures{Threaded: true}, Groups: []Group{{"main", 1 << 33, []string{"p"}}}}
	plan.Apexes = []Apex{{"com.android.x", 5, true, 99}}
	plan.Parts[0].Extra = Partition{RunPostinstall: true, PostinstallPath: "bin/post", FilesystemType: "erofs", PostinstallOptional: true,
		Version: "1700000000", EstimateCowSize: 4096, EstimateOpCountMax: 7,
		Merge: []MergeOperation{{CowXor, Extent{1, 2}, Extent{0, 1}, 500}}}
	b, _ := write(t, plan, nil)
	m := open(t, b).Manifest()
	if !m.Partial || m.MinorVersion != 7 || m.Dynamic == nil || m.Dynamic.Groups[0].Size != 1<<33 || *m.Dynamic.Features != (VABCFeatures{Threaded: true}) ||
		m.Dynamic.COWVersion != 3 || m.Dynamic.VABCCompression != "lz4" || m.Dynamic.CompressionFactor != 65536 || m.Apexes[0] != plan.Apexes[0] {
		t.Errorf("manifest is %+v", m)
	}
	q := m.Partitions[0]
	if !q.RunPostinstall || q.PostinstallPath != "bin/post" || q.FilesystemType != "erofs" || !q.PostinstallOptional || q.Version != "1700000000" ||
		q.EstimateCowSize != 4096 || q.EstimateOpCountMax != 7 || q.Merge[0] != plan.Parts[0].Extra.Merge[0] {
		t.Errorf("partition is %+v", q)
	}
	if !bytes.Equal(raw(t, *m, b[open(t, b).Layout().BlobsOffset:]), b) {
		t.Error("the manifest that was read does not give the same bytes")
	}
}
