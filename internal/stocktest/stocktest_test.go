package stocktest

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// small is firmware for quick tests.
func small() Spec { return Spec{Seed: 7, Files: 400, Bytes: 6 << 20} }

func systemOf(t *testing.T, s Spec) *tree.Node {
	t.Helper()
	s, err := s.filled()
	if err != nil {
		t.Fatal(err)
	}
	root, err := s.systemTree([]byte("certs"))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestSystem(t *testing.T) {
	counts, bytes := map[tree.Type]int{}, int64(0)
	names, caps, labels := map[*tree.Node]int{}, 0, map[string]bool{}
	err := tree.Walk(systemOf(t, Spec{}), func(path string, n *tree.Node) error {
		if names[n]++; names[n] == 1 {
			counts[n.Type]++
			bytes += n.Size
		}
		if _, ok := n.Xattr("security.capability"); ok {
			caps++
		}
		raw, _ := n.Xattr("security.selinux")
		if !strings.HasPrefix(string(raw), "u:object_r:") || !strings.HasSuffix(string(raw), ":s0\x00") {
			t.Errorf("%s: label %q", path, raw)
		}
		if n.Type == tree.Regular && n.Perm&0o6000 != 0 {
			t.Errorf("%s: set-id mode %04o", path, n.Perm)
		}
		labels[n.Label()] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, c := range names {
		if c > 1 {
			links++
		}
	}
	t.Logf("%v, %d MiB, %d labels", counts, bytes>>20, len(labels))
	if f := counts[tree.Regular]; f < 2800 || f > 3300 {
		t.Errorf("%d files, want about 3,000", f)
	}
	if bytes < 60<<20 || bytes > 96<<20 {
		t.Errorf("%d bytes, want about 72 MiB", bytes)
	}
	if caps < 5 || links < 2 || len(labels) < 10 || counts[tree.Symlink] < 50 {
		t.Errorf("capabilities %d, hard links %d, labels %d, symlinks %d", caps, links, len(labels), counts[tree.Symlink])
	}
}

func TestContent(t *testing.T) {
	for k, want := range map[kind][2]float64{noise: {0.99, 1.01}, code: {0.3, 0.6}, text: {0.1, 0.35}, mixed: {0.4, 0.9}} {
		s := &synthetic{k, 42, 1<<20 + 77}
		b := make([]byte, s.size)
		if _, err := s.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(io.NewSectionReader(s, 0, 9000), b[:9000]); err != nil {
			t.Errorf("kind %d: %v", k, err)
		}
		var z bytes.Buffer
		w, _ := flate.NewWriter(&z, 6)
		w.Write(b)
		w.Close()
		if r := float64(z.Len()) / float64(len(b)); r < want[0] || r > want[1] {
			t.Errorf("kind %d packs to %.2f, want %v", k, r, want)
		}
	}
}

func TestExtra(t *testing.T) {
	extra := tree.NewDir(0o755, 0, 0)
	sys := tree.NewDir(0o755, 0, 0)
	fw := tree.NewDir(0o755, 0, 0)
	extra.Set("system", sys)
	sys.Set("framework", fw)
	fw.Set("framework-res.apk", tree.NewFile(0o644, 0, 0, []byte("real")))
	s := small()
	s.Extra = extra
	root := systemOf(t, s)
	n := root.Lookup("system/framework/framework-res.apk")
	if n.Size != 4 || n.Label() != "u:object_r:system_file:s0" || root.Lookup("system/framework/services.jar") == nil {
		t.Errorf("laid over: %+v", n)
	}
}

func TestVersions(t *testing.T) {
	next := small()
	next.Version = "V14.0.5.0.TJBMIXM"
	lines, err := tree.Diff(systemOf(t, small()), systemOf(t, next))
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 3 || len(lines) > 40 {
		t.Errorf("%d differences between two versions, want a few:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}

func TestVendorKeys(t *testing.T) {
	a, cert, err := VendorKeys(3)
	if err != nil {
		t.Fatal(err)
	}
	b, again, err := VendorKeys(3)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Equal(b) || !cert.Equal(again) || a.N.BitLen() != 2048 {
		t.Error("the same seed gives other keys")
	}
	if other, _, err := VendorKeys(4); err != nil || a.Equal(other) {
		t.Errorf("another seed gives the same key, %v", err)
	}
}

func TestRefused(t *testing.T) {
	for want, s := range map[string]Spec{
		"expected 200 to 100000 files": {Files: 3},
		"patch level":                  {PatchLevel: "yesterday"},
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "x.zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := Write(t.Context(), f, s, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
}

func makeZip(t testing.TB, s Spec) *os.File {
	t.Helper()
	key, cert, err := VendorKeys(1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "stock.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := Write(t.Context(), f, s, key, cert); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestWrite takes the zip apart again: signatures, hashes, trees, properties.
func TestWrite(t *testing.T) {
	f := makeZip(t, small())
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	key, cert, err := VendorKeys(1)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := otazip.Verify(f, info.Size(), []*x509.Certificate{cert}); err != nil || !who.Equal(cert) {
		t.Fatalf("the zip's signature: %v", err)
	}
	z, err := otazip.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	section, err := z.Payload()
	if err != nil {
		t.Fatal(err)
	}
	p, err := payload.Open(section, section.Size())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	open := func(name string) (io.ReaderAt, int64, error) {
		img, err := os.OpenFile(filepath.Join(dir, name+".img"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, 0, err
		}
		t.Cleanup(func() { img.Close() })
		if err := p.Apply(t.Context(), name, nil, img, payload.ApplyOptions{}); err != nil {
			return nil, 0, err
		}
		return img, p.Manifest().Partition(name).NewSize, nil
	}
	chain, err := avb.VerifyChain(t.Context(), open, avb.EncodePublicKey(&key.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if len(chain.Partitions) != 2 || chain.VBMeta.RollbackIndex == 0 {
		t.Errorf("chain %+v", chain)
	}
	system, size, err := open("system")
	if err != nil {
		t.Fatal(err)
	}
	im, err := erofs.Open(system, size)
	if err != nil {
		t.Fatal(err)
	}
	root, err := im.Tree()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := small().filled()
	certs, _ := otazip.WriteCerts([]*x509.Certificate{cert})
	want, err := s.systemTree(certs)
	if err != nil {
		t.Fatal(err)
	}
	if lines, err := tree.Diff(want, root); err != nil || len(lines) > 0 {
		t.Errorf("the system reads back with differences: %v\n%s", err, strings.Join(lines, "\n"))
	}
	var prop bytes.Buffer
	if _, err := io.Copy(&prop, root.Lookup("system/build.prop").Open()); err != nil {
		t.Fatal(err)
	}
	props, err := buildprop.Parse(prop.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := props.Get("ro.build.fingerprint"); v != s.Fingerprint() {
		t.Errorf("fingerprint %q", v)
	}
	judge.Run(t, "fsck.erofs", "--extract", filepath.Join(dir, "system.img"))
}

func TestSameBytes(t *testing.T) {
	sum := func() [32]byte {
		b, err := os.ReadFile(makeZip(t, small()).Name())
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(b)
	}
	first := sum()
	t.Setenv("TZ", "Asia/Kolkata")
	if sum() != first {
		t.Error("made twice: other bytes")
	}
}
