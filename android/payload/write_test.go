package payload

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestFullRoundTrip(t *testing.T) {
	for _, signer := range []crypto.Signer{nil, rsaKey(), ecKey()} {
		plan, images := fullPlan(t)
		b, props := write(t, plan, signer)
		plan.Workers = 1
		again, _ := write(t, plan, signer)
		if !bytes.Equal(b, again) {
			t.Errorf("%T: one worker gives other bytes than two", signer)
		}
		p := open(t, b)
		if string(props.FileHash[:]) != string(sum(b)) || props.FileSize != int64(len(b)) || props.MetadataSize != p.Layout().MetadataSize ||
			string(props.MetadataHash[:]) != string(sum(b[:props.MetadataSize])) {
			t.Errorf("properties %+v do not fit", props)
		}
		if signer != nil {
			if err := p.Verify(signer.Public()); err != nil {
				t.Error(err)
			}
			for _, other := range []crypto.Signer{rsaKey(), ecKey()} {
				if err := p.Verify(other.Public()); (err == nil) != (reflect.TypeOf(other) == reflect.TypeOf(signer)) {
					t.Errorf("signed by %T, verified by %T: %v", signer, other, err)
				}
			}
		}
		for name, want := range images {
			d := &disk{b: bytes.Repeat([]byte{0xee}, len(want))}
			if err := p.Apply(context.Background(), name, nil, d, ApplyOptions{Workers: 3}); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(d.b, want) {
				t.Errorf("%s differs", name)
			}
		}
		if left, err := os.ReadDir(plan.TempDir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestIncrementalRoundTrip(t *testing.T) {
	plan, old, next := deltaPlan(t)
	b, _ := write(t, plan, rsaKey())
	p := open(t, b)
	if err := p.Verify(rsaKey().Public()); err != nil {
		t.Error(err)
	}
	d := &disk{b: bytes.Repeat([]byte{0xee}, len(next))}
	if err := p.Apply(context.Background(), "system", bytes.NewReader(old), d, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.b, next) {
		t.Error("result differs")
	}
	if err := p.VerifyOld(context.Background(), "system", bytes.NewReader(old)); err != nil {
		t.Error(err)
	}
	// A source with one bit changed is told, wherever it is read.
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		block := []int{8, 13, 20, 35, 40, 63}[r.IntN(6)]
		bad := bytes.Clone(old)
		bad[block*blockSize+r.IntN(blockSize)] ^= 1 << r.IntN(8)
		err := p.Apply(context.Background(), "system", bytes.NewReader(bad), d, ApplyOptions{})
		if err == nil || !strings.Contains(err.Error(), "the old partition was changed") {
			t.Errorf("block %d changed: error %v", block, err)
		}
		if err := p.VerifyOld(context.Background(), "system", bytes.NewReader(bad)); err == nil {
			t.Errorf("block %d changed: VerifyOld is content", block)
		}
	}
	if err := p.Apply(context.Background(), "system", bytes.NewReader(old[:50*blockSize]), d, ApplyOptions{}); err == nil {
		t.Error("a source cut short was taken")
	}
}

// Operations without a hash of their source: the whole source is hashed first.
func TestSourceWithoutHash(t *testing.T) {
	plan, old, next := deltaPlan(t)
	b, _ := write(t, plan, nil)
	p := open(t, b)
	m := *p.Manifest()
	for i := range m.Partitions[0].Operations {
		m.Partitions[0].Operations[i].SrcSHA256 = nil
	}
	p = open(t, raw(t, m, b[p.Layout().BlobsOffset:]))
	d := &disk{b: bytes.Repeat([]byte{1}, len(next))}
	if err := p.Apply(context.Background(), "system", bytes.NewReader(old), d, ApplyOptions{}); err != nil || !bytes.Equal(d.b, next) {
		t.Errorf("error %v", err)
	}
	old[70*8]++
	clear(d.b)
	err := p.Apply(context.Background(), "system", bytes.NewReader(old), d, ApplyOptions{})
	if err == nil || !strings.Contains(err.Error(), `cannot verify source of partition "system"`) || len(bytes.TrimRight(d.b, "\x00")) > 0 {
		t.Errorf("error %v, or something was written", err)
	}
}

// Any changed bit of a signed payload is found by Verify, and no changed bit
// makes a wrong partition pass for a right one.
func TestTampering(t *testing.T) {
	plan, old, next := deltaPlan(t)
	good, _ := write(t, plan, ecKey())
	layout := open(t, good).Layout()
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		b := bytes.Clone(good)
		at := r.IntN(len(b))
		switch r.IntN(3) {
		case 0:
			at = r.IntN(int(layout.MetadataSize))
		case 1:
			at = int(layout.BlobsOffset) + r.IntN(int(layout.BlobsSize))
		}
		b[at] ^= 1 << r.IntN(8)
		p, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			continue
		}
		if int64(at) < layout.MetadataSize || int64(at) >= layout.BlobsOffset && int64(at) < layout.BlobsOffset+layout.BlobsSize {
			if err := p.Verify(ecKey().Public()); err == nil {
				t.Errorf("byte %d changed: Verify is content", at)
			}
		}
		if q := p.Manifest().Partition("system"); q == nil || q.NewSize != int64(len(next)) || !bytes.Equal(q.NewSHA256, sum(next)) {
			continue
		}
		d := &disk{b: make([]byte, len(next))}
		if err := p.Apply(context.Background(), "system", bytes.NewReader(old), d, ApplyOptions{}); err == nil && !bytes.Equal(d.b, next) {
			t.Errorf("byte %d changed: a wrong partition passes", at)
		}
	}
	b := bytes.Clone(good)
	b[layout.BlobsOffset+5] ^= 1
	err := open(t, b).Apply(context.Background(), "system", bytes.NewReader(old), &disk{b: make([]byte, len(next))}, ApplyOptions{Workers: 1})
	if err == nil || !strings.Contains(err.Error(), `partition "system": operation 3 of 7 (REPLACE_XZ, writing block 14, data at 0): SHA-256 of`) {
		t.Errorf("error %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	failing := errors.New("out of luck")
	for _, c := range []struct {
		name string
		edit func(p *Plan)
		want string
	}{
		{"no partitions", func(p *Plan) { p.Parts = nil }, "it has no partitions"},
		{"full with a source", func(p *Plan) { p.MinorVersion = 0 }, "cannot have an old partition"},
		{"source without a partition", func(p *Plan) { p.Parts[0].Old = nil }, "old partition is not given"},
		{"outside", func(p *Plan) { p.Parts[0].Ops[0].Dst[0].Start = 60 }, "operation 0: destination: blocks 60+8 are outside"},
		{"gap", func(p *Plan) { p.Parts[0].Ops = p.Parts[0].Ops[1:] }, "operations write 56 blocks, expected 64"},
		{"twice", func(p *Plan) { p.Parts[0].Ops[1].Dst[0].Start = 4 }, "operations 0 and 1 both write block 4"},
		{"too new", func(p *Plan) { p.MinorVersion = 3 }, "ZERO needs minor version 4, found 3"},
		{"data for zero", func(p *Plan) { p.Parts[0].Ops[1].Data = p.Parts[0].Ops[3].Data }, "ZERO with Data true"},
		{"no data", func(p *Plan) { p.Parts[0].Ops[3].Data = nil }, "REPLACE_XZ with Data false"},
		{"wrong type of data", func(p *Plan) {
			p.Parts[0].Ops[4].Data = func(context.Context) (OpType, []byte, error) { return ReplaceZstd, []byte{1}, nil }
		}, "REPLACE_ZSTD with 1 bytes of data cannot be in a payload of minor version 6"},
		{"data fails", func(p *Plan) {
			p.Parts[0].Ops[5].Data = func(context.Context) (OpType, []byte, error) { return 0, nil, failing }
		}, `partition "system": operation 5: out of luck`},
		{"source short", func(p *Plan) {
			p.Parts[0].Old = bytes.NewReader(make([]byte, 10))
			p.Parts[0].OldSHA256 = make([]byte, 32)
		}, "source: 0 of 32768 bytes"},
		{"new short", func(p *Plan) { p.Parts[0].New = bytes.NewReader(make([]byte, 10)) }, `partition "system": new: 10 of`},
		{"no place to spill", func(p *Plan) { p.TempDir = "/nonexistent/dir" }, "cannot spill data"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, _, _ := deltaPlan(t)
			c.edit(&plan)
			var b bytes.Buffer
			_, err := Write(context.Background(), &b, plan, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot write payload: ") {
				t.Errorf("error %v, expected %q", err, c.want)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	plan, _ := fullPlan(t)
	plan.Progress = func(done, total int) { cancel() }
	if _, err := Write(ctx, &bytes.Buffer{}, plan, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	plan, _ = fullPlan(t)
	if _, err := Write(context.Background(), failWriter{}, plan, nil); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("writer fails: error %v", err)
	}
}

type failWriter struct{}

func (failWriter) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

func TestProperties(t *testing.T) {
	_, props := write(t, tinyPlan(t), nil)
	got, err := ParseProperties(props.Text() + "\r\nSWITCH_SLOT_ON_REBOOT=1\n")
	if err != nil || got != props {
		t.Errorf("%+v, %v, expected %+v", got, err, props)
	}
	for text, want := range map[string]string{
		"":                             "FILE_HASH is missing",
		"FILE_SIZE=-1":                 `line 1: size is "-1"`,
		"\nFILE_HASH=AAAA":             `line 2: hash is "AAAA", expected 32 bytes in base64`,
		"what":                         `"what" has no =`,
		props.Text() + "\nFILE_SIZE=1": "FILE_SIZE is there twice",
	} {
		if _, err := ParseProperties(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, expected %q", text, err, want)
		}
	}
}
