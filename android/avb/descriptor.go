package avb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Descriptor is one of *PropertyDescriptor, *HashtreeDescriptor, *HashDescriptor,
// *CmdlineDescriptor, *ChainDescriptor or *UnknownDescriptor.
type Descriptor interface{ tag() uint64 }

// PropertyDescriptor is a key and a value that the system can ask the boot loader for.
type PropertyDescriptor struct {
	Key   string
	Value []byte
}

// Bits of HashtreeDescriptor.Flags, HashDescriptor.Flags and ChainDescriptor.Flags.
const (
	FlagDoNotUseAB      = 1 << 0
	FlagCheckAtMostOnce = 1 << 1 // hash trees only
)

// HashtreeDescriptor describes a partition checked block by block as it is read.
type HashtreeDescriptor struct {
	Partition     string
	DMVersion     uint32 // of dm-verity: 1
	ImageSize     uint64
	TreeOffset    uint64
	TreeSize      uint64
	DataBlockSize uint32
	HashBlockSize uint32
	FECRoots      uint32
	FECOffset     uint64
	FECSize       uint64
	HashAlgorithm string // "sha256"; "sha1" before Android 11
	Salt          []byte
	RootDigest    []byte // nil: kept by the phone
	Flags         uint32
}

// HashDescriptor describes a partition checked as a whole when it is loaded.
type HashDescriptor struct {
	Partition     string
	ImageSize     uint64
	HashAlgorithm string // "sha256" or "sha512"
	Salt          []byte
	Digest        []byte // nil: kept by the phone
	Flags         uint32
}

// Bits of CmdlineDescriptor.Flags.
const (
	FlagOnlyIfHashtreeEnabled  = 1 << 0
	FlagOnlyIfHashtreeDisabled = 1 << 1
)

// CmdlineDescriptor is a piece of the kernel's command line.
type CmdlineDescriptor struct {
	Flags   uint32
	Cmdline string
}

// ChainDescriptor delegates a partition to the owner of another key.
type ChainDescriptor struct {
	Partition             string
	RollbackIndexLocation uint32 // 1 to 31
	PublicKey             []byte
	Flags                 uint32
}

// UnknownDescriptor keeps a descriptor whose tag this package does not know.
type UnknownDescriptor struct {
	Tag  uint64
	Data []byte // a multiple of 8 bytes
}

const (
	tagProperty = iota
	tagHashtree
	tagHash
	tagCmdline
	tagChain
)

func (*PropertyDescriptor) tag() uint64  { return tagProperty }
func (*HashtreeDescriptor) tag() uint64  { return tagHashtree }
func (*HashDescriptor) tag() uint64      { return tagHash }
func (*CmdlineDescriptor) tag() uint64   { return tagCmdline }
func (*ChainDescriptor) tag() uint64     { return tagChain }
func (d *UnknownDescriptor) tag() uint64 { return d.Tag }

// parseDescriptors reads all of b, which lies at offset base of the struct.
func parseDescriptors(b []byte, base int) ([]Descriptor, error) {
	var ds []Descriptor
	for at := 0; at < len(b); {
		r := &reader{b: b[at:], base: base + at, what: fmt.Sprintf("descriptor %d", len(ds))}
		tag := r.u64("tag")
		n := r.u64("num_bytes_following")
		if r.err == nil && n%8 != 0 {
			r.fail(8, "num_bytes_following", n, "a multiple of 8")
		} else if left := uint64(len(b) - at - 16); r.err == nil && n > left {
			r.fail(8, "num_bytes_following", n, fmt.Sprintf("at most %d", left))
		}
		body := r.bytes(n, "num_bytes_following")
		if r.err != nil {
			return nil, r.err
		}
		d, err := parseDescriptor(tag, body, base+at+16, len(ds))
		if err != nil {
			return nil, err
		}
		ds = append(ds, d)
		at += 16 + len(body)
	}
	return ds, nil
}

