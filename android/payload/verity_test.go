package payload

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// verified is a partition of data with its hash tree, codes and footer.
func verified(t testing.TB, data []byte, roots int) ([]byte, *avb.HashtreeDescriptor) {
	t.Helper()
	im := &tree.Image{}
	im.AppendBytes(data)
	im, d, err := avb.AddHashtree(im, avb.HashtreeParams{Partition: "system", Salt: []byte("nine bytes"), FECRoots: roots})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), d
}

// computing plans a partition whose tree and codes the phone computes: the rest
// is in chunks, or copied from old.
func computing(t testing.TB, old, next []byte, d *avb.HashtreeDescriptor) Plan {
	t.Helper()
	at := func(off uint64) uint64 { return off / blockSize }
	data, tail := at(d.ImageSize), at(d.FECOffset+d.FECSize)
	part := PlanPart{Name: "system", New: bytes.NewReader(next), NewSize: int64(len(next))}
	part.Extra.HashTree = &HashTree{Data: Extent{0, data}, Tree: Extent{at(d.TreeOffset), at(d.TreeSize)}, Algorithm: "sha256", Salt: d.Salt}
	part.Extra.FEC = &FEC{Data: Extent{0, data + at(d.TreeSize)}, Parity: Extent{at(d.FECOffset), at(d.FECSize)}, Roots: d.FECRoots}
	for _, o := range FullOps(bytes.NewReader(next), int64(len(next)), store) {
		if e := o.Dst[0]; e.Start+e.Count > data { // cut at the tree
			o = FullOps(bytes.NewReader(next), int64(data)*blockSize, store)[e.Start*blockSize/ChunkSize]
			part.Ops = append(part.Ops, o)
			break
		}
		part.Ops = append(part.Ops, o)
	}
	end := next[tail*blockSize:]
	part.Ops = append(part.Ops, PlannedOp{Type: Replace, Dst: []Extent{{tail, uint64(len(end)) / blockSize}},
		Data: func(context.Context) (OpType, []byte, error) { return store(end) }})
	plan := Plan{TempDir: t.TempDir(), Parts: []PlanPart{part}}
	if old != nil {
		plan.MinorVersion = 6
		p := &plan.Parts[0]
		p.Old, p.OldSize = bytes.NewReader(old), int64(len(old))
		p.Ops[0] = PlannedOp{Type: SourceCopy, Src: p.Ops[0].Dst, Dst: p.Ops[0].Dst}
	}
	return plan
}

// A phone computes hash tree and codes itself; veritysetup takes them, and
// repairs damage by them.
func TestPhoneComputesVerity(t *testing.T) {
	for _, roots := range []int{2, 5} {
		old, _ := verified(t, image(1, 1200), roots)
		data := image(1, 1300)
		copy(data[1000*blockSize:], image(9, 20))
		next, d := verified(t, data, roots)
		for _, from := range [][]byte{nil, old} {
			kind := map[bool]string{true: "full", false: "incremental"}[from == nil]
			t.Run(fmt.Sprintf("%s, %d roots", kind, roots), func(t *testing.T) {
				plan := computing(t, from, next, d)
				b, _ := write(t, plan, nil)
				p := open(t, b)
				q := p.Manifest().Partition("system")
				if q.HashTree == nil || q.FEC == nil || !q.Computes(d.TreeOffset/blockSize) || q.Computes(0) {
					t.Fatalf("manifest is %+v", q)
				}
				file, err := os.Create(filepath.Join(t.TempDir(), "system.img"))
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				if err := p.Apply(context.Background(), "system", bytes.NewReader(from), file, ApplyOptions{}); err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(file.Name())
				if err != nil || !bytes.Equal(got, next) {
					t.Fatalf("result differs, %v", err)
				}
				veritysetup(t, file, d)
			})
		}
	}
}

