package keys_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/keys"
)

func generate(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := keys.GenerateWith(dir, keys.Options{AVBBits: 2048, OTABits: 2048, Name: "Test", Now: time.Unix(1764201600, 0)}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestGenerateAndOpen(t *testing.T) {
	dir := generate(t)
	ring, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	avb, err := ring.AVB()
	if err != nil || avb.Size() != 256 {
		t.Fatalf("AVB: %v", err)
	}
	ota, cert, err := ring.OTA()
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.CommonName != "Test" || cert.NotBefore.Unix() != 1764201600 {
		t.Errorf("certificate is of %q from %v", cert.Subject.CommonName, cert.NotBefore)
	}
	digest := sha256.Sum256([]byte("x"))
	if _, err := ota.Sign(nil, digest[:], crypto.SHA256); err != nil {
		t.Error(err)
	}
	verity, verityCert, err := ring.Verity()
	if err != nil {
		t.Fatal(err)
	}
	if verity.N.BitLen() != keys.VerityBits || verityCert.Subject.CommonName != "Friday verity" || verityCert.NotBefore.Unix() != 1764201600 {
		t.Errorf("the verity key has %d bits, its certificate is of %q", verity.N.BitLen(), verityCert.Subject.CommonName)
	}
	if avb.Equal(ota) || verity.Equal(avb) || verity.Equal(ota) {
		t.Error("two roles have one key")
	}
	for _, name := range []string{keys.FileVerityCert, keys.FileVerity} { // as in folders from before it was made
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if ring, err = keys.Open(dir); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ring.Verity(); !errors.Is(err, keys.ErrNoVerity) || !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, keys.FileAVB): 0o600, filepath.Join(dir, keys.FileOTA): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; expected mode %04o", path, st.Mode(), err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenSSLReadsThem(t *testing.T) {
	dir := generate(t)
	for _, args := range [][]string{
		{"pkey", "-check", "-noout", "-in", keys.FileAVB},
		{"pkey", "-check", "-noout", "-in", keys.FileOTA},
		{"verify", "-check_ss_sig", "-CAfile", keys.FileOTACert, keys.FileOTACert},
		{"pkey", "-check", "-noout", "-in", keys.FileVerity},
		{"verify", "-check_ss_sig", "-CAfile", keys.FileVerityCert, keys.FileVerityCert},
	} {
		judge.In(t, dir, "openssl", args...)
	}
}

func TestRefuses(t *testing.T) {
	open := func(dir string) error {
		ring, err := keys.Open(dir)
		if err != nil {
			return err
		}
		if _, err := ring.AVB(); err != nil {
			return err
		}
		_, _, err = ring.OTA()
		return err
	}
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		act   func(dir string) error
		want  string // DIR stands for the folder
	}{
		{"again", nil, keys.Generate, "cannot make release keys: DIR/avb.pem is there already; phones trust it, so it is not overwritten; move it away to start anew"},
		{"a part again", func(d string) error { return os.Remove(filepath.Join(d, "avb.pem")) }, keys.Generate,
			"cannot make release keys: DIR/ota.pem is there already; phones trust it, so it is not overwritten; move it away to start anew"},
		{"open folder", func(d string) error { return os.Chmod(d, 0o755) }, open,
			"cannot use keys: DIR has mode 0755, expected 0700, so that nobody else can read or change it; run: chmod 0700 DIR"},
		{"open file", func(d string) error { return os.Chmod(filepath.Join(d, "ota.pem"), 0o640) }, open,
			"cannot use keys: DIR/ota.pem has mode 0640, expected 0600, so that nobody else can read or change it; run: chmod 0600 DIR/ota.pem"},
		{"open verity key", func(d string) error { return os.Chmod(filepath.Join(d, "verity.pem"), 0o644) }, open,
			"cannot use keys: DIR/verity.pem has mode 0644, expected 0600, so that nobody else can read or change it; run: chmod 0600 DIR/verity.pem"},
		{"missing", func(d string) error { return os.Remove(filepath.Join(d, "avb.pem")) }, open,
			"cannot use keys: stat DIR/avb.pem: no such file or directory"},
		{"no folder", os.RemoveAll, open,
			"cannot open release keys: cannot use keys: stat DIR: no such file or directory; make them with Generate, or name the right folder"},
		{"other certificate", func(d string) error {
			return os.Rename(filepath.Join(d, "avb.pem"), filepath.Join(d, "ota.pem"))
		}, func(d string) error {
			if err := os.WriteFile(filepath.Join(d, "avb.pem"), nil, 0o600); err != nil {
				return err
			}
			ring, err := keys.Open(d)
			if err != nil {
				return err
			}
			_, _, err = ring.OTA()
			return err
		}, "cannot use keys: DIR/ota.x509.pem is not the certificate of the key ota.pem"},
		{"empty key", func(d string) error { return os.WriteFile(filepath.Join(d, "avb.pem"), nil, 0o600) }, open,
			"cannot read key DIR/avb.pem: no PEM block in a file of at most 65536 bytes"},
		{"certificate as key", func(d string) error {
			return os.Rename(filepath.Join(d, "ota.x509.pem"), filepath.Join(d, "avb.pem"))
		}, func(d string) error {
			if err := os.WriteFile(filepath.Join(d, "ota.x509.pem"), nil, 0o600); err != nil {
				return err
			}
			return open(d)
		}, `cannot read key DIR/avb.pem: found a "CERTIFICATE" block, expected PRIVATE KEY without a passphrase`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := generate(t)
			if c.spoil != nil {
				if err := c.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			err := c.act(dir)
			if want := strings.ReplaceAll(c.want, "DIR", dir); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
	if err := keys.GenerateWith(t.TempDir(), keys.Options{AVBBits: 1024}); err == nil || err.Error() != "cannot make AVB key: 1024 bits, expected one of [2048 4096 8192]" {
		t.Errorf("1024 bits: %v", err)
	}
}

func TestTicket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serve", "ticket.pem")
	tickets, err := keys.OpenTicket(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keys.OpenTicket(path)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"channels":["beta"]}`)
	text := tickets.Sign(body)
	if got, err := again.Verify(text); err != nil || string(got) != string(body) {
		t.Errorf("after reopening: %q, %v", got, err)
	}
	if _, err := tickets.Verify(tickets.Sign(nil)); err != nil {
		t.Errorf("empty body: %v", err)
	}
	offers := tickets.For("offer")
	if _, err := offers.Verify(text); err == nil || err.Error() != "cannot accept offer: its tag is wrong: it was changed, is for another purpose, or is from another server" {
		t.Errorf("a ticket as an offer's token: %v", err)
	}
	if got, err := offers.Verify(offers.Sign(body)); err != nil || string(got) != string(body) {
		t.Errorf("offer: %q, %v", got, err)
	}
	if _, err := offers.For("ticket").Verify(text); err != nil {
		t.Errorf("For(\"ticket\") is another key than the first: %v", err)
	}
	other, err := keys.OpenTicket(filepath.Join(t.TempDir(), "t"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Verify(text); err == nil {
		t.Error("another server's ticket is accepted")
	}
	// Each text but the one signed is refused, the last character's spare bits included.
	for i := range text {
		for _, ch := range []byte("Aa_z9-+=\n ") {
			if changed := text[:i] + string(ch) + text[i+1:]; changed != text {
				if _, err := tickets.Verify(changed); err == nil {
					t.Errorf("byte %d as %q: accepted", i, ch)
				}
			}
		}
	}
	for _, bad := range []string{"", "x", text + "\n", text + "A", strings.Repeat("A", 1<<20)} {
		if _, err := tickets.Verify(bad); err == nil {
			t.Errorf("%.20q: accepted", bad)
		}
	}
}

func TestTicketFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.pem")
	if _, err := keys.OpenTicket(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	want := "cannot use keys: " + path + " has mode 0644, expected 0600, so that nobody else can read or change it; run: chmod 0600 " + path
	if _, err := keys.OpenTicket(path); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	release := filepath.Join(generate(t), keys.FileOTA)
	if _, err := keys.OpenTicket(release); err == nil || !strings.Contains(err.Error(), `found a "PRIVATE KEY" block`) {
		t.Errorf("a release key as ticket key: %v", err)
	}
	if _, err := keys.OpenTicket(filepath.Join(path, "\x00")); errors.Is(err, fs.ErrNotExist) || err == nil {
		t.Errorf("a path that cannot be: %v", err)
	}
}

func FuzzTicketVerify(f *testing.F) {
	key, err := keys.OpenTicket(filepath.Join(f.TempDir(), "t.pem"))
	if err != nil {
		f.Fatal(err)
	}
	good := key.Sign([]byte("body"))
	f.Add(good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		body, err := key.Verify(text)
		if err == nil && key.Sign(body) != text {
			t.Errorf("%q is accepted as %q", text, body)
		}
	})
}

// FuzzKeyFile: whatever lies in the files, opening them gives a key or an error.
func FuzzKeyFile(f *testing.F) {
	dir := generate(f)
	if _, err := keys.OpenTicket(filepath.Join(dir, "ticket.key")); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{keys.FileAVB, keys.FileOTA, keys.FileOTACert, keys.FileVerity, keys.FileVerityCert, "ticket.key"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for _, name := range []string{keys.FileAVB, keys.FileOTA, keys.FileOTACert, keys.FileVerity, keys.FileVerityCert, "ticket.key"} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		r, err := keys.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if key, err := r.AVB(); (err == nil) != (key != nil) {
			t.Errorf("AVB key %v, %v", key, err)
		}
		if key, cert, err := r.OTA(); err == nil {
			t.Errorf("one file is key %v and certificate %v", key, cert)
		}
		if key, cert, err := r.Verity(); err == nil {
			t.Errorf("one file is verity key %v and certificate %v", key, cert)
		}
		if key, err := keys.OpenTicket(filepath.Join(dir, "ticket.key")); err == nil {
			if _, err := key.Verify(key.Sign([]byte("x"))); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestSizes: phones know keys of some sizes alone.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		file, want string
		bits       int
	}{
		{keys.FileAVB, "has 3072 bits, expected 2048 or 4096 or 8192", 3072},
		{keys.FileOTA, "has 3072 bits, expected 2048 or 4096", 3072},
		{keys.FileVerity, "has 4096 bits, expected 2048", 4096},
	} {
		dir := filepath.Join(t.TempDir(), "keys")
		if err := keys.GenerateWith(dir, keys.Options{AVBBits: 2048}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, c.file)
		judge.Run(t, "openssl", "genrsa", "-out", file, fmt.Sprint(c.bits))
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		ring, err := keys.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		switch c.file {
		case keys.FileAVB:
			_, err = ring.AVB()
		case keys.FileOTA:
			_, _, err = ring.OTA()
		default:
			_, _, err = ring.Verity()
		}
		if want := "cannot use keys: " + file + " " + c.want; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", c.file, err, want)
		}
	}
}

// TestPublished: a real app that is signed with AOSP's key tells which that is, and its
// certificate is refused.
func TestPublished(t *testing.T) {
	real := os.Getenv("FRIDAY_REAL_ANDROID")
	if real == "" {
		t.Skip("needs FRIDAY_REAL_ANDROID, a folder of real Android files")
	}
	app, err := os.Open(filepath.Join(real, "1", "uiautomator2-server.apk"))
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	st, err := app.Stat()
	if err != nil {
		t.Fatal(err)
	}
	signers, err := apk.Certificates(app, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(signers[0].Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := keys.Published(cert); !ok || name != "testkey" {
		t.Errorf("it is %q, %v", name, ok)
	}
	if _, ok := keys.PublishedKey(cert.PublicKey.(*rsa.PublicKey)); ok {
		t.Error("it is no key of Verified Boot")
	}
	dir := filepath.Join(t.TempDir(), "keys")
	if err := keys.GenerateWith(dir, keys.Options{AVBBits: 2048}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, keys.FileOTACert)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "cannot use keys: " + file + " is AOSP's testkey, whose private half everybody has: who likes could sign for your phones; make keys of your own ('friday init' makes them)"
	if _, _, err := ring.OTA(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
