package recoveryzip_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/recoveryzip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

func testKey(t testing.TB) (crypto.Signer, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Unix(1.6e9, 0), NotAfter: time.Unix(4e9, 0), SignatureAlgorithm: x509.ECDSAWithSHA256}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func system(t testing.TB) (*tree.Node, *tree.Image) {
	t.Helper()
	root := tree.NewDir(0o755, 0, 0)
	f := tree.NewFile(0o755, 0, 2000, bytes.Repeat([]byte("#!/system/bin/sh\n"), 5000))
	f.SetXattr("security.selinux", []byte("u:object_r:shell_exec:s0\x00"))
	root.Set("sh", f)
	root.Set("lost+found", tree.NewDir(0o700, 0, 0))
	im, err := ext4.Build(root, ext4.Options{Size: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return root, im
}

func file(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func pack(im *tree.Image) recoveryzip.Package {
	boot := bytes.Repeat([]byte("a kernel"), 1024)
	return recoveryzip.Package{
		Metadata:     otazip.Metadata{PreDevice: []string{"hlte"}, PostBuild: "a/b/c:5.0/x/1:user/release-keys", PostBuildIncremental: "1", PostTimestamp: 1764000000},
		UpdateBinary: []byte("\x7fELF, as the vendor has it"),
		Quality:      6,
		Partitions: []recoveryzip.Partition{
			{Name: "system", Device: "/dev/block/bootdevice/by-name/system", Size: im.Size(), Image: io.NewSectionReader(im, 0, im.Size()), Block: true},
			{Name: "boot", Device: "/dev/block/bootdevice/by-name/boot", Size: int64(len(boot)), Image: bytes.NewReader(boot)},
		},
	}
}

// What is written unzip finds whole, its signature holds, and the system in it is
// the one that went in.
func TestWrite(t *testing.T) {
	key, cert := testKey(t)
	root, im := system(t)
	out := file(t, "package.zip")
	info, err := recoveryzip.Write(t.Context(), out, pack(im), file(t, "scratch"), key, cert)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil || int64(len(b)) != info.Size || sha256.Sum256(b) != info.SHA256 {
		t.Fatalf("%d bytes, %+v, %v", len(b), info, err)
	}
	if _, err := otazip.Verify(bytes.NewReader(b), info.Size, []*x509.Certificate{cert}); err != nil {
		t.Error(err)
	}
	z, err := otazip.Open(bytes.NewReader(b), info.Size)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := z.Metadata(); err != nil || m.OTAType != "BLOCK" || len(m.PreDevice) != 1 {
		t.Errorf("%+v %v", m, err)
	}
	script, err := z.ReadFile(recoveryzip.NameScript)
	for _, want := range []string{`getprop("ro.product.device") == "hlte"`, `block_image_update("/dev/block/bootdevice/by-name/system", package_extract_file("system.transfer.list"), "system.new.dat.br", "system.patch.dat")`, `package_extract_file("boot.img", "/dev/block/bootdevice/by-name/boot")`} {
		if err != nil || !strings.Contains(string(script), want) {
			t.Errorf("%v, the script lacks %s:\n%s", err, want, script)
		}
	}
	n := nest.New(nest.Options{TempDir: t.TempDir()})
	defer n.Close()
	o, err := n.Open(t.Context(), out.Name()+"//system.img")
	if err != nil {
		t.Fatal(err)
	}
	fs, err := ext4.Open(o.File.R, o.File.Size)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	judge.Same(t, root, got)
	whole, err := n.Open(t.Context(), out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if failed, err := n.Verify(t.Context(), whole, func(c nest.Check) {
		if c.Err != "" {
			t.Errorf("%+v", c)
		}
	}); failed > 0 || err != nil {
		t.Error(failed, err)
	}
	t.Run("unzip", func(t *testing.T) {
		judge.Need(t, "unzip", "brotli")
		dir := t.TempDir()
		judge.In(t, dir, "unzip", "-q", out.Name())
		judge.In(t, dir, "brotli", "-d", "system.new.dat.br")
		if fi, err := os.Stat(filepath.Join(dir, "system.new.dat")); err != nil || fi.Size()%4096 != 0 || fi.Size() >= im.Size() {
			t.Error(fi, err)
		}
	})
}

func TestErrors(t *testing.T) {
	key, cert := testKey(t)
	_, im := system(t)
	for want, edit := range map[string]func(*recoveryzip.Package){
		`the processor is "mips"`:                    func(p *recoveryzip.Package) { p.UpdateBinary, p.Arch = nil, "mips" },
		"brotli's quality is 12":                     func(p *recoveryzip.Package) { p.Quality = 12 },
		"devices are []":                             func(p *recoveryzip.Package) { p.Metadata.PreDevice = nil },
		`devices are ["a\")"]`:                       func(p *recoveryzip.Package) { p.Devices = []string{`a")`} },
		`partition "../x"`:                           func(p *recoveryzip.Package) { p.Partitions[0].Name = "../x" },
		`on "/dev/../etc/x"`:                         func(p *recoveryzip.Package) { p.Partitions[0].Device = "/dev/../etc/x" },
		`there are two partitions "boot"`:            func(p *recoveryzip.Package) { p.Partitions = append(p.Partitions, p.Partitions[1]) },
		"has 4095 bytes, expected whole blocks":      func(p *recoveryzip.Package) { p.Partitions[0].Size = 4095 },
		"partition boot: it ended 1 bytes too early": func(p *recoveryzip.Package) { p.Partitions[1].Size++ },
		"name that is taken or leaves the folder":    func(p *recoveryzip.Package) { p.Extra = map[string][]byte{"../x": nil} },
		`partition system: cannot`:                   func(p *recoveryzip.Package) { p.Partitions[0].Image = failing{} },
	} {
		p := pack(im)
		edit(&p)
		if _, err := recoveryzip.Write(t.Context(), file(t, "zip"), p, file(t, "scratch"), key, cert); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot write recovery zip: ") {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := recoveryzip.Write(ctx, file(t, "zip"), pack(im), file(t, "scratch"), key, cert); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("bad disk") }
