// Package keys holds the signing keys by role.
//
// `friday worker` holds the release keys, a folder (mode 0700) of PEM files
// (mode 0600) that Generate makes and Open reads:
//
//	avb.pem       RSA; signs vbmeta. Its public half is fused into a phone, or
//	              ignored by an unlocked one.
//	ota.pem       RSA; signs payloads and whole packages.
//	ota.x509.pem  its certificate, which lies in otacerts.zip of every build.
//	verity.pem    RSA of 2048 bits; signs boot images and file systems of phones with
//	              Verified Boot 1. Folders from before it was made have none.
//	verity.x509.pem  its certificate, which lies behind every boot image.
//
// `friday serve` holds the ticket key alone (Ticket), which signs what handsets
// hand back to it: tickets and outcome tokens. It never opens a release key,
// and the ticket key can sign nothing that a phone would install.
//
// The package signs no formats itself; android/avb, android/payload and
// android/otazip do. Keys are PKCS #8 (PKCS #1 is read too), so that AOSP's and
// openssl's can be brought along; keys under a passphrase are not read.
package keys

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Names of the files in a folder of release keys.
const (
	FileAVB     = "avb.pem"
	FileOTA     = "ota.pem"
	FileOTACert = "ota.x509.pem"

	FileVerity     = "verity.pem"
	FileVerityCert = "verity.x509.pem"
)

// VerityBits is the size of the verity key, the only one that the format has.
const VerityBits = 2048

// ErrNoVerity is wrapped by Verity's error for a folder without a verity key.
var ErrNoVerity = errors.New("there is no verity key")

const maxFile = 64 << 10

// Options of GenerateWith.
type Options struct {
	AVBBits int       // 2048, 4096 or 8192, as AVB's algorithms have it; 0: 4096
	OTABits int       // 2048, which every recovery knows, or 4096, of Android 7 and newer; 0: 2048
	Name    string    // common name of the OTA certificate; "": "Friday OTA"
	Now     time.Time // from when the certificates are valid; zero: now
}

// Generate makes the release keys in dir. It overwrites nothing.
func Generate(dir string) error { return GenerateWith(dir, Options{}) }

// GenerateWith is Generate with sizes and a name.
func GenerateWith(dir string, o Options) error {
	avbBits, err := bits("AVB", o.AVBBits, 2048, 4096, 8192)
	if err != nil {
		return err
	}
	otaBits, err := bits("OTA", cmp.Or(o.OTABits, 2048), 2048, 4096)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make release keys: %w", err)
	}
	if err := checkMode(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{FileAVB, FileOTA, FileOTACert, FileVerity, FileVerityCert} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot make release keys: %s is there already; phones trust it, so it is not overwritten; move it away to start anew", filepath.Join(dir, name))
		}
	}
	avb, err := rsa.GenerateKey(rand.Reader, avbBits)
	if err != nil {
		return fmt.Errorf("cannot make AVB key: %w", err)
	}
	ota, err := rsa.GenerateKey(rand.Reader, otaBits)
	if err != nil {
		return fmt.Errorf("cannot make OTA key: %w", err)
	}
	verity, err := rsa.GenerateKey(rand.Reader, VerityBits)
	if err != nil {
		return fmt.Errorf("cannot make verity key: %w", err)
	}
	if err := writeKey(filepath.Join(dir, FileAVB), avb); err != nil {
		return err
	}
	if err := writePair(dir, FileVerity, verity, FileVerityCert, "Friday verity", o.Now); err != nil {
		return err
	}
	return writePair(dir, FileOTA, ota, FileOTACert, cmp.Or(o.Name, "Friday OTA"), o.Now)
}

// writePair writes a key and its certificate.
func writePair(dir, file string, key *rsa.PrivateKey, certFile, name string, now time.Time) error {
	cert, err := selfSigned(key, name, now)
	if err != nil {
		return fmt.Errorf("cannot make certificate %s: %w", certFile, err)
	}
	if err := writeKey(filepath.Join(dir, file), key); err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, certFile), "CERTIFICATE", cert)
}

func bits(role string, n int, allowed ...int) (int, error) {
	if n == 0 {
		return 4096, nil
	}
	if !slices.Contains(allowed, n) {
		return 0, fmt.Errorf("cannot make %s key: %d bits, expected one of %d", role, n, allowed)
	}
	return n, nil
}