func parseDescriptor(tag uint64, body []byte, base, index int) (Descriptor, error) {
	names := [...]string{"property", "hashtree", "hash", "kernel command line", "chain partition"}
	if tag >= uint64(len(names)) {
		return &UnknownDescriptor{Tag: tag, Data: bytes.Clone(body)}, nil
	}
	r := &reader{b: body, base: base, what: fmt.Sprintf("descriptor %d (%s)", index, names[tag])}
	var d Descriptor
	switch tag {
	case tagProperty:
		d = r.property()
	case tagHashtree:
		d = r.hashtree()
	case tagHash:
		d = r.hash()
	case tagCmdline:
		p := &CmdlineDescriptor{Flags: r.u32("flags")}
		p.Cmdline = r.text(uint64(r.u32("kernel_cmdline_length")), "kernel_cmdline")
		d = p
	case tagChain:
		d = r.chain()
	}
	if pad := len(r.b) - r.pos; r.err == nil && pad >= 8 {
		r.fail(r.pos, "padding", fmt.Sprintf("%d bytes long", pad), "less than 8")
	}
	r.zeros(uint64(len(r.b)-r.pos), "padding")
	return d, r.err
}

func (r *reader) property() Descriptor {
	d := &PropertyDescriptor{}
	key, value := r.u64("key_num_bytes"), r.u64("value_num_bytes")
	d.Key = r.text(key, "key")
	r.zeros(1, "the byte after the key")
	d.Value = bytesOrNil(r.bytes(value, "value"))
	r.zeros(1, "the byte after the value")
	return d
}

func (r *reader) hashtree() Descriptor {
	d := &HashtreeDescriptor{
		DMVersion:     r.u32("dm_verity_version"),
		ImageSize:     r.u64("image_size"),
		TreeOffset:    r.u64("tree_offset"),
		TreeSize:      r.u64("tree_size"),
		DataBlockSize: r.u32("data_block_size"),
		HashBlockSize: r.u32("hash_block_size"),
		FECRoots:      r.u32("fec_num_roots"),
		FECOffset:     r.u64("fec_offset"),
		FECSize:       r.u64("fec_size"),
		HashAlgorithm: r.fixedString(32, "hash_algorithm"),
	}
	name, salt, root := r.u32("partition_name_len"), r.u32("salt_len"), r.u32("root_digest_len")
	d.Flags = r.u32("flags")
	r.zeros(60, "reserved")
	d.Partition = r.partition(name)
	d.Salt = bytesOrNil(r.bytes(uint64(salt), "salt"))
	d.RootDigest = bytesOrNil(r.bytes(uint64(root), "root_digest"))
	return d
}

func (r *reader) hash() Descriptor {
	d := &HashDescriptor{ImageSize: r.u64("image_size"), HashAlgorithm: r.fixedString(32, "hash_algorithm")}
	name, salt, sum := r.u32("partition_name_len"), r.u32("salt_len"), r.u32("digest_len")
	d.Flags = r.u32("flags")
	r.zeros(60, "reserved")
	d.Partition = r.partition(name)
	d.Salt = bytesOrNil(r.bytes(uint64(salt), "salt"))
	d.Digest = bytesOrNil(r.bytes(uint64(sum), "digest"))
	return d
}

func (r *reader) chain() Descriptor {
	d := &ChainDescriptor{RollbackIndexLocation: r.u32("rollback_index_location")}
	name, key := r.u32("partition_name_len"), r.u32("public_key_len")
	d.Flags = r.u32("flags")
	r.zeros(60, "reserved")
	d.Partition = r.partition(name)
	d.PublicKey = bytesOrNil(r.bytes(uint64(key), "public_key"))
	return d
}

// checkWritable refuses what would not fit its field. The rest is seen when the
// finished struct is read again.
func checkWritable(d Descriptor) error {
	hash := ""
	switch d := d.(type) {
	case nil:
		return fmt.Errorf("it is nil")
	case *HashtreeDescriptor:
		hash = d.HashAlgorithm
	case *HashDescriptor:
		hash = d.HashAlgorithm
	case *UnknownDescriptor:
		if d.Tag <= tagChain {
			return fmt.Errorf("its tag is %d, which is a known descriptor's", d.Tag)
		}
		if len(d.Data)%8 != 0 {
			return fmt.Errorf("its data is %d bytes long, expected a multiple of 8", len(d.Data))
		}
	}
	if len(hash) > 31 {
		return fmt.Errorf("its hash algorithm %q is %d bytes long, expected at most 31", hash, len(hash))
	}
	return nil
}

