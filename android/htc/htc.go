// Package htc reads the ROM update utilities (RUU) of HTC: what lies in an .exe,
// the large zip, the encrypted zip with the key that the user brings, and
// android-info.txt.
//
// It carries no keys: they differ by device, and are the user's to bring. WriteZip
// writes a plain zip for `fastboot flash zip`, which a phone takes from others than
// HTC only when it is S-OFF. What an unlocked S-ON phone takes is made by others:
// boot and recovery images, flashed by fastboot, by package bootimg, and what
// recovery installs by package recoveryzip.
//
// No vendor's own file was at hand: the package was made from the description
// that ruuveal gives, read for the facts, and is tested on files made from it.
//
//   - "Htc@egi$": 128 bytes of header (u16 key map number, big-endian; u8 n; 20
//     bytes of main version, filled with 0xFF), then a zip of which the first MiB
//     of every whole n MiB is encrypted with AES-128-CBC, each from the same IV.
//   - "LaR@eZip": 256 bytes of header: eight starts, eight lengths and a count,
//     u32 little-endian; at each start lies a zip.
//   - Either may stand behind 256 bytes of signature.
package htc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Magics of the formats.
const (
	MagicEncrypted = "Htc@egi$"
	MagicLarge     = "LaR@eZip"
	magicZip       = "PK\x03\x04"
)

const (
	signatureSize   = 256
	encryptedHeader = 128
	largeHeader     = 256
	sealed          = 1 << 20 // of each chunk
)

// Kind is what a piece of a firmware is.
type Kind string

// Kinds of firmware.
const (
	Zip       Kind = "zip"
	Encrypted Kind = "encrypted zip" // open it with Decrypt
	Large     Kind = "large zip"     // see Parts
)

// Firmware is a rom.zip of any kind, or a part of one.
type Firmware struct {
	Kind   Kind
	Signed bool // 256 bytes of signature stand before it; they are not checked
	Offset int64
	Size   int64 // from Offset

	// Of an encrypted one:
	KeyMap      int    // which 32 places of the key file make key and IV, from 1
	ChunkMiB    int    // the first MiB of every so many is encrypted
	MainVersion string // "1.29.401.12"

	// Of a large one:
	Parts []Firmware

	r io.ReaderAt
}

// Open says what lies in r, which has size bytes.
func Open(r io.ReaderAt, size int64) (*Firmware, error) {
	f, err := open(r, 0, size, true)
	if err != nil {
		return nil, fmt.Errorf("cannot open HTC firmware: %w", err)
	}
	return f, nil
}

func open(r io.ReaderAt, at, size int64, large bool) (*Firmware, error) {
	f := &Firmware{Offset: at, Size: size, r: r}
	magic, err := f.magic(at)
	if err != nil {
		return nil, err
	}
	if !known(magic) && size > signatureSize+8 {
		if magic, err = f.magic(at + signatureSize); err != nil {
			return nil, err
		}
		f.Signed, f.Offset, f.Size = true, at+signatureSize, size-signatureSize
	}
	switch {
	case magic == MagicEncrypted:
		f.Kind = Encrypted
		return f, f.readEncrypted()
	case magic == MagicLarge && large:
		f.Kind = Large
		return f, f.readLarge()
	case strings.HasPrefix(magic, magicZip):
		f.Kind = Zip
		return f, nil
	}
	return nil, fmt.Errorf("offset %d: found %q, expected a zip, %s or %s, or one of them 256 bytes further", at, magic, MagicEncrypted, MagicLarge)
}

func known(magic string) bool {
	return magic == MagicEncrypted || magic == MagicLarge || strings.HasPrefix(magic, magicZip)
}

func (f *Firmware) magic(at int64) (string, error) {
	b := make([]byte, 8)
	if err := tree.ReadFull(f.r, b, at); err != nil {
		return "", fmt.Errorf("offset %d: %w", at, err)
	}
	return string(b), nil
}

func (f *Firmware) readEncrypted() error {
	if f.Size < encryptedHeader {
		return fmt.Errorf("offset %d: it has %d bytes, its header has %d", f.Offset, f.Size, encryptedHeader)
	}
	b := make([]byte, encryptedHeader)
	if err := tree.ReadFull(f.r, b, f.Offset); err != nil {
		return fmt.Errorf("offset %d: %w", f.Offset, err)
	}
	f.KeyMap, f.ChunkMiB = int(binary.BigEndian.Uint16(b[8:])), int(b[10])
	f.MainVersion = string(bytes.Trim(b[11:31], "\xff\x00"))
	if f.KeyMap == 0 || f.ChunkMiB == 0 {
		return fmt.Errorf("offset %d: key map %d and chunks of %d MiB, expected at least 1 of each", f.Offset+8, f.KeyMap, f.ChunkMiB)
	}
	return nil
}

