package payload

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/fridayos/friday/android/payload/internal/pb"
	"github.com/fridayos/friday/android/tree"
)

// VerifyMetadata checks the metadata signature alone, before anything is
// believed.
func (p *Payload) VerifyMetadata(pub crypto.PublicKey) error {
	_, err := p.verifyMetadata(pub)
	return err
}

// verifyMetadata gives the hash state after the metadata, which the payload
// signature goes on from.
func (p *Payload) verifyMetadata(pub crypto.PublicKey) (hash.Hash, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(p.r, 0, p.layout.MetadataSize)); err != nil {
		return nil, fmt.Errorf("cannot verify metadata signature: %w", err)
	}
	if err := p.verifySignature(pub, h.Sum(nil), p.layout.MetadataSize, p.layout.MetadataSignatureSize); err != nil {
		return nil, fmt.Errorf("cannot verify metadata signature: %w", err)
	}
	return h, nil
}

// Verify checks the metadata signature and the payload signature. It reads the
// payload once.
func (p *Payload) Verify(pub crypto.PublicKey) error {
	h, err := p.verifyMetadata(pub)
	if err != nil {
		return err
	}
	n, err := io.Copy(h, io.NewSectionReader(p.r, p.layout.BlobsOffset, p.layout.BlobsSize))
	if err == nil && n < p.layout.BlobsSize {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = p.verifySignature(pub, h.Sum(nil), p.layout.BlobsOffset+p.layout.BlobsSize, p.layout.SignatureSize)
	}
	if err != nil {
		return fmt.Errorf("cannot verify payload signature: %w", err)
	}
	return nil
}

// verifySignature reads a block of signatures, of which one must be pub's.
func (p *Payload) verifySignature(pub crypto.PublicKey, digest []byte, off, size int64) error {
	if size == 0 {
		return errors.New("there is none")
	}
	raw := make([]byte, size)
	if err := tree.ReadFull(p.r, raw, off); err != nil {
		return err
	}
	var in pb.Signatures
	if err := proto.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("cannot read protobuf at %d: %w", off, err)
	}
	if len(in.GetSignatures()) == 0 {
		return fmt.Errorf("there is none in the %d bytes at %d", size, off)
	}
	for _, s := range in.GetSignatures() {
		sig := s.GetData()
		if n := s.GetUnpaddedSignatureSize(); n > 0 && int64(n) <= int64(len(sig)) {
			sig = sig[:n]
		}
		ok, err := verifyDigest(pub, digest, sig)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return fmt.Errorf("none of %d at %d is of the expected key over SHA-256 %x", len(in.GetSignatures()), off, digest)
}

func verifyDigest(pub crypto.PublicKey, digest, sig []byte) (bool, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest, sig) == nil, nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, sig), nil
	}
	return false, fmt.Errorf("key is a %T, expected *rsa.PublicKey or *ecdsa.PublicKey", pub)
}

// signatureRoom is the most bytes that a signature of the key has.
func signatureRoom(pub crypto.PublicKey) (int, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return k.Size(), nil
	case *ecdsa.PublicKey:
		// A DER sequence of two integers, each with its head and perhaps a zero in front.
		n := 2 * ((k.Curve.Params().N.BitLen()+7)/8 + 3)
		if n > 127 {
			n++
		}
		return n + 2, nil
	}
	return 0, fmt.Errorf("cannot sign with a key of %T, expected *rsa.PublicKey or *ecdsa.PublicKey", pub)
}

// signatures is the block of one signature, filled with zeros to room so that its
// size is known before.
func signatures(sig []byte, room int) ([]byte, error) {
	if len(sig) > room {
		return nil, fmt.Errorf("cannot sign: signature has %d bytes, expected at most %d", len(sig), room)
	}
	data := make([]byte, room)
	copy(data, sig)
	return proto.MarshalOptions{Deterministic: true}.Marshal(&pb.Signatures{
		Signatures: []*pb.Signatures_Signature{{Data: data, UnpaddedSignatureSize: proto.Uint32(uint32(len(sig)))}},
	})
}

// sign is the block of signatures over a digest. RSA signatures are PKCS #1 v1.5;
// both kinds are deterministic where the key lies in memory (RFC 6979 for EC).
func sign(signer crypto.Signer, digest []byte, room int) ([]byte, error) {
	random := rand.Reader
	if _, ok := signer.(*ecdsa.PrivateKey); ok {
		random = nil
	}
	sig, err := signer.Sign(random, digest, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	if ok, err := verifyDigest(signer.Public(), digest, sig); err != nil || !ok {
		return nil, fmt.Errorf("cannot sign: the signer's own public key does not accept its signature")
	}
	return signatures(sig, room)
}
