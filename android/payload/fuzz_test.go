package payload

import (
	"bytes"
	"context"
	"testing"
)

// FuzzOpen: header and manifest of anything.
func FuzzOpen(f *testing.F) {
	full, _ := write(f, tinyPlan(f), nil)
	plan, _, _ := deltaPlan(f)
	delta, _ := write(f, plan, nil)
	f.Add(full)
	f.Add(delta)
	f.Add(delta[:100])
	f.Add([]byte("CrAU\x00\x00\x00\x00\x00\x00\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		_ = p.Verify(ecKey().Public())
		for _, q := range p.Manifest().Partitions {
			_ = p.Check(q.Name)
		}
		// What was read can be written, and read again.
		l := p.Layout()
		m := *p.Manifest()
		m.SignaturesOffset, m.SignaturesSize = 0, 0
		open(t, raw(t, m, b[l.BlobsOffset:l.BlobsOffset+l.BlobsSize]))
	})
}

// FuzzApply: one operation over a small source, its data and type anything.
func FuzzApply(f *testing.F) {
	plan, old, _ := deltaPlan(f)
	b, _ := write(f, plan, nil)
	p := open(f, b)
	for _, o := range p.Manifest().Partitions[0].Operations {
		if o.DataLength > 0 {
			f.Add(uint32(o.Type), b[p.Layout().BlobsOffset+int64(o.DataOffset):][:o.DataLength])
		}
	}
	f.Add(uint32(ReplaceZstd), []byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x09, 0, 0, 'a'})
	f.Add(uint32(ReplaceBZ), []byte("BZh91AY&SY"))
	var patch bytes.Buffer
	from, to := apk(f, "1"), apk(f, "2")
	if ok, err := puffinDiff(from, to, &patch); err != nil || !ok {
		f.Fatal(ok, err)
	}
	f.Add(uint32(Puffdiff), patch.Bytes())
	f.Fuzz(func(t *testing.T, kind uint32, data []byte) {
		o := Operation{Type: OpType(kind), Src: []Extent{{40, 8}, {8, 4}}, Dst: []Extent{{2, 3}, {0, 1}, {9, 8}},
			DataLength: uint64(len(data)), DataSHA256: sum(data)}
		b := raw(t, Manifest{Partitions: []Partition{{Name: "p", OldSize: int64(len(old)), NewSize: 20 * blockSize, NewSHA256: sum(nil), Operations: []Operation{o}}}}, data)
		p, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		d := &disk{b: bytes.Repeat([]byte{0xa5}, 20*blockSize)}
		_ = p.Apply(context.Background(), "p", bytes.NewReader(old), d, ApplyOptions{Workers: 1})
		for _, block := range []int{1, 5, 6, 7, 8, 17, 18, 19} {
			if at := block * blockSize; !bytes.Equal(d.b[at:at+blockSize], bytes.Repeat([]byte{0xa5}, blockSize)) {
				t.Fatalf("block %d was written", block)
			}
		}
	})
}

func FuzzParseProperties(f *testing.F) {
	f.Add(Properties{FileSize: 5}.Text())
	f.Add("FILE_HASH=\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProperties(text)
		if err != nil {
			return
		}
		if again, err := ParseProperties(p.Text()); err != nil || again != p {
			t.Fatalf("%+v, %v, expected %+v", again, err, p)
		}
	})
}