func (f *Firmware) readLarge() error {
	if f.Size < largeHeader {
		return fmt.Errorf("offset %d: it has %d bytes, its header has %d", f.Offset, f.Size, largeHeader)
	}
	b := make([]byte, largeHeader)
	if err := tree.ReadFull(f.r, b, f.Offset); err != nil {
		return fmt.Errorf("offset %d: %w", f.Offset, err)
	}
	word := func(i int) int64 { return int64(binary.LittleEndian.Uint32(b[8+4*i:])) }
	n := word(16)
	if n < 1 || n > 8 {
		return fmt.Errorf("offset %d: it has %d parts, expected 1 to 8", f.Offset+72, n)
	}
	for i := range int(n) {
		start, length := word(i), word(8+i)
		if start < largeHeader || length < 8 || start+length > f.Size {
			return fmt.Errorf("offset %d: part %d has %d bytes at %d, the file has %d", f.Offset+8+4*int64(i), i, length, start, f.Size)
		}
		part, err := open(f.r, f.Offset+start, length, false)
		if err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
		f.Parts = append(f.Parts, *part)
	}
	return nil
}

// Section is the bytes of a plain zip.
func (f *Firmware) Section() *io.SectionReader { return io.NewSectionReader(f.r, f.Offset, f.Size) }

// Key opens the encrypted zips of a device that have one key map number.
type Key struct{ AES, IV [16]byte }

// Sizes of what KeyFrom takes.
const (
	KeyFileSize = 96
	KeyMapEntry = 32
)

// ErrNoKey says that an encrypted zip needs a key that the user has to bring.
var ErrNoKey = errors.New("it is encrypted; bring the device's key file")

// KeyFrom takes the key out of a device's key file, of 96 bytes, by the table of
// key maps: 32 places in the key file for each number, 16 for the key and 16 for
// the IV.
func KeyFrom(keyFile, keyMaps []byte, number int) (k Key, err error) {
	if len(keyFile) != KeyFileSize {
		return k, fmt.Errorf("cannot use key file: it has %d bytes, expected %d", len(keyFile), KeyFileSize)
	}
	if number < 1 || number > len(keyMaps)/KeyMapEntry {
		return k, fmt.Errorf("cannot use key file: the firmware asks for key map %d, the table has %d", number, len(keyMaps)/KeyMapEntry)
	}
	entry := keyMaps[(number-1)*KeyMapEntry:][:KeyMapEntry]
	for i, place := range entry {
		if int(place) >= len(keyFile) {
			return k, fmt.Errorf("cannot use key file: key map %d names byte %d, expected 0 to %d", number, place, len(keyFile)-1)
		}
		if i < 16 {
			k.AES[i] = keyFile[place]
		} else {
			k.IV[i-16] = keyFile[place]
		}
	}
	return k, nil
}

// KeyRing is the keys that a user brings, of one or several devices.
type KeyRing struct {
	keys  []Key
	files [][]byte
	maps  []byte
}

// Add takes a file of keys, by its size: 32 bytes are an AES key and its IV, 96 a
// device's key file, and any other multiple of 32 up to 64 KiB the table of key maps
// that key files need. The same in hex, with spaces or without, will do. It says
// whether it was one of these.
func (k *KeyRing) Add(file []byte) bool {
	if text, err := hex.DecodeString(string(bytes.Join(bytes.Fields(file), nil))); err == nil && len(text) > 0 {
		file = text
	}
	switch n := len(file); {
	case n == KeyMapEntry:
		k.keys = append(k.keys, Key{AES: [16]byte(file), IV: [16]byte(file[16:])})
	case n == KeyFileSize:
		k.files = append(k.files, file)
	case n > 0 && n%KeyMapEntry == 0 && n <= 64<<10:
		k.maps = file
	default:
		return false
	}
	return true
}

