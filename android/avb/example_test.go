package avb_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/tree"
)

func key() *rsa.PrivateKey {
	b, err := os.ReadFile("testdata/rsa2048.pem")
	if err != nil {
		log.Fatal(err)
	}
	block, _ := pem.Decode(b)
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	return k
}

// Makes a system and a boot partition and the vbmeta that vouches for both, and
// verifies them as a phone would.
func Example() {
	var system, boot tree.Image
	system.AppendBytes(bytes.Repeat([]byte("a file system"), 4096))
	boot.AppendBytes([]byte("a boot image"))

	systemImage, hashtree, err := avb.AddHashtree(&system, avb.HashtreeParams{Partition: "system", Salt: []byte("system's salt")})
	if err != nil {
		log.Fatal(err)
	}
	bootImage, hash, err := avb.AddHash(&boot, avb.HashParams{Partition: "boot", Salt: []byte("boot's salt"), PartitionSize: 64 << 10})
	if err != nil {
		log.Fatal(err)
	}
	vbmeta, err := avb.Sign(&avb.VBMeta{RollbackIndex: 1793491200, Descriptors: []avb.Descriptor{hash, hashtree}}, key())
	if err != nil {
		log.Fatal(err)
	}

	var vbmetaImage tree.Image
	vbmetaImage.AppendBytes(vbmeta)
	partitions := map[string]*tree.Image{"system": systemImage, "boot": bootImage, "vbmeta": &vbmetaImage}
	open := func(name string) (io.ReaderAt, int64, error) {
		im, ok := partitions[name]
		if !ok {
			return nil, 0, fs.ErrNotExist
		}
		return im, im.Size(), nil
	}
	chain, err := avb.VerifyChain(context.Background(), open, avb.EncodePublicKey(&key().PublicKey))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chain.VBMeta.Algorithm, chain.Partitions, chain.RollbackIndexes)

	var other tree.Image
	other.AppendBytes([]byte("another boot image"))
	partitions["boot"] = &other
	_, err = avb.VerifyChain(context.Background(), open, avb.EncodePublicKey(&key().PublicKey))
	fmt.Println(err != nil)
	// Output:
	// SHA256_RSA2048 [boot system] map[0:1793491200]
	// true
}
