package nest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// virtualAB is a payload with what phones with virtual A/B need to know, whose
// hash tree and codes the phone computes.
func virtualAB(t testing.TB) []byte {
	t.Helper()
	data := new(tree.Image)
	data.AppendBytes(bytes.Repeat([]byte("a system of many blocks"), 4096))
	im, d, err := avb.AddHashtree(data, avb.HashtreeParams{Partition: "system", Salt: []byte("salt"), FECRoots: 2})
	if err != nil {
		t.Fatal(err)
	}
	block := func(off uint64) uint64 { return off / 4096 }
	part := payload.PlanPart{Name: "system", New: im, NewSize: im.Size()}
	part.Extra = payload.Partition{
		RunPostinstall: true, PostinstallPath: "bin/post", FilesystemType: "erofs", Version: "1795000000", EstimateCowSize: 1 << 20, EstimateOpCountMax: 77,
		HashTree: &payload.HashTree{Data: payload.Extent{Count: block(d.ImageSize)}, Tree: payload.Extent{Start: block(d.TreeOffset), Count: block(d.TreeSize)}, Algorithm: "sha256", Salt: d.Salt},
		FEC:      &payload.FEC{Data: payload.Extent{Count: block(d.FECOffset)}, Parity: payload.Extent{Start: block(d.FECOffset), Count: block(d.FECSize)}, Roots: 2},
		Merge:    []payload.MergeOperation{{Type: payload.CowXor, Src: payload.Extent{Count: 1}, Dst: payload.Extent{Start: 2, Count: 1}, SrcOffset: 5}, {Type: payload.CowCopy}},
	}
	for _, e := range []payload.Extent{{Count: block(d.ImageSize)}, {Start: block(d.FECOffset + d.FECSize), Count: block(uint64(im.Size())) - block(d.FECOffset+d.FECSize)}} {
		part.Ops = append(part.Ops, payload.PlannedOp{Type: payload.Replace, Dst: []payload.Extent{e}, Data: func(context.Context) (payload.OpType, []byte, error) {
			b := make([]byte, e.Count*4096)
			return payload.Replace, b, tree.ReadFull(im, b, int64(e.Start)*4096)
		}})
	}
	plan := payload.Plan{MinorVersion: 9, Partial: true, MaxTimestamp: 1_795_000_000, TempDir: t.TempDir(), Parts: []payload.PlanPart{part},
		Dynamic: &payload.Dynamic{SnapshotEnabled: true, VABCEnabled: true, VABCCompression: "lz4", COWVersion: 3, CompressionFactor: 65536,
			Features: &payload.VABCFeatures{Threaded: true}, Groups: []payload.Group{{Name: "main", Size: 1 << 33, Partitions: []string{"system"}}}},
		Apexes: []payload.Apex{{Package: "com.android.tethering", Version: 7, Compressed: true, DecompressedSize: 999}}}
	var b bytes.Buffer
	if _, err := payload.Write(ctx, &b, plan, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every field of a manifest is shown, and what the phone computes is missing by
// name where it is read.
func TestPayloadFacts(t *testing.T) {
	n := newNest(t, nest.Options{})
	path := onDisk(t, "payload.bin", virtualAB(t))
	o, err := n.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	in, err := n.Info(ctx, o, -1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(in.Facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"partial":true`, `"minor_version":9`, `"virtual_ab":true`, `"vabc":true`, `"vabc_compression":"lz4"`, `"cow_version":3`, `"vabc_compression_factor":65536`,
		`"vabc_threaded":true`, `"groups":{"main":{"partitions":["system"],"size":8589934592}}`, `"apexes":{"com.android.tethering":{"compressed":true,"unpacked":999,"version":7}}`,
		`"merge_operations":{"COW_COPY":1,"COW_XOR":1}`, `"estimate_cow_size":1048576`, `"estimate_op_count_max":77`, `"operation_types":{"REPLACE":2}`,
		`"phone_computes_hash_tree":"sha256 over 23 blocks, at block 23"`, `"phone_computes_fec":"2 roots over 24 blocks, at block 24"`,
		`"postinstall":"bin/post"`, `"file_system":"erofs"`, `"version":"1795000000"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
	// The data can be looked into, the tree not.
	img, err := n.Open(ctx, path+"//system.img")
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 8)
	if _, err := img.Node.Open().ReadAt(head, 0); err != nil || string(head) != "a system" {
		t.Errorf("%q, %v", head, err)
	}
	if _, err := io.ReadAll(img.Node.Open()); err == nil || !strings.Contains(err.Error(), "the phone computes this part") {
		t.Errorf("error %v", err)
	}
}

// ZUCCHINI is named where the partition is shown.
func TestPayloadNotSupported(t *testing.T) {
	plan := payload.Plan{MinorVersion: 9, TempDir: t.TempDir(), Parts: []payload.PlanPart{{Name: "system", New: bytes.NewReader(make([]byte, 4096)), NewSize: 4096,
		Old: bytes.NewReader(make([]byte, 4096)), OldSize: 4096,
		Ops: []payload.PlannedOp{{Type: payload.Zucchini, Src: []payload.Extent{{Count: 1}}, Dst: []payload.Extent{{Count: 1}}, Data: func(context.Context) (payload.OpType, []byte, error) {
			return payload.Zucchini, []byte("Zucc"), nil
		}}}}}}
	var b bytes.Buffer
	if _, err := payload.Write(ctx, &b, plan, nil); err != nil {
		t.Fatal(err)
	}
	n := newNest(t, nest.Options{})
	o, err := n.Open(ctx, onDisk(t, "payload.bin", b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	in, err := n.Info(ctx, o, -1)
	if err != nil {
		t.Fatal(err)
	}
	if facts, err := json.Marshal(in.Facts); err != nil || !strings.Contains(string(facts), "ZUCCHINI is not supported") {
		t.Errorf("%s, %v", facts, err)
	}
}
