package otazip

import (
	"bytes"
	"crypto/x509"
	"os"
	"testing"
)

func seeds(f *testing.F) {
	b, _, cert := writeTest(f, testContents(fakePayload(500)), testEC(), zip64From)
	f.Add(b)
	b, _, _ = writeTest(f, testContents(fakePayload(500)), testEC(), 100)
	f.Add(b)
	f.Add(plainZip(f, Store, "a", "1", "b", "2"))
	f.Add(plainZip(f, Deflate, NameMetadata, "ota-type=AB\n", NamePayload, "CrAU"))
	certs, err := WriteCerts([]*x509.Certificate{cert})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(certs)
	if b, err := os.ReadFile("../../../shared/data/android-samples/otasigned_v3.zip"); err == nil {
		f.Add(b)
	}
}

func FuzzOpen(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, e := range z.Entries() {
			if e.Offset < 0 || e.CompressedSize < 0 || e.Offset+e.CompressedSize > int64(len(b)) {
				t.Errorf("%q lies at %d, %d bytes, in a zip of %d", e.Name, e.Offset, e.CompressedSize, len(b))
			}
			if got, err := z.ReadFile(e.Name); err == nil && int64(len(got)) != e.Size {
				t.Errorf("%q: %d bytes, expected %d", e.Name, len(got), e.Size)
			}
		}
		if m, err := z.Metadata(); err == nil {
			_ = z.CheckPropertyFiles(m)
		}
		_, _ = ReadCerts(bytes.NewReader(b), int64(len(b)))
	})
}

func FuzzVerify(f *testing.F) {
	seeds(f)
	cert := testCert(f, testEC())
	known := map[string]bool{}
	for _, limit := range []int64{zip64From, 100} {
		b, _, _ := writeTest(f, testContents(fakePayload(500)), testEC(), limit)
		known[string(b[:4096+500])] = true
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Verify(bytes.NewReader(b), int64(len(b)), []*x509.Certificate{cert}); err == nil && !known[string(b[:min(len(b), 4096+500)])] {
			t.Error("accepted what was never signed")
		}
	})
}

func FuzzMetadata(f *testing.F) {
	m := testContents(nil).Metadata
	m.OTAType = "AB"
	m.PropertyFiles = map[string]string{PropertyFiles: "payload.bin:1:2"}
	bin, err := m.Protobuf()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(m.Text()), bin)
	f.Add([]byte("ota-type=BLOCK\nota-required-cache=7\nota-wipe=yes\npre-device=a|b\n"), []byte{8, 1})
	f.Fuzz(func(t *testing.T, text, bin []byte) {
		if m, err := ParseMetadata(string(text)); err == nil && m.check() == nil {
			again, err := ParseMetadata(m.Text())
			if err != nil || again.Text() != m.Text() {
				t.Errorf("%q reads back as %q (%v)", m.Text(), again.Text(), err)
			}
		}
		if m, err := ParseMetadataPB(bin); err == nil && m.check() == nil {
			b, err := m.Protobuf()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParseMetadataPB(b); err != nil || sameMetadata(m, again) != nil {
				t.Errorf("%+v reads back as %+v (%v)", m, again, err)
			}
		}
	})
}
