package samsung

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// PIT is a phone's partition table.
type PIT struct {
	Unknown    [8]byte // "COM_TAR2" in most
	Project    [8]byte // the chip's or project's name: "MSM8974"
	Version    uint32  // zero in older ones
	Partitions []Partition
	Tail       []byte // what follows the entries; a signature in newer ones
}

// Partition is one entry of a PIT. Numbers whose meaning differs by phone are
// kept as they are.
type Partition struct {
	Binary     uint32 // 0 application processor, 1 modem
	Device     uint32 // 0 OneNAND, 1 file, 2 eMMC, 3 all, 8 UFS
	ID         uint32
	Attributes uint32 // 1 writable, 2 STL
	Update     uint32 // 1 FOTA, 2 secure
	BlockSize  uint32 // or the first block, on eMMC
	BlockCount uint32
	FileOffset uint32
	FileSize   uint32
	Name       string // "SYSTEM"; at most 31 bytes
	FlashName  string // "system.img"
	FOTAName   string
}

const (
	pitMagic  = 0x12349876
	pitHeader = 28
	pitEntry  = 132
	maxPIT    = 1 << 20
)

// ReadPIT reads a partition table of at most 1 MiB.
func ReadPIT(r io.Reader) (*PIT, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPIT+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read PIT: %w", err)
	}
	if len(b) < pitHeader || len(b) > maxPIT {
		return nil, fmt.Errorf("cannot read PIT: it has %d bytes, expected %d to %d", len(b), pitHeader, maxPIT)
	}
	if m := binary.LittleEndian.Uint32(b); m != pitMagic {
		return nil, fmt.Errorf("cannot read PIT: offset 0: magic is %#08x, expected %#08x", m, uint32(pitMagic))
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if int64(n) > int64(len(b)-pitHeader)/pitEntry {
		return nil, fmt.Errorf("cannot read PIT: offset 4: it has %d entries, %d bytes are left for them", n, len(b)-pitHeader)
	}
	p := &PIT{Unknown: [8]byte(b[8:16]), Project: [8]byte(b[16:24]), Version: binary.LittleEndian.Uint32(b[24:])}
	b = b[pitHeader:]
	for i := range int(n) {
		e, err := readPartition(b[:pitEntry])
		if err != nil {
			return nil, fmt.Errorf("cannot read PIT: offset %d: entry %d: %w", pitHeader+i*pitEntry, i, err)
		}
		p.Partitions = append(p.Partitions, e)
		b = b[pitEntry:]
	}
	if len(b) > 0 {
		p.Tail = bytes.Clone(b)
	}
	return p, nil
}

func readPartition(b []byte) (e Partition, err error) {
	for i, field := range e.numbers() {
		*field = binary.LittleEndian.Uint32(b[4*i:])
	}
	for i, field := range e.names() {
		raw := b[36+32*i:][:32]
		name, rest, ok := bytes.Cut(raw, []byte{0})
		if !ok {
			return e, fmt.Errorf("a name does not end: %q", raw)
		}
		if len(bytes.Trim(rest, "\x00")) > 0 { // writing would lose them
			return e, fmt.Errorf("after the name %q stand other bytes: %q", name, rest)
		}
		*field = string(name)
	}
	return e, nil
}

func (e *Partition) numbers() []*uint32 {
	return []*uint32{&e.Binary, &e.Device, &e.ID, &e.Attributes, &e.Update, &e.BlockSize, &e.BlockCount, &e.FileOffset, &e.FileSize}
}

func (e *Partition) names() []*string { return []*string{&e.Name, &e.FlashName, &e.FOTAName} }

// WriteTo writes the table; what ReadPIT read comes out byte for byte.
func (p *PIT) WriteTo(w io.Writer) (int64, error) {
	b := binary.LittleEndian.AppendUint32(nil, pitMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Partitions)))
	b = append(append(b, p.Unknown[:]...), p.Project[:]...)
	b = binary.LittleEndian.AppendUint32(b, p.Version)
	for i := range p.Partitions {
		e := p.Partitions[i]
		for _, v := range e.numbers() {
			b = binary.LittleEndian.AppendUint32(b, *v)
		}
		for _, v := range e.names() {
			if len(*v) > 31 || strings.ContainsRune(*v, 0) {
				return 0, fmt.Errorf("cannot write PIT: entry %d: the name %q does not fit into 31 bytes", i, *v)
			}
			b = append(append(b, *v...), make([]byte, 32-len(*v))...)
		}
	}
	if b = append(b, p.Tail...); len(b) > maxPIT {
		return 0, fmt.Errorf("cannot write PIT: it has %d bytes, expected at most %d", len(b), maxPIT)
	}
	n, err := w.Write(b)
	return int64(n), err
}

// Find returns the partition that an image of this name is flashed to, or nil:
// "system.img.lz4" goes where the table says "system.img".
func (p *PIT) Find(file string) *Partition {
	file = strings.TrimSuffix(file, ".lz4")
	for i, e := range p.Partitions {
		if e.FlashName != "" && strings.EqualFold(e.FlashName, file) {
			return &p.Partitions[i]
		}
	}
	return nil
}
