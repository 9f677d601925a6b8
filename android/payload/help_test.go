package payload

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"sync"
	"testing"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/puffin"
)

// disk is a Disk in memory.
type disk struct {
	mu sync.Mutex
	b  []byte
}

func (d *disk) ReadAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off > int64(len(d.b)) {
		return 0, io.EOF
	}
	n := copy(b, d.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (d *disk) WriteAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off+int64(len(b)) > int64(len(d.b)) {
		return 0, errors.New("disk is full")
	}
	return copy(d.b[off:], b), nil
}

// image is a partition of blocks: text, noise, zeros.
func image(seed uint64, blocks int) []byte {
	r := mrand.New(mrand.NewPCG(seed, 7))
	b := make([]byte, blocks*blockSize)
	for i := range blocks {
		block := b[i*blockSize : (i+1)*blockSize]
		switch r.IntN(4) {
		case 0:
		case 1:
			for k := range block {
				block[k] = byte(r.Uint32())
			}
		default:
			for k := range block {
				block[k] = "the quick brown fox jumps over \x00\x01"[(k*(i%5+1)+k/37)%33]
			}
			block[r.IntN(blockSize)]++
		}
	}
	return b
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

var ecKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// fullPlan has two partitions, the first of more than one chunk.
func fullPlan(t testing.TB) (Plan, map[string][]byte) {
	t.Helper()
	images := map[string][]byte{"system": image(1, 600), "vendor": image(2, 30)}
	plan := Plan{MaxTimestamp: 1_700_000_000, SecurityPatchLevel: "2026-11-05", TempDir: t.TempDir()}
	for _, name := range []string{"system", "vendor"} {
		r := bytes.NewReader(images[name])
		plan.Parts = append(plan.Parts, PlanPart{Name: name, New: r, NewSize: r.Size(), Ops: FullOps(r, r.Size(), nil)})
	}
	return plan, images
}

// deltaPlan has one partition, and every kind of operation that Write makes.
func deltaPlan(t testing.TB) (plan Plan, old, next []byte) {
	t.Helper()
	old = image(3, 64)
	next = bytes.Clone(old)
	copy(next[0:], old[8*blockSize:16*blockSize]) // 0-7: moved
	clear(next[8*blockSize : 12*blockSize])       // 8-11: zero
	clear(next[12*blockSize : 14*blockSize])      // 12-13: discarded
	copy(next[14*blockSize:], image(4, 6))        // 14-19: new
	for i := 20 * blockSize; i < 40*blockSize; i += 777 {
		next[i]++ // 20-39: patched
	}
	data := func(t OpType, b []byte) func(context.Context) (OpType, []byte, error) {
		return func(context.Context) (OpType, []byte, error) { return t, b, nil }
	}
	var patch bytes.Buffer
	// The source in another order than it lies: 30-39, then 20-29.
	src := append(bytes.Clone(old[30*blockSize:40*blockSize]), old[20*blockSize:30*blockSize]...)
	if err := bsdiff.Diff(context.Background(), src, next[20*blockSize:40*blockSize], &patch); err != nil {
		t.Fatal(err)
	}
	xzType, xzData, err := Compress(next[14*blockSize : 18*blockSize])
	if err != nil {
		t.Fatal(err)
	}
	plan = Plan{
		MinorVersion: 6, MaxTimestamp: 1_700_000_000, SecurityPatchLevel: "2026-11-05", TempDir: t.TempDir(),
		Parts: []PlanPart{{
			Name: "system", New: bytes.NewReader(next), NewSize: int64(len(next)), Old: bytes.NewReader(old), OldSize: int64(len(old)),
			Ops: []PlannedOp{
				{Type: SourceCopy, Src: []Extent{{8, 5}, {13, 3}}, Dst: []Extent{{0, 8}}},
				{Type: Zero, Dst: []Extent{{8, 4}}},
				{Type: Discard, Dst: []Extent{{12, 2}}},
				{Type: xzType, Dst: []Extent{{14, 4}}, Data: data(xzType, xzData)},
				{Type: Replace, Dst: []Extent{{19, 1}, {18, 1}}, Data: data(Replace, append(bytes.Clone(next[19*blockSize:20*blockSize]), next[18*blockSize:19*blockSize]...))},
				{Type: BrotliBsdiff, Src: []Extent{{30, 10}, {20, 10}}, Dst: []Extent{{20, 20}}, Data: data(BrotliBsdiff, patch.Bytes())},
				{Type: SourceCopy, Src: []Extent{{40, 24}}, Dst: []Extent{{40, 24}}},
			},
		}},
	}
	return plan, old, next
}

// write makes a payload of a plan.
func write(t testing.TB, plan Plan, signer crypto.Signer) ([]byte, Properties) {
	t.Helper()
	var b bytes.Buffer
	props, err := Write(context.Background(), &b, plan, signer)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), props
}

func open(t testing.TB, b []byte) *Payload {
	t.Helper()
	p, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// raw makes an unsigned payload of any manifest, right or wrong.
func raw(t testing.TB, m Manifest, data []byte) []byte {
	t.Helper()
	if m.BlockSize == 0 {
		m.BlockSize = blockSize
	}
	var b bytes.Buffer
	if _, err := (&writing{manifest: m}).assemble(context.Background(), &b, bytes.NewReader(data), nil, 0); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// apk is an archive with a compressed text, as whole blocks.
func apk(t testing.TB, version string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("res/strings.xml")
	for i := 0; err == nil && i < 3000; i++ {
		_, err = fmt.Fprintf(w, "<string name=\"s%d\">%x of %s</string>\n", i, i*i*i, version)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, (blockSize-b.Len()%blockSize)%blockSize)...)
}

func puffinDiff(old, next []byte, w io.Writer) (bool, error) {
	return puffin.Diff(context.Background(), old, next, w)
}
