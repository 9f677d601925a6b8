package otazip

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"
)

// seen is what an updater takes from a package.
type seen struct {
	payload, metadata, bin, properties string
}

func look(b []byte) (seen, error) {
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return seen{}, err
	}
	if _, err := z.Metadata(); err != nil {
		return seen{}, err
	}
	var s seen
	for name, to := range map[string]*string{NameMetadata: &s.metadata, NameMetadataPB: &s.bin, NameProperties: &s.properties} {
		text, err := z.ReadFile(name)
		if err != nil {
			return seen{}, err
		}
		*to = string(text)
	}
	r, err := z.Payload()
	if err != nil {
		return seen{}, err
	}
	payload, err := io.ReadAll(r)
	s.payload = string(payload)
	return s, err
}

// TestEveryByte changes each byte of a small package: one bit of what is
// signed, and in two ways what is not.
func TestEveryByte(t *testing.T) {
	b, _, cert := writeTest(t, testContents(fakePayload(500)), testRSA(), zip64From)
	certs := []*x509.Certificate{cert}
	want, err := look(b)
	if err != nil {
		t.Fatal(err)
	}
	comment := int(binary.LittleEndian.Uint16(b[len(b)-2:]))
	accepted := 0
	for i := range b {
		flips := []byte{1 << (i % 8)}
		if i >= len(b)-comment-2 {
			flips = []byte{0x01, 0xff}
		}
		for _, flip := range flips {
			b[i] ^= flip
			if _, err := Verify(bytes.NewReader(b), int64(len(b)), certs); err == nil {
				accepted++
				if i < len(b)-comment-2 {
					t.Errorf("byte %d, which is signed: accepted after a change", i)
				}
				if got, err := look(b); err != nil || got != want {
					t.Errorf("byte %d: accepted, and the package looks different (%v)", i, err)
				}
			}
			b[i] ^= flip
		}
	}
	t.Logf("%d bytes, comment %d; %d changes of the comment do not matter", len(b), comment, accepted)
	if _, err := Verify(bytes.NewReader(b), int64(len(b)), certs); err != nil {
		t.Error(err)
	}
	for n := range b {
		if _, err := Verify(bytes.NewReader(b[:n]), int64(n), certs); err == nil {
			t.Errorf("cut off after %d bytes: accepted", n)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	good, _, cert := writeTest(t, testContents(fakePayload(500)), testRSA(), zip64From)
	n := len(good)
	le := binary.LittleEndian
	comment := int(le.Uint16(good[n-2:]))
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		want   string
	}{
		{"empty", func([]byte) []byte { return nil }, "cannot verify package: it has 0 bytes, too few for a signed zip"},
		{"not signed", func(b []byte) []byte { return le.AppendUint16(b[:n-comment-2], 0) },
			"cannot verify package: it has no whole-file signature: footer at byte"},
		{"footer: comment", func(b []byte) []byte { le.PutUint16(b[n-2:], 0xffff); return b },
			"cannot verify package: footer: comment of 65535 bytes is longer than the file of"},
		{"footer: start", func(b []byte) []byte { le.PutUint16(b[n-6:], uint16(comment+1)); return b },
			"cannot verify package: footer: signature starts"},
		{"footer: inside", func(b []byte) []byte { le.PutUint16(b[n-6:], 6); return b },
			"cannot verify package: footer: signature starts 6 bytes before the end, inside the footer of 6"},
		{"end record moved", func(b []byte) []byte { le.PutUint16(b[n-2:], uint16(comment-1)); return b },
			"cannot verify package: no end of central directory at byte"},
		{"second end record", func(b []byte) []byte { copy(b[n-comment:], magicEOCD); return b },
			"cannot verify package: a second end of central directory at byte"},
		{"comment length", func(b []byte) []byte { b[n-comment-2] ^= 1; return b },
			"cannot verify package: the zip's comment has"},
		{"not CMS", func(b []byte) []byte { b[n-int(le.Uint16(b[n-6:]))] = 0; return b },
			"cannot read signature block: ContentInfo: asn1:"},
		{"changed", func(b []byte) []byte { b[4096+100] ^= 1; return b },
			`cannot verify package: the signature by "CN=Test OTA" does not match the file (SHA-256 `},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.change(slices.Clone(good))
			_, err := Verify(bytes.NewReader(b), int64(len(b)), []*x509.Certificate{cert})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s…", err, c.want)
			}
		})
	}
	if _, err := Verify(bytes.NewReader(good), int64(n), nil); err == nil || err.Error() != "cannot verify package: no certificate to verify it with" {
		t.Errorf("no certificates: %v", err)
	}
	if _, err := Verify(bytes.NewReader(good), int64(n), []*x509.Certificate{testCert(t, testEC())}); err == nil {
		t.Error("another key's certificate of the same name and serial: accepted")
	}
}

// TestSignedAttributes: a signature over attributes does not sign the file the
// way recovery reads it.
func TestSignedAttributes(t *testing.T) {
	const want = "cannot read signature block: SignerInfo: it has signed attributes, which recovery refuses; sign without them"
	block := attributedCMS(t)
	if _, err := parseCMS(block); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
