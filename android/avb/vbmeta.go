package avb

import "crypto/rsa"

// Algorithm is how a vbmeta struct is signed. The numbers are the format's.
type Algorithm uint32

const (
	None Algorithm = iota
	SHA256RSA2048
	SHA256RSA4096
	SHA256RSA8192
	SHA512RSA2048
	SHA512RSA4096
	SHA512RSA8192
)

// Bits of VBMeta.Flags.
const (
	FlagHashtreeDisabled     = 1 << 0
	FlagVerificationDisabled = 1 << 1
)

// VBMeta is one vbmeta struct.
type VBMeta struct {
	Algorithm             Algorithm
	RollbackIndex         uint64
	RollbackIndexLocation uint32
	Flags                 uint32
	ReleaseString         string
	PublicKey             []byte // as EncodePublicKey writes it; nil when unsigned
	PublicKeyMetadata     []byte
	Descriptors           []Descriptor
	// RequiredMinor is libavb's minor version that is needed to read the struct.
	// Sign raises it as far as what is used asks for.
	RequiredMinor uint32
}

// Parse reads the vbmeta struct at the start of b and does not check its signature.
func Parse(b []byte) (*VBMeta, error) { panic("unwritten") }

// Verify reads the vbmeta struct at the start of b and checks its hash and its
// signature with the key it carries. Whether that key is trusted is for the
// caller to compare. An unsigned struct is an error.
func Verify(b []byte) (*VBMeta, error) { panic("unwritten") }

// Sign serialises v and signs it; without a key the algorithm is None.
func Sign(v *VBMeta, key *rsa.PrivateKey) ([]byte, error) { panic("unwritten") }

// EncodePublicKey writes k as AvbRSAPublicKey: bits, n0inv, n, rr.
func EncodePublicKey(k *rsa.PublicKey) []byte { panic("unwritten") }

// DecodePublicKey reads an AvbRSAPublicKey and checks n0inv and rr against n.
func DecodePublicKey(b []byte) (*rsa.PublicKey, error) { panic("unwritten") }

// Digest is what Android calls the vbmeta digest (ro.boot.vbmeta.digest): SHA-256
// over the vbmeta structs in the order in which a boot loader reads them. Bytes
// after a struct are left out.
func Digest(vbmetas ...[]byte) [32]byte { panic("unwritten") }