func veritysetup(t *testing.T, file *os.File, d *avb.HashtreeDescriptor) {
	judge.Need(t, "veritysetup")
	args := []string{"verify", file.Name(), file.Name(), hex.EncodeToString(d.RootDigest), "--no-superblock", "--format=1", "--hash=sha256",
		"--data-block-size=4096", "--hash-block-size=4096", "--salt", hex.EncodeToString(d.Salt),
		fmt.Sprint("--hash-offset=", d.TreeOffset), fmt.Sprint("--data-blocks=", d.ImageSize/blockSize),
		"--fec-device", file.Name(), fmt.Sprint("--fec-offset=", d.FECOffset), fmt.Sprint("--fec-roots=", d.FECRoots)}
	judge.Run(t, "veritysetup", args...)
	if _, err := file.WriteAt([]byte("damage"), 700*blockSize+99); err != nil {
		t.Fatal(err)
	}
	out := judge.Run(t, "veritysetup", args...)
	if !strings.Contains(out, "Found 6 repairable errors") {
		t.Errorf("veritysetup says %s, expected 6 repairable errors", out)
	}
}

// What the phone cannot compute is refused before anything is written.
func TestVerityRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(q *Partition)
		want string
	}{
		{"algorithm", func(q *Partition) { q.HashTree = &HashTree{Extent{0, 4}, Extent{7, 1}, "md5", nil} }, `hash algorithm "md5" is not supported`},
		{"tree of another size", func(q *Partition) { q.HashTree = &HashTree{Extent{0, 4}, Extent{6, 2}, "sha256", nil} }, "hash tree of 4 blocks takes 1, there is room for 2"},
		{"codes of another size", func(q *Partition) { q.FEC = &FEC{Extent{0, 4}, Extent{7, 1}, 2} }, "codes for 4 blocks take 2, there is room for 1"},
		{"roots", func(q *Partition) { q.FEC = &FEC{Extent{0, 4}, Extent{7, 1}, 1 << 31} }, "number of FEC roots"},
	} {
		m := Manifest{Partitions: []Partition{{Name: "p", NewSize: 8 * blockSize, NewSHA256: make([]byte, 32), Operations: []Operation{op(Zero, Extent{0, 4})}}}}
		c.edit(&m.Partitions[0])
		d := &disk{b: bytes.Repeat([]byte{1}, 8*blockSize)}
		err := open(t, raw(t, m, nil)).Apply(context.Background(), "p", nil, d, ApplyOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || d.b[0] != 1 {
			t.Errorf("%s: error %v, expected %q", c.name, err, c.want)
		}
	}
}

// One operation says PUFFDIFF, and its data is a puffin patch.
func TestPuffdiff(t *testing.T) {
	old, next := apk(t, "26.11.20"), apk(t, "26.11.27")
	var patch bytes.Buffer
	if ok, err := puffinDiff(old, next, &patch); err != nil || !ok {
		t.Fatal(ok, err)
	}
	blocks := func(b []byte) uint64 { return uint64(len(b)) / blockSize }
	plan := Plan{MinorVersion: 6, TempDir: t.TempDir(), Parts: []PlanPart{{
		Name: "system", New: bytes.NewReader(next), NewSize: int64(len(next)), Old: bytes.NewReader(old), OldSize: int64(len(old)),
		Ops: []PlannedOp{{Type: Puffdiff, Src: []Extent{{0, blocks(old)}}, Dst: []Extent{{0, blocks(next)}},
			Data: func(context.Context) (OpType, []byte, error) { return Puffdiff, patch.Bytes(), nil }}},
	}}}
	b, _ := write(t, plan, nil)
	d := &disk{b: make([]byte, len(next))}
	if err := open(t, b).Apply(context.Background(), "system", bytes.NewReader(old), d, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.b, next) {
		t.Error("result differs")
	}
	plan.MinorVersion = 4
	if _, err := Write(context.Background(), &bytes.Buffer{}, plan, nil); err == nil || !strings.Contains(err.Error(), "PUFFDIFF needs minor version 5") {
		t.Errorf("error %v", err)
	}
}

func store(b []byte) (OpType, []byte, error) { return Replace, b, nil }
