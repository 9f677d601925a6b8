package recoveryzip_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"time"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/recoveryzip"
)

func Example() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	self := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "releases"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(30, 0, 0), SignatureAlgorithm: x509.ECDSAWithSHA256}
	der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	if err != nil {
		fmt.Println(err)
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := os.CreateTemp("", "recovery-*.zip")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(out.Name())
	defer out.Close()
	scratch, err := os.CreateTemp("", "scratch-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(scratch.Name())
	defer scratch.Close()

	recovery := bytes.Repeat([]byte("ANDROID!"), 512)
	info, err := recoveryzip.Write(context.Background(), out, recoveryzip.Package{
		Metadata:     otazip.Metadata{PreDevice: []string{"m7"}, PostBuild: "htc/m7/m7:5.0/LRX22G/1:user/release-keys", PostBuildIncremental: "1", PostTimestamp: 1764000000},
		UpdateBinary: []byte("\x7fELF"), // of the vendor's own zip
		Partitions:   []recoveryzip.Partition{{Name: "recovery", Device: "/dev/block/mmcblk0p34", Size: int64(len(recovery)), Image: bytes.NewReader(recovery)}},
	}, scratch, key, cert)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = otazip.Verify(out, info.Size, []*x509.Certificate{cert})
	fmt.Println("signed:", err == nil)
	// Output: signed: true
}