// Decrypt opens an encrypted zip with the first key that fits.
func (k *KeyRing) Decrypt(f *Firmware) (*io.SectionReader, error) {
	keys, err := slices.Clone(k.keys), ErrNoKey
	for _, file := range k.files {
		if k.maps == nil {
			err = errors.New("it is encrypted; beside the key file bring the table of key maps, or the AES key and IV")
			break
		}
		var key Key
		if key, err = KeyFrom(file, k.maps, f.KeyMap); err == nil {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		var r *io.SectionReader
		if r, err = f.Decrypt(key); err == nil {
			return r, nil
		}
	}
	return nil, err
}

// Decrypt shows an encrypted zip as the plain one, for reading at any place. A
// key that does not fit is an error.
func (f *Firmware) Decrypt(k Key) (*io.SectionReader, error) {
	if f.Kind != Encrypted {
		return nil, fmt.Errorf("cannot decrypt HTC firmware: it is a %s", f.Kind)
	}
	block, err := aes.NewCipher(k.AES[:])
	if err != nil {
		return nil, fmt.Errorf("cannot decrypt HTC firmware: %w", err)
	}
	body := io.NewSectionReader(f.r, f.Offset+encryptedHeader, f.Size-encryptedHeader)
	plain := io.NewSectionReader(&opened{body, block, k.IV, int64(f.ChunkMiB) << 20}, 0, body.Size())
	head := make([]byte, len(magicZip))
	if err := tree.ReadFull(plain, head, 0); err != nil {
		return nil, fmt.Errorf("cannot decrypt HTC firmware: %w", err)
	}
	if string(head) != magicZip {
		return nil, fmt.Errorf("cannot decrypt HTC firmware: with this key it begins with %q, a zip begins with %q; is it the device's key, for key map %d?", head, magicZip, f.KeyMap)
	}
	return plain, nil
}

// opened reads a body of which the first MiB of every whole chunk is encrypted.
type opened struct {
	body  *io.SectionReader
	block cipher.Block
	iv    [16]byte
	chunk int64
}

// sealedAt says whether the byte at off is encrypted, and up to where what it
// says goes.
func (o *opened) sealedAt(off int64) (bool, int64) {
	whole := o.body.Size() / o.chunk * o.chunk
	if off >= whole {
		return false, o.body.Size()
	}
	start := off / o.chunk * o.chunk
	if off < start+sealed {
		return true, start + sealed
	}
	return false, start + o.chunk
}

func (o *opened) ReadAt(p []byte, off int64) (n int, err error) {
	for len(p) > 0 {
		if off >= o.body.Size() {
			return n, io.EOF
		}
		secret, end := o.sealedAt(off)
		k := int(min(int64(len(p)), end-off))
		if secret {
			err = o.decrypt(p[:k], off)
		} else {
			err = tree.ReadFull(o.body, p[:k], off)
		}
		if err != nil {
			return n, fmt.Errorf("cannot read HTC firmware: offset %d: %w", off, err)
		}
		p, n, off = p[k:], n+k, off+int64(k)
	}
	return n, nil
}

// decrypt reads within one encrypted MiB. In CBC a block needs only itself and
// the one before it, so any place can be read.
func (o *opened) decrypt(p []byte, off int64) error {
	const size = aes.BlockSize
	first := off / size * size
	last := (off + int64(len(p)) + size - 1) / size * size
	buf := make([]byte, last-first)
	if err := tree.ReadFull(o.body, buf, first); err != nil {
		return err
	}
	iv := o.iv[:]
	if first%o.chunk != 0 {
		iv = make([]byte, size)
		if err := tree.ReadFull(o.body, iv, first-size); err != nil {
			return err
		}
	}
	cipher.NewCBCDecrypter(o.block, iv).CryptBlocks(buf, buf)
	copy(p, buf[off-first:])
	return nil
}

// Find looks in an RUU's .exe for firmware that its installer keeps uncompressed,
// and returns where each begins; the firmware goes on to the end of what the
// installer put there, which Open's formats bear. It reads once through the file
// and holds 1 MiB. Installers that compress their content hide it: run the .exe
// or unpack it first.
func Find(r io.ReaderAt, size int64) ([]int64, error) {
	const window, overlap = 1 << 20, 7
	var found []int64
	buf := make([]byte, window+overlap)
	for at := int64(0); at < size; at += window {
		n := min(int64(len(buf)), size-at)
		if err := tree.ReadFull(r, buf[:n], at); err != nil {
			return nil, fmt.Errorf("cannot search for HTC firmware: offset %d: %w", at, err)
		}
		for i := 0; i < int(n); i++ {
			j := bytes.IndexAny(buf[i:n], "HL")
			if j < 0 {
				break
			}
			i += j
			if rest := buf[i:n]; i < window && (bytes.HasPrefix(rest, []byte(MagicEncrypted)) || bytes.HasPrefix(rest, []byte(MagicLarge))) {
				if len(found) == 64 {
					return nil, errors.New("cannot search for HTC firmware: more than 64 places look like one")
				}
				found = append(found, at+int64(i))
			}
		}
	}
	return found, nil
}

// Info is android-info.txt: which phones a firmware is for.
type Info struct {
	Models      []string // modelid: "PN0710000"
	CIDs        []string // cidnum: "HTC__001"
	MainVersion string   // mainver
	Other       []string // lines that are none of these, as they are
}

// ReadInfo reads an android-info.txt of at most 64 KiB.
func ReadInfo(r io.Reader) (*Info, error) {
	b, err := io.ReadAll(io.LimitReader(r, 64<<10+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read android-info.txt: %w", err)
	}
	if len(b) > 64<<10 || bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("cannot read android-info.txt: expected at most 64 KiB of text")
	}
	info := &Info{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "":
		case "modelid":
			info.Models = append(info.Models, value)
		case "cidnum":
			info.CIDs = append(info.CIDs, value)
		case "mainver":
			info.MainVersion = value
		default:
			info.Other = append(info.Other, line)
		}
	}
	return info, nil
}
