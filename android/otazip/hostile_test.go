package otazip

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
)

func attributedCMS(t *testing.T) []byte {
	t.Helper()
	sd, err := pkcs7.NewSignedData([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := sd.AddSigner(testCert(t, testRSA()), testRSA(), pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	sd.Detach()
	block, err := sd.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// plainZip is a zip by archive/zip, as others write them.
func plainZip(t testing.TB, method uint16, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpenOthers(t *testing.T) {
	for _, method := range []uint16{Store, Deflate} {
		b := plainZip(t, method, "a", strings.Repeat("hello ", 99), "dir/", "", "dir/b", "x")
		z, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := z.ReadFile("a"); err != nil || len(got) != 594 {
			t.Errorf("method %d: %d bytes, %v", method, len(got), err)
		}
		if len(z.Entries()) != 3 {
			t.Errorf("entries: %v", z.Entries())
		}
		if _, err := z.Metadata(); err == nil || err.Error() != "cannot read metadata: the zip has neither META-INF/com/android/metadata nor META-INF/com/android/metadata.pb; is it an OTA package?" {
			t.Errorf("metadata: %v", err)
		}
		if _, err := z.Payload(); err == nil || err.Error() != "cannot find payload.bin: not in the zip; is it an A/B OTA package?" {
			t.Errorf("payload: %v", err)
		}
	}
	b := plainZip(t, Deflate, NamePayload, strings.Repeat("CrAU", 99))
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Payload(); err == nil || err.Error() != "cannot use payload.bin: it is compressed (method 8) or encrypted, expected stored, so that a phone can read it in place" {
		t.Errorf("deflated payload: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	good, _, _ := writeTest(t, testContents(fakePayload(500)), testRSA(), zip64From)
	le := binary.LittleEndian
	// local and record find the payload's headers.
	local := func(b []byte) int { return bytes.LastIndex(b[:4096], []byte(NamePayload)) - localSize }
	record := func(b []byte) int { return bytes.LastIndex(b, []byte(NamePayload)) - centralSize }
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		want   string
	}{
		{"empty", func([]byte) []byte { return nil }, "cannot open zip: it has 0 bytes, too few for a zip"},
		{"cut off", func(b []byte) []byte { return b[:len(b)-3000] }, "cannot open zip: no end of central directory whose comment reaches the end of the file; is the download complete?"},
		{"twice", func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("apex_info.pb"), []byte(NamePayload + "\x00")[:12])
		}, "cannot open zip: central directory at byte "},
		{"twice, plainly", func([]byte) []byte { return plainZip(t, Store, "a", "1", "a", "2") }, `cannot open zip: "a" is there twice`},
		{"dots", func([]byte) []byte { return plainZip(t, Store, "a/../../b", "1") }, `cannot open zip: central directory at byte 56: file name "a/../../b", expected a relative path without empty, . or .. parts`},
		{"absolute", func([]byte) []byte { return plainZip(t, Store, "/etc/passwd", "1") }, `cannot open zip: central directory at byte 58: file name "/etc/passwd", expected`},
		{"backslash", func([]byte) []byte { return plainZip(t, Store, `..\b`, "1") }, `cannot open zip: central directory at byte 51: file name "..\\b", expected`},
		{"local name", func(b []byte) []byte { b[local(b)+localSize] = 'P'; return b }, `cannot open zip: "payload.bin": local header at byte `},
		{"local extra moves the payload", func(b []byte) []byte {
			i := local(b) + 28
			le.PutUint16(b[i:], le.Uint16(b[i:])+64)
			return b
		}, `cannot open zip: "payload.bin": its 500 bytes from byte 4160 reach past byte 4596, where the files end`},
		{"local size", func(b []byte) []byte {
			i := local(b)
			le.PutUint32(b[i+22:], 499)
			return b
		}, `cannot open zip: "payload.bin": local header at byte `},
		{"central size", func(b []byte) []byte {
			i := record(b)
			le.PutUint32(b[i+20:], 600)
			le.PutUint32(b[i+24:], 600)
			return b
		}, `cannot open zip: "payload.bin": local header at byte `},
		{"header offset", func(b []byte) []byte {
			i := record(b)
			le.PutUint32(b[i+42:], 0)
			return b
		}, `cannot open zip: "payload.bin" begins at byte 0, inside "META-INF/com/android/metadata"`},
		{"too many entries", func(b []byte) []byte {
			i := bytes.LastIndex(b, magicEOCD)
			le.PutUint16(b[i+10:], 9)
			return b
		}, "cannot open zip: central directory has 8 entries, its end record says 9"},
		{"gap before the end", func(b []byte) []byte {
			i := bytes.LastIndex(b, magicEOCD)
			le.PutUint32(b[i+12:], le.Uint32(b[i+12:])-1)
			return b
		}, "cannot open zip: central directory at byte 4596 has "},
		{"disks", func(b []byte) []byte { b[bytes.LastIndex(b, magicEOCD)+4] = 1; return b }, "cannot open zip: it is one part of several; zips of several disks are not read"},
		{"overlap", overlapping, `cannot open zip: "b" begins at byte 0, inside "a", which ends at byte 32`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.change(bytes.Clone(good))
			_, err := Open(bytes.NewReader(b), int64(len(b)))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s…", err, c.want)
			}
		})
	}
}

// overlapping makes a zip whose two records point to one local header.
func overlapping([]byte) []byte {
	e := newEntry("a", []byte("1"))
	body := append(e.appendLocal(nil), e.content...)
	central := e.appendCentral(nil)
	e.Name = "b"
	central = e.appendCentral(central)
	end := appendEnd(nil, directory{offset: int64(len(body)), size: int64(len(central)), entries: 2}, zip64From)
	return bytes.Join([][]byte{body, central, end, {0, 0}}, nil)
}

func TestReadFileBounds(t *testing.T) {
	bomb := plainZip(t, Deflate, "bomb", strings.Repeat("\x00", MaxFile+1), "lie", strings.Repeat("x", 1000))
	z, err := Open(bytes.NewReader(bomb), int64(len(bomb)))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("cannot read bomb: it has %d bytes, at most %d are read at once", MaxFile+1, MaxFile)
	if _, err := z.ReadFile("bomb"); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	z.entries[1].Size = 10
	if _, err := z.ReadFile("lie"); err == nil || err.Error() != "cannot read lie: it has 11 bytes or more, expected 10" {
		t.Errorf("a size that lies: %v", err)
	}
	z.entries[1].Size = 1000
	z.entries[1].CRC32 = 1
	if _, err := z.ReadFile("lie"); err == nil || !strings.HasPrefix(err.Error(), "cannot read lie: CRC is ") {
		t.Errorf("a CRC that lies: %v", err)
	}
	if _, err := z.ReadFile("no"); err == nil || err.Error() != "cannot read no: not in the zip" {
		t.Errorf("missing: %v", err)
	}
}

func TestMetadataDisagreement(t *testing.T) {
	m := testContents(nil).Metadata
	m.OTAType = "AB"
	bin, err := m.Protobuf()
	if err != nil {
		t.Fatal(err)
	}
	m.PreDevice = []string{"cmi"}
	b := plainZip(t, Store, NameMetadata, m.Text(), NameMetadataPB, string(bin))
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Metadata(); err == nil || err.Error() != `cannot read metadata: pre-device is "cmi" as text and "umi" in metadata.pb` {
		t.Errorf("got %v", err)
	}
	for text, want := range map[string]string{
		"ota-type":                     `cannot read metadata: line 1: found "ota-type", expected key=value`,
		"a=1\na=2":                     `cannot read metadata: line 2: "a" is there twice`,
		"post-timestamp=soon":          `cannot read metadata: line 1: post-timestamp is "soon", expected a whole number`,
		"post-timestamp=-1":            `cannot read metadata: line 1: post-timestamp is "-1", expected a whole number`,
		"ota-type=AB\n\nota-wipe=true": `cannot read metadata: line 3: ota-wipe is "true", expected yes or no`,
	} {
		if _, err := ParseMetadata(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v\nwant %s", text, err, want)
		}
	}
	if _, err := ParseMetadataPB(nil); err == nil || err.Error() != "cannot read metadata.pb: type is 0, expected 1 (AB), 2 (BLOCK) or 3 (BRICK)" {
		t.Errorf("empty protobuf: %v", err)
	}
}

func TestCheckPropertyFiles(t *testing.T) {
	b, _, _ := writeTest(t, testContents(fakePayload(500)), testRSA(), zip64From)
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]string{
		"payload.bin:4096:500":          "",
		"payload.bin:4097:500":          "cannot use metadata: ota-property-files: payload.bin is at 4097:500 by the metadata, and at 4096:500 in the zip",
		"payload_metadata.bin:4096:391": "",
		"payload_metadata.bin:4096:124": "cannot use metadata: ota-property-files: payload_metadata.bin is at 4096:124 by the metadata, and at 4096:391 in the zip",
		"care_map.txt:1:2":              "cannot use metadata: ota-property-files: care_map.txt is not in the zip",
		"x":                             `cannot use metadata: ota-property-files: found "x", expected name:offset:size`,
	} {
		err := z.CheckPropertyFiles(Metadata{PropertyFiles: map[string]string{PropertyFiles: list + "   "}})
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%s: got %v\nwant %s", list, err, want)
		}
	}
}

