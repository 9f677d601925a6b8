package payload_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"

	"github.com/fridayos/friday/android/payload"
)

// A full payload is written, signed, verified, and applied to a file.
func Example() {
	ctx := context.Background()
	system := bytes.Repeat([]byte("Friday! "), 1<<20)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}

	in := bytes.NewReader(system)
	var file bytes.Buffer
	_, err = payload.Write(ctx, &file, payload.Plan{
		MaxTimestamp: 1_795_000_000,
		Parts:        []payload.PlanPart{{Name: "system", New: in, NewSize: in.Size(), Ops: payload.FullOps(in, in.Size(), nil)}},
	}, key)
	if err != nil {
		fmt.Println(err)
		return
	}

	p, err := payload.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Verify(key.Public()); err != nil {
		fmt.Println(err)
		return
	}
	out, err := os.CreateTemp("", "system-*.img")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(out.Name())
	defer out.Close()
	if err := p.Apply(ctx, "system", nil, out, payload.ApplyOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	for _, part := range p.Manifest().Partitions {
		fmt.Println(part.Name, part.NewSize, "bytes,", len(part.Operations), "operations, the first", part.Operations[0].Type)
	}
	// Output: system 8388608 bytes, 4 operations, the first REPLACE_XZ
}

// A handset does one operation after the other, and knows where it was.
func ExamplePayload_ApplyOp() {
	vendor := bytes.NewReader(make([]byte, 5<<20))
	var file bytes.Buffer
	plan := payload.Plan{Parts: []payload.PlanPart{{Name: "vendor", New: vendor, NewSize: vendor.Size(), Ops: payload.FullOps(vendor, vendor.Size(), nil)}}}
	if _, err := payload.Write(context.Background(), &file, plan, nil); err != nil {
		fmt.Println(err)
		return
	}
	p, err := payload.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	slot, err := os.CreateTemp("", "vendor_b-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(slot.Name())
	defer slot.Close()
	for i := range p.Manifest().Partition("vendor").Operations {
		if err := p.ApplyOp("vendor", i, nil, slot); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(p.VerifyNew(context.Background(), "vendor", slot))
	// Output: <nil>
}
