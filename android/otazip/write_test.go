package otazip

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestWriteThenRead(t *testing.T) {
	payload := fakePayload(5000)
	for _, key := range []crypto.Signer{testRSA(), testEC()} {
		for _, limit := range []int64{zip64From, 1000} {
			t.Run(fmt.Sprintf("%T/%d", key, limit), func(t *testing.T) {
				b, info, cert := writeTest(t, testContents(payload), key, limit)
				again, _, _ := writeTest(t, testContents(payload), key, limit)
				if !bytes.Equal(b, again) {
					t.Error("the same contents gave other bytes")
				}
				checkPackage(t, b, info, cert, payload)
			})
		}
	}
}

func checkPackage(t *testing.T, b []byte, info Info, cert *x509.Certificate, payload []byte) {
	t.Helper()
	if info.Size != int64(len(b)) || info.SHA256 != sha256.Sum256(b) {
		t.Errorf("Info says %d bytes, SHA-256 %x; the file has %d, %x", info.Size, info.SHA256, len(b), sha256.Sum256(b))
	}
	r := bytes.NewReader(b)
	got, err := Verify(r, int64(len(b)), []*x509.Certificate{cert})
	if err != nil || !got.Equal(cert) {
		t.Fatalf("Verify: %v, %v", got, err)
	}
	z, err := Open(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	section, err := z.Payload()
	if err != nil {
		t.Fatal(err)
	}
	_, offset, n := section.Outer()
	if offset != info.PayloadOffset || n != info.PayloadSize || offset%payloadAlign != 0 {
		t.Errorf("payload at %d, %d bytes; Info says %d, %d", offset, n, info.PayloadOffset, info.PayloadSize)
	}
	inside, err := io.ReadAll(section)
	if err != nil || !bytes.Equal(inside, payload) {
		t.Errorf("payload differs: %v", err)
	}
	m, err := z.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	if err := z.CheckPropertyFiles(m); err != nil {
		t.Error(err)
	}
	if m.PropertyFiles[PropertyFiles] != info.PropertyFiles {
		t.Errorf("property files: metadata says %q, Info %q", m.PropertyFiles[PropertyFiles], info.PropertyFiles)
	}
	// Every place must hold what its name says, cut out as a streaming client does.
	for _, list := range m.PropertyFiles {
		for item := range strings.SplitSeq(list, ",") {
			var off, size int
			name, place, _ := strings.Cut(item, ":")
			if _, err := fmt.Sscanf(place, "%d:%d", &off, &size); err != nil {
				t.Fatalf("%q: %v", item, err)
			}
			var want []byte
			switch name {
			case "payload_metadata.bin":
				want = payload[:24+100+267]
			case NamePayload:
				want = payload
			case "metadata", "metadata.pb":
				want, err = z.ReadFile("META-INF/com/android/" + name)
			default:
				want, err = z.ReadFile(name)
			}
			if err != nil || !bytes.Equal(b[off:off+size], want) {
				t.Errorf("%s: the bytes there are not it (%v)", item, err)
			}
		}
	}
}

func TestMetadataText(t *testing.T) {
	b, _, _ := writeTest(t, testContents(fakePayload(5000)), testRSA(), zip64From)
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := z.ReadFile(NameMetadata)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		got = append(got, strings.TrimRight(line, " \n"))
	}
	files := got[0]
	got = got[3:]
	want := []string{
		"post-build=Friday/umi/umi:14/UKQ1/26.11.27:user/release-keys", "post-build-incremental=26.11.27",
		"post-sdk-level=34", "post-security-patch-level=2026-11-05", "post-timestamp=1795737600", "pre-device=umi",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("metadata:\n%s\nexpected:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.HasPrefix(files, "ota-property-files=payload_metadata.bin:4096:391,payload.bin:4096:5000,payload_properties.txt:") {
		t.Errorf("first line: %s", files)
	}
}

func TestWriteRefuses(t *testing.T) {
	key := testRSA()
	cert := testCert(t, key)
	_, ed, err := ed25519.GenerateKey(bytes.NewReader(make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(c *Contents)
		key    crypto.Signer
		want   string
	}{
		{"no key", func(*Contents) {}, nil, "cannot write package: it needs a key and its certificate; no phone takes an unsigned one"},
		{"other key", func(*Contents) {}, ed, `cannot write package: the key is not that of certificate "CN=Test OTA" (serial 7)`},
		{"no payload", func(c *Contents) { c.Payload = nil }, key, "cannot write package: no payload given"},
		{"no device", func(c *Contents) { c.Metadata.PreDevice = nil }, key, "cannot write metadata: no pre-device; without one any phone would take the package"},
		{"two devices in one", func(c *Contents) { c.Metadata.PreDevice = []string{"a|b"} }, key, `cannot write metadata: pre-device holds "a|b", expected codenames`},
		{"no time", func(c *Contents) { c.Metadata.PostTimestamp = 0 }, key, "cannot write metadata: post-timestamp is 0, expected seconds since 1970"},
		{"half incremental", func(c *Contents) { c.Metadata.PreBuild = "x" }, key, `cannot write metadata: pre-build is "x" and pre-build-incremental ""; an incremental package needs both, a full one neither`},
		{"line break", func(c *Contents) { c.Metadata.PostBuild = "a\nota-wipe=yes" }, key, `cannot write metadata: post-build is "a\nota-wipe=yes", expected text of one line`},
		{"type", func(c *Contents) { c.Metadata.OTAType = "BLOCK" }, key, "cannot write metadata: ota-type is \"BLOCK\", expected AB"},
		{"extra name", func(c *Contents) { c.Extra = map[string][]byte{"../x": nil} }, key, `cannot write package: file name "../x", expected a relative path without empty, . or .. parts`},
		{"extra taken", func(c *Contents) { c.Extra = map[string][]byte{"payload.bin": nil} }, key, `cannot write package: extra file "payload.bin" has a name that is taken or too long`},
		{"payload fails", func(c *Contents) {
			c.Payload = func(io.Writer) (string, error) { return "", errors.New("disk full") }
		}, key, "cannot write payload.bin: disk full"},
		{"not a payload", func(c *Contents) {
			c.Payload = func(w io.Writer) (string, error) { _, err := w.Write(make([]byte, 99)); return "x", err }
		}, key, "cannot read payload.bin: it begins with 00000000, expected 43724155 (CrAU)"},
		{"no properties", func(c *Contents) {
			c.Payload = func(io.Writer) (string, error) { return "", nil }
		}, key, "cannot write payload_properties.txt: it has 0 bytes, expected 1 to 512"},
	} {
		t.Run(c.name, func(t *testing.T) {
			contents := testContents(fakePayload(5000))
			c.change(&contents)
			_, err := Write(context.Background(), &memFile{}, contents, c.key, cert)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestWriteStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Write(ctx, &memFile{}, testContents(fakePayload(5000)), testRSA(), testCert(t, testRSA()))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, expected that it stops", err)
	}
}
