package csig_test

import (
	archive "archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/android/csig"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/internal/judge"
)

type identity struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

var identities = sync.OnceValue(func() (two [2]identity) {
	for i := range two {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 7)), Subject: pkix.Name{CommonName: fmt.Sprintf("Example OTA %d", i)},
			NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		if err != nil {
			panic(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		two[i] = identity{key, cert}
	}
	return two
})

// file is an otazip.File in memory.
type file struct{ b []byte }

func (f *file) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(f.b).ReadAt(p, at) }

func (f *file) WriteAt(p []byte, at int64) (int, error) {
	if grow := int(at) + len(p) - len(f.b); grow > 0 {
		f.b = append(f.b, make([]byte, grow)...)
	}
	return copy(f.b[at:], p), nil
}

func payload() []byte {
	head := append([]byte("CrAU"), 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 20)
	return append(head, bytes.Repeat([]byte("payload "), 50_000)...)
}

func zip(t testing.TB, edit func(*otazip.Contents)) []byte {
	t.Helper()
	me := identities()[0]
	c := otazip.Contents{
		Metadata: otazip.Metadata{PreDevice: []string{"umi"}, PostBuild: "f/new", PostBuildIncremental: "26.11.27", PostTimestamp: 3000, PostSecurityPatch: "2026-11-05"},
		CareMap:  []byte("care"),
		Payload: func(w io.Writer) (string, error) {
			_, err := w.Write(payload())
			return "FILE_SIZE=1\n", err
		},
	}
	if edit != nil {
		edit(&c)
	}
	var f file
	if _, err := otazip.Write(t.Context(), &f, c, me.key, me.cert); err != nil {
		t.Fatal(err)
	}
	return f.b
}

const vbmeta = "61a7175e883636fb6a4a18139746f7d3ffbf7f5a53e9a4ced6f560a9820ccdb4"