// appendDescriptor writes d with its frame and padding.
func appendDescriptor(b []byte, d Descriptor) []byte {
	be := binary.BigEndian
	start := len(b)
	b = append(b, make([]byte, 16)...)
	fixed := func(s string) { b = append(append(b, s...), make([]byte, max(0, 32-len(s)))...) }
	lengths := func(flags uint32, parts ...[]byte) {
		for _, p := range parts {
			b = be.AppendUint32(b, uint32(len(p)))
		}
		b = append(be.AppendUint32(b, flags), make([]byte, 60)...)
		for _, p := range parts {
			b = append(b, p...)
		}
	}
	switch d := d.(type) {
	case *PropertyDescriptor:
		b = be.AppendUint64(b, uint64(len(d.Key)))
		b = be.AppendUint64(b, uint64(len(d.Value)))
		b = append(append(b, d.Key...), 0)
		b = append(append(b, d.Value...), 0)
	case *HashtreeDescriptor:
		b = be.AppendUint32(b, d.DMVersion)
		b = be.AppendUint64(b, d.ImageSize)
		b = be.AppendUint64(b, d.TreeOffset)
		b = be.AppendUint64(b, d.TreeSize)
		b = be.AppendUint32(b, d.DataBlockSize)
		b = be.AppendUint32(b, d.HashBlockSize)
		b = be.AppendUint32(b, d.FECRoots)
		b = be.AppendUint64(b, d.FECOffset)
		b = be.AppendUint64(b, d.FECSize)
		fixed(d.HashAlgorithm)
		lengths(d.Flags, []byte(d.Partition), d.Salt, d.RootDigest)
	case *HashDescriptor:
		b = be.AppendUint64(b, d.ImageSize)
		fixed(d.HashAlgorithm)
		lengths(d.Flags, []byte(d.Partition), d.Salt, d.Digest)
	case *CmdlineDescriptor:
		b = be.AppendUint32(b, d.Flags)
		b = be.AppendUint32(b, uint32(len(d.Cmdline)))
		b = append(b, d.Cmdline...)
	case *ChainDescriptor:
		b = be.AppendUint32(b, d.RollbackIndexLocation)
		lengths(d.Flags, []byte(d.Partition), d.PublicKey)
	case *UnknownDescriptor:
		b = append(b, d.Data...)
	}
	b = append(b, make([]byte, roundUp(len(b)-start, 8)-(len(b)-start))...)
	be.PutUint64(b[start:], d.tag())
	be.PutUint64(b[start+8:], uint64(len(b)-start-16))
	return b
}

// reader takes fields off b and keeps the first error.
type reader struct {
	b    []byte
	base int // offset of b in the struct
	pos  int
	what string
	err  error
}

func (r *reader) fail(at int, field string, found, expected any) {
	if r.err == nil {
		r.err = badField("vbmeta "+r.what, r.base+at, field, found, expected)
	}
}

func (r *reader) bytes(n uint64, field string) []byte {
	if left := uint64(len(r.b) - r.pos); r.err == nil && n > left {
		r.fail(r.pos, field, fmt.Sprintf("%d bytes long", n), fmt.Sprintf("at most %d", left))
	}
	if r.err != nil {
		return nil
	}
	r.pos += int(n)
	return r.b[r.pos-int(n) : r.pos]
}

func (r *reader) u32(field string) uint32 {
	if b := r.bytes(4, field); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64(field string) uint64 {
	if b := r.bytes(8, field); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) zeros(n uint64, field string) {
	at := r.pos
	for i, c := range r.bytes(n, field) {
		if c != 0 {
			r.fail(at+i, field, fmt.Sprintf("%#02x", c), 0)
		}
	}
}

func (r *reader) text(n uint64, field string) string {
	at := r.pos
	b := r.bytes(n, field)
	if !utf8.Valid(b) {
		r.fail(at, field, fmt.Sprintf("%q", b), "UTF-8")
	}
	return string(b)
}

func (r *reader) fixedString(n uint64, field string) string {
	at := r.pos
	s := strings.TrimRight(string(r.bytes(n, field)), "\x00")
	if len(s) == int(n) || strings.ContainsRune(s, 0) {
		r.fail(at, field, fmt.Sprintf("%q", s), fmt.Sprintf("a string of at most %d bytes, filled with NULs", n-1))
	}
	return s
}

// partition takes a name that is safe to look up: callers open files by it.
func (r *reader) partition(n uint32) string {
	at := r.pos
	name := r.text(uint64(n), "partition_name")
	if r.err == nil && !validPartition(name) {
		r.fail(at, "partition_name", fmt.Sprintf("%q", name), "1 to 31 letters, digits, '_', '-' or '.'")
	}
	return name
}

func validPartition(name string) bool {
	if len(name) == 0 || len(name) > 31 || strings.Trim(name, ".") == "" {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