// selfSigned makes a certificate; phones go by its key and by no date, so it
// lasts as long as X.509 lets it.
func selfSigned(key *rsa.PrivateKey, name string, now time.Time) ([]byte, error) {
	if now.IsZero() {
		now = time.Now()
	}
	// The serial number tells two keys of one name apart.
	id := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	id[0] &= 0x7f
	tmpl := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(id[:16]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.UTC().Truncate(time.Second),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	return x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
}

func writeKey(path string, key *rsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("cannot write key %s: %w", path, err)
	}
	return writePEM(path, "PRIVATE KEY", der)
}

// Ring is a folder of release keys.
type Ring struct{ dir string }

// Open checks that dir and its files are nobody else's to read.
func Open(dir string) (*Ring, error) {
	if err := checkMode(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot open release keys: %w; make them with Generate, or name the right folder", err)
		}
		return nil, err
	}
	for _, name := range []string{FileAVB, FileOTA, FileOTACert} {
		if err := checkMode(filepath.Join(dir, name), 0o600); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{FileVerity, FileVerityCert} {
		if err := checkMode(filepath.Join(dir, name), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return &Ring{dir}, nil
}

// checkMode refuses what a group or others may read or write.
func checkMode(path string, want fs.FileMode) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot use keys: %w", err)
	}
	if isDir := want == 0o700; st.IsDir() != isDir {
		return fmt.Errorf("cannot use keys: %s is of another type (%v) than expected", path, st.Mode().Type())
	}
	if mode := st.Mode().Perm(); mode&^want != 0 {
		return fmt.Errorf("cannot use keys: %s has mode %04o, expected %04o, so that nobody else can read or change it; run: chmod %04o %s", path, mode, want, want, path)
	}
	return nil
}

// AVB is the key that signs vbmeta.
func (r *Ring) AVB() (*rsa.PrivateKey, error) {
	path := filepath.Join(r.dir, FileAVB)
	key, err := readKey(path)
	if err != nil {
		return nil, err
	}
	if err := sized(path, key, 2048, 4096, 8192); err != nil {
		return nil, err
	}
	if name, ok := PublishedKey(&key.PublicKey); ok {
		return nil, published(path, name)
	}
	return key, nil
}

// OTA is the key that signs payloads and packages, and its certificate.
func (r *Ring) OTA() (crypto.Signer, *x509.Certificate, error) {
	return r.pair(FileOTA, FileOTACert, 2048, 4096)
}

// Verity is the key that signs boot images and file systems of phones with Verified
// Boot 1, and its certificate. The error wraps ErrNoVerity where the folder has none.
func (r *Ring) Verity() (*rsa.PrivateKey, *x509.Certificate, error) {
	for _, name := range []string{FileVerity, FileVerityCert} {
		path := filepath.Join(r.dir, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("cannot read key %s: %w", path, ErrNoVerity)
		}
	}
	return r.pair(FileVerity, FileVerityCert, VerityBits)
}

// pair reads a key, of one of these sizes, and its certificate.
func (r *Ring) pair(file, certFile string, bits ...int) (*rsa.PrivateKey, *x509.Certificate, error) {
	key, err := readKey(filepath.Join(r.dir, file))
	if err != nil {
		return nil, nil, err
	}
	if err := sized(filepath.Join(r.dir, file), key, bits...); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(r.dir, certFile)
	block, err := readPEM(path)
	if err != nil {
		return nil, nil, err
	}
	if block.Type != "CERTIFICATE" {
		return nil, nil, fmt.Errorf("cannot read certificate %s: found a %q block, expected CERTIFICATE", path, block.Type)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read certificate %s: %w", path, err)
	}
	if name, ok := Published(cert); ok {
		return nil, nil, published(path, name)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("cannot use keys: %s is not the certificate of the key %s", path, file)
	}
	return key, cert, nil
}

func readKey(path string) (*rsa.PrivateKey, error) {
	if err := checkMode(path, 0o600); err != nil {
		return nil, err
	}
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot read key %s: %w", path, err)
		}
		if key, ok := key.(*rsa.PrivateKey); ok {
			return key, nil
		}
		return nil, fmt.Errorf("cannot read key %s: it is a %T, expected an RSA key", path, key)
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot read key %s: %w", path, err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("cannot read key %s: found a %q block, expected PRIVATE KEY without a passphrase", path, block.Type)
}
