package otazip_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/fridayos/friday/android/otazip"
)

// exampleKey is a key that everybody knows; a real one lies in a folder that
// nobody else reads.
func exampleKey() (*ecdsa.PrivateKey, *x509.Certificate) {
	d := sha256.Sum256([]byte("an example"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		log.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example OTA"}, NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return key, cert
}

// Write a package, verify its signature, and read what it says.
func Example() {
	key, cert := exampleKey()
	dir, err := os.MkdirTemp("", "otazip")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "umi-26.11.27.zip"))
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	info, err := otazip.Write(context.Background(), f, otazip.Contents{
		Metadata: otazip.Metadata{
			PreDevice: []string{"umi"}, PostBuild: "Friday/umi/umi:14/UKQ1/1:user/release-keys",
			PostBuildIncremental: "26.11.27", PostTimestamp: 1795737600, PostSecurityPatch: "2026-11-05",
		},
		Payload: func(w io.Writer) (string, error) { // android/payload writes a real one
			_, err := w.Write(append([]byte("CrAU\x00\x00\x00\x00\x00\x00\x00\x02"), make([]byte, 88)...))
			return "FILE_SIZE=100\n", err
		},
	}, key, cert)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("payload.bin at", info.PayloadOffset, "with", info.PayloadSize, "bytes")

	signer, err := otazip.Verify(f, info.Size, []*x509.Certificate{cert})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed by", signer.Subject.CommonName)

	z, err := otazip.Open(f, info.Size)
	if err != nil {
		log.Fatal(err)
	}
	m, err := z.Metadata()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("for", m.PreDevice, "to", m.PostBuildIncremental)
	// Output:
	// payload.bin at 4096 with 100 bytes
	// signed by Example OTA
	// for [umi] to 26.11.27
}

// Refuse what was changed on its way.
func ExampleVerify() {
	_, cert := exampleKey()
	f, err := os.CreateTemp("", "not-a-package")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString("a download that broke off, or a page that says 404"); err != nil {
		log.Fatal(err)
	}
	_, err = otazip.Verify(f, 50, []*x509.Certificate{cert})
	fmt.Println(err)
	// Output:
	// cannot verify package: it has no whole-file signature: footer at byte 46 has 2034, expected ffff; sign it, or check that the download is complete
}