func describe(t testing.TB) csig.Info {
	t.Helper()
	z := zip(t, nil)
	info, err := csig.Describe(t.Context(), bytes.NewReader(z), int64(len(z)), strings.ToUpper(vbmeta))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestDescribe(t *testing.T) {
	z := zip(t, nil)
	info := describe(t)
	var names []string
	for _, f := range info.Files {
		names = append(names, f.Name)
		if sum := sha256.Sum256(z[f.Offset : f.Offset+f.Size]); hex.EncodeToString(sum[:]) != f.Digest {
			t.Errorf("%s has digest %s", f.Name, f.Digest)
		}
	}
	if got := strings.Join(names, " "); got != "payload_metadata.bin payload.bin payload_properties.txt care_map.pb metadata metadata.pb" || info.Version != 2 || info.VBMetaDigest != vbmeta {
		t.Errorf("%+v", info)
	}
	body, _ := info.Find("payload.bin")
	head, _ := info.Find("payload_metadata.bin")
	if !bytes.Equal(z[body.Offset:body.Offset+body.Size], payload()) || head.Offset != body.Offset || head.Size != 24+100+20 {
		t.Errorf("the payload is %+v, its metadata %+v", body, head)
	}
	if _, ok := info.Find("nothing"); ok {
		t.Error("found nothing")
	}
}

func TestDescribeRefuses(t *testing.T) {
	good := zip(t, nil)
	var block bytes.Buffer
	w := archive.NewWriter(&block)
	m, err := w.Create(otazip.NameMetadata)
	if err == nil {
		_, err = io.WriteString(m, "ota-type=BLOCK\nota-required-cache=0\npre-device=umi\npost-build=f/new\npost-build-incremental=1\npost-timestamp=3000\n")
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		zip    []byte
		digest string
	}{
		"it has 0 bytes, too few":                  {nil, ""},
		"its type is \"BLOCK\", expected AB":       {block.Bytes(), ""},
		"vbmeta digest is \"12\", expected 64 hex": {good, "12"},
		"which an incremental package has none of": {zip(t, func(c *otazip.Contents) { c.Metadata.PreBuild, c.Metadata.PreBuildIncremental = "f/old", "26.11.20" }), vbmeta},
		"no end of central directory":              {good[:len(good)-3000], ""},
	} {
		_, err := csig.Describe(t.Context(), bytes.NewReader(c.zip), int64(len(c.zip)), c.digest)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot describe package for Custota: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := csig.Describe(ctx, bytes.NewReader(good), int64(len(good)), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped, and the error is %v", err)
	}
}

func TestSignThenOpen(t *testing.T) {
	me, other := identities()[0], identities()[1]
	info := describe(t)
	der, err := csig.Sign(info, me.key, me.cert)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := csig.Sign(info, me.key, me.cert); err != nil || !bytes.Equal(again, der) {
		t.Errorf("signed again it is another one, %v", err)
	}
	got, err := csig.Open(der, []*x509.Certificate{other.cert, me.cert})
	if err != nil || fmt.Sprint(got) != fmt.Sprint(info) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := csig.Open(der, []*x509.Certificate{other.cert}); err == nil {
		t.Error("another's certificate vouches for it")
	}
	if _, err := csig.Open(der, nil); err == nil {
		t.Error("the certificate that it brings along vouches for it")
	}
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 1
		if got, err := csig.Open(changed, []*x509.Certificate{me.cert}); err == nil && fmt.Sprint(got) != fmt.Sprint(info) {
			t.Fatalf("byte %d changed, and it says %+v", i, got)
		}
	}
}

// TestOpenSSL: openssl reads what it says, verifies it by the key alone, and finds
// the attributes that Custota's own tool insists on.
func TestOpenSSL(t *testing.T) {
	me, other := identities()[0], identities()[1]
	info := describe(t)
	der, err := csig.Sign(info, me.key, me.cert)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := func(name string, c *x509.Certificate) string {
		return at(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	path, out := at("umi.zip.csig", der), filepath.Join(dir, "out.json")
	verify := []string{"cms", "-verify", "-binary", "-inform", "DER", "-in", path, "-out", out, "-CAfile", certificate("me.pem", me.cert), "-purpose", "any"}
	judge.Run(t, "openssl", verify...)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(info)
	if err != nil || !bytes.Equal(text, want) {
		t.Errorf("openssl reads %s, %v", text, err)
	}
	words := strings.Join(strings.Fields(judge.Run(t, "openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", path)), " ")
	for _, want := range []string{"object: contentType", "object: messageDigest", "algorithm: sha256", "eContentType: pkcs7-data"} {
		if !strings.Contains(words, want) {
			t.Errorf("openssl's reading lacks %q:\n%s", want, words)
		}
	}
	wrong := []string{"cms", "-verify", "-binary", "-inform", "DER", "-in", path, "-out", out, "-CAfile", certificate("other.pem", other.cert), "-purpose", "any"}
	if said, err := exec.Command("openssl", wrong...).CombinedOutput(); err == nil {
		t.Errorf("openssl verifies it by another's certificate: %s", said)
	}
}

func TestSignRefuses(t *testing.T) {
	me, other := identities()[0], identities()[1]
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info := describe(t)
	without := info
	without.Files = info.Files[:3]
	twice := info
	twice.Files = append(append([]csig.File{}, info.Files...), info.Files[0])
	digest := info
	digest.Files = append([]csig.File{}, info.Files...)
	digest.Files[1].Digest = "00"
	one := info
	one.Version = 1
	for want, err := range map[string]error{
		"lacks metadata.pb":               func() error { _, err := csig.Sign(without, me.key, me.cert); return err }(),
		"is there twice":                  func() error { _, err := csig.Sign(twice, me.key, me.cert); return err }(),
		"expected 64 hex digits":          func() error { _, err := csig.Sign(digest, me.key, me.cert); return err }(),
		"which came with 2":               func() error { _, err := csig.Sign(one, me.key, me.cert); return err }(),
		"version is 0":                    func() error { _, err := csig.Sign(csig.Info{}, me.key, me.cert); return err }(),
		"is not that of certificate":      func() error { _, err := csig.Sign(info, me.key, other.cert); return err }(),
		"*ecdsa.PublicKey, expected RSA":  func() error { _, err := csig.Sign(info, ec, me.cert); return err }(),
		"needs a key and its certificate": func() error { _, err := csig.Sign(info, nil, nil); return err }(),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "cannot sign csig: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	me := identities()[0]
	info := describe(f)
	der, err := csig.Sign(info, me.key, me.cert)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(der[:100])
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := csig.Open(b, []*x509.Certificate{me.cert}); err == nil && fmt.Sprint(got) != fmt.Sprint(info) {
			t.Errorf("accepted what was never signed: %+v", got)
		}
	})
}

func Example() {
	me := identities()[0]
	der, err := csig.Sign(csig.Info{Version: csig.Version, Files: []csig.File{
		{Name: "payload_metadata.bin", Offset: 4096, Size: 120, Digest: strings.Repeat("01", 32)},
		{Name: "payload.bin", Offset: 4096, Size: 5000, Digest: strings.Repeat("02", 32)},
		{Name: "payload_properties.txt", Offset: 900, Size: 150, Digest: strings.Repeat("03", 32)},
		{Name: "metadata.pb", Offset: 500, Size: 300, Digest: strings.Repeat("04", 32)},
	}}, me.key, me.cert)
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := csig.Open(der, []*x509.Certificate{me.cert})
	fmt.Println(len(info.Files), info.Files[1].Size, err)
	// Output: 4 5000 <nil>
}