func TestCerts(t *testing.T) {
	a, b := testCert(t, testRSA()), testCert(t, testEC())
	one, err := WriteCerts([]*x509.Certificate{a, b, a})
	if err != nil {
		t.Fatal(err)
	}
	two, err := WriteCerts([]*x509.Certificate{b, a})
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("order or repetition changes the bytes (%v)", err)
	}
	got, err := ReadCerts(bytes.NewReader(one), int64(len(one)))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d certificates, %v", len(got), err)
	}
	if !(got[0].Equal(a) && got[1].Equal(b) || got[0].Equal(b) && got[1].Equal(a)) {
		t.Error("other certificates came back")
	}
	if sha256.Sum256(got[0].Raw) == sha256.Sum256(got[1].Raw) {
		t.Error("one certificate came back twice")
	}
	for want, zipped := range map[string][]byte{
		"cannot read update certificates: the zip has no .pem file":                                         plainZip(t, Store, "readme", "x"),
		"cannot read update certificates: a.pem: no CERTIFICATE block in it, expected a certificate as PEM": plainZip(t, Deflate, "a.pem", "x"),
		"cannot read update certificates: cannot open zip: it has 0 bytes, too few for a zip":               nil,
	} {
		if _, err := ReadCerts(bytes.NewReader(zipped), int64(len(zipped))); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if _, err := WriteCerts(nil); err == nil {
		t.Error("an otacerts.zip without certificates was made")
	}
}

func TestCheckCert(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sha1 := *testCert(t, testRSA())
	sha1.SignatureAlgorithm = x509.SHA1WithRSA
	for want, cert := range map[string]*x509.Certificate{
		`its RSA key has 3072 bits and exponent 65537; recovery takes 2048 or 4096 bits, and 3 or 65537`: testCert(t, small),
		`its ECDSA key is on P-384; recovery takes P-256`:                                                testCert(t, p384),
		`its key is Ed25519; recovery takes RSA and ECDSA`:                                               testCert(t, ed),
		`it is itself signed with SHA1-RSA; recovery takes SHA256-RSA and ECDSA-SHA256`:                  &sha1,
	} {
		want = `cannot use certificate "CN=Test OTA": ` + want
		if err := CheckCert(cert); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := WriteCerts([]*x509.Certificate{testCert(t, testEC()), cert}); err == nil || err.Error() != "cannot write update certificates: "+want {
			t.Errorf("WriteCerts: %v", err)
		}
	}
	if err := CheckCert(testCert(t, testEC())); err != nil {
		t.Error(err)
	}
}
