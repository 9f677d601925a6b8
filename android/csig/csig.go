// Package csig writes and reads the signed descriptions of OTA zips by which
// Custota, an updater for unlocked A/B phones, learns what is in a zip before it
// fetches it: where each of the property files lies, how large it is, and its
// SHA-256.
//
// A csig is a CMS SignedData in DER (RFC 5652) over JSON, made with the key that
// signs the zip; Custota's README, under "File formats", describes both. A
// description follows from the zip, and its bytes from the description and the
// key: nothing asks the clock. The package neither fetches nor judges zips.
package csig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/smallstep/pkcs7"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
)

// Version is that of the descriptions made here: 2, which may name the vbmeta
// digest. Version 1, without it, is read too.
const Version = 2

// Bounds of what is read.
const (
	maxBytes = 64 << 10 // of a csig; usual are 3 to 4 KiB
	maxFiles = 64
)

// Info describes a zip.
type Info struct {
	Version int    `json:"version"`
	Files   []File `json:"files"` // in the order of the zip's ota-property-files
	// VBMetaDigest is what a phone calls ro.boot.vbmeta.digest once it runs a full
	// package, in lower-case hex; empty for an incremental one, and where the build
	// has none.
	VBMetaDigest string `json:"vbmeta_digest,omitempty"`
}

// File is one of the zip's property files.
type File struct {
	Name   string `json:"name"` // "payload.bin"
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // SHA-256, lower-case hex
}

// Find returns the file of a name.
func (i *Info) Find(name string) (File, bool) {
	for _, f := range i.Files {
		if f.Name == name {
			return f, true
		}
	}
	return File{}, false
}

// needed are the files without which Custota takes no zip.
var needed = []string{"metadata.pb", "payload_metadata.bin", otazip.NamePayload, otazip.NameProperties}

// Describe reads an A/B OTA zip of size bytes and says what is in it. It hashes
// the payload, so it takes as long as reading the zip. vbmetaDigest is that of
// the build that a full package leads to, 64 hex digits, or empty.
func Describe(ctx context.Context, zip io.ReaderAt, size int64, vbmetaDigest string) (Info, error) {
	info, err := describe(ctx, zip, size, vbmetaDigest)
	if err != nil {
		return Info{}, fmt.Errorf("cannot describe package for Custota: %w", err)
	}
	return info, nil
}

func describe(ctx context.Context, zip io.ReaderAt, size int64, vbmetaDigest string) (Info, error) {
	z, err := otazip.Open(zip, size)
	if err != nil {
		return Info{}, err
	}
	m, err := z.Metadata()
	if err != nil {
		return Info{}, err
	}
	list := strings.TrimRight(m.PropertyFiles[otazip.PropertyFiles], " ")
	switch {
	case m.OTAType != "AB":
		return Info{}, fmt.Errorf("its type is %q, expected AB; Custota installs no other", m.OTAType)
	case list == "":
		return Info{}, errors.New("its metadata has no " + otazip.PropertyFiles)
	case vbmetaDigest != "" && (m.PreBuild != "" || m.PreBuildIncremental != ""):
		return Info{}, errors.New("a vbmeta digest is given, which an incremental package has none of")
	}
	if err := z.CheckPropertyFiles(m); err != nil {
		return Info{}, err
	}
	info := Info{Version: Version, VBMetaDigest: strings.ToLower(vbmetaDigest)}
	for item := range strings.SplitSeq(list, ",") {
		f, err := readFile(ctx, zip, size, item)
		if err != nil {
			return Info{}, err
		}
		info.Files = append(info.Files, f)
	}
	return info, info.check()
}

// readFile hashes what "name:offset:size" says.
func readFile(ctx context.Context, zip io.ReaderAt, size int64, item string) (File, error) {
	part := strings.Split(item, ":")
	if len(part) != 3 {
		return File{}, fmt.Errorf("%s has %.80q, expected name:offset:size", otazip.PropertyFiles, item)
	}
	offset, err := strconv.ParseInt(part[1], 10, 64)
	length, err2 := strconv.ParseInt(part[2], 10, 64)
	if err != nil || err2 != nil || offset < 0 || length < 0 || offset > size || length > size-offset {
		return File{}, fmt.Errorf("%s has %.80q, which does not lie in a zip of %d bytes", otazip.PropertyFiles, item, size)
	}
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for at := int64(0); at < length; {
		if err := ctx.Err(); err != nil {
			return File{}, err
		}
		b := buf[:min(int64(len(buf)), length-at)]
		if err := tree.ReadFull(zip, b, offset+at); err != nil {
			return File{}, fmt.Errorf("%s: %w", part[0], err)
		}
		h.Write(b)
		at += int64(len(b))
	}
	return File{Name: part[0], Offset: offset, Size: length, Digest: hex.EncodeToString(h.Sum(nil))}, nil
}

// check says what Custota would miss or refuse.
func (i *Info) check() error {
	switch {
	case i.Version != 1 && i.Version != Version:
		return fmt.Errorf("version is %d, expected 1 or %d", i.Version, Version)
	case i.Version == 1 && i.VBMetaDigest != "":
		return errors.New("version is 1 and it has a vbmeta digest, which came with 2")
	case i.VBMetaDigest != "" && !isDigest(i.VBMetaDigest):
		return fmt.Errorf("vbmeta digest is %.80q, expected 64 hex digits", i.VBMetaDigest)
	case len(i.Files) > maxFiles:
		return fmt.Errorf("it has %d files, at most %d are expected", len(i.Files), maxFiles)
	}
	seen := map[string]bool{}
	for _, f := range i.Files {
		switch {
		case f.Name == "" || f.Offset < 0 || f.Size < 0 || f.Offset+f.Size < 0:
			return fmt.Errorf("file %.80q at byte %d with %d bytes is none", f.Name, f.Offset, f.Size)
		case !isDigest(f.Digest):
			return fmt.Errorf("digest of %.80q is %.80q, expected 64 hex digits", f.Name, f.Digest)
		case seen[f.Name]:
			return fmt.Errorf("file %.80q is there twice", f.Name)
		}
		seen[f.Name] = true
	}
	for _, name := range needed {
		if !seen[name] {
			return fmt.Errorf("it lacks %s, which Custota needs", name)
		}
	}
	return nil
}

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// Open reads a csig and returns what it says, if the key of one of certs signed
// it. The dates of certificates do not count, as on a phone.
func Open(der []byte, certs []*x509.Certificate) (Info, error) {
	info, err := open(der, certs)
	if err != nil {
		return Info{}, fmt.Errorf("cannot read csig: %w", err)
	}
	return info, nil
}

func open(der []byte, certs []*x509.Certificate) (Info, error) {
	if len(der) > maxBytes {
		return Info{}, fmt.Errorf("it has %d bytes, at most %d are expected", len(der), maxBytes)
	}
	p, err := pkcs7.Parse(der)
	if err != nil {
		return Info{}, err
	}
	if len(p.Content) == 0 {
		return Info{}, errors.New("its signature is over nothing that it holds")
	}
	p.Certificates = certs // those that it brings along count for nothing
	if err := p.Verify(); err != nil {
		return Info{}, fmt.Errorf("none of the %d trusted certificates signed it: %w", len(certs), err)
	}
	var info Info
	d := json.NewDecoder(bytes.NewReader(p.Content))
	if err := d.Decode(&info); err != nil {
		return Info{}, err
	}
	if d.More() {
		return Info{}, errors.New("there is more after its JSON")
	}
	return info, info.check()
}
