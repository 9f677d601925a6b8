package main

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/avb"
)

// avbInfo is what 'avb info --json' prints.
type avbInfo struct {
	Footer                *avb.Footer     `json:"footer,omitempty"`
	Algorithm             string          `json:"algorithm"`
	Signature             string          `json:"signature"` // "good", "none", or what is wrong
	KeySHA256             string          `json:"key_sha256,omitempty"`
	RollbackIndex         uint64          `json:"rollback_index"`
	RollbackIndexLocation uint32          `json:"rollback_index_location"`
	Flags                 uint32          `json:"flags"`
	Release               string          `json:"release"`
	Digest                string          `json:"digest"` // SHA-256 of the struct
	Descriptors           []avbDescriptor `json:"descriptors"`
}

// avbDescriptor is one descriptor of any kind; keys that it lacks are left out.
type avbDescriptor struct {
	Kind      string `json:"kind"`
	Partition string `json:"partition,omitempty"`
	ImageSize uint64 `json:"image_size,omitempty"`
	Hash      string `json:"hash,omitempty"`
	Salt      string `json:"salt,omitempty"`
	Digest    string `json:"digest,omitempty"` // root digest of a hash tree
	TreeAt    uint64 `json:"tree_offset,omitempty"`
	FECRoots  uint32 `json:"fec_roots,omitempty"`
	Location  uint32 `json:"rollback_index_location,omitempty"`
	KeySHA256 string `json:"key_sha256,omitempty"`
	Key       string `json:"key,omitempty"` // of a property
	Value     string `json:"value,omitempty"`
}

func newAVBInfo() *cobra.Command {
	var keyOut string
	var asJSON bool
	c := &cobra.Command{
		Use:     "info FILE",
		Short:   "Show what a vbmeta struct says",
		Long:    "Shows the header and the descriptors of a vbmeta image, or of an image with a footer, and whether its signature is good. What they describe is not read: 'friday avb verify' does. --key-out writes the public key as 'fastboot flash avb_custom_key' takes it.",
		Example: "  friday avb info out/vbmeta.img\n  friday avb info out/vbmeta.img --key-out avb_custom_key.bin",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var info avbInfo
			var key []byte
			if err := withFile(args[0], func(f *os.File, size int64) (err error) {
				info, key, err = readAVB(f, size)
				return err
			}); err != nil {
				return err
			}
			if keyOut != "" {
				if key == nil {
					return fmt.Errorf("cannot write key: %s is not signed", args[0])
				}
				if err := writeFile(keyOut, func(f *os.File) error { _, err := f.Write(key); return err }); err != nil {
					return err
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			return printAVB(cmd.OutOrStdout(), info)
		},
	}
	c.Flags().StringVar(&keyOut, "key-out", "", "`file` to write the public key to")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

// readAVB reads the struct of an image, and its key.
func readAVB(r io.ReaderAt, size int64) (avbInfo, []byte, error) {
	b, err := avb.ReadStruct(r, size)
	if err != nil {
		return avbInfo{}, nil, err
	}
	v, err := avb.Parse(b)
	if err != nil {
		return avbInfo{}, nil, err
	}
	info := avbInfo{
		Algorithm: v.Algorithm.String(), Signature: "good", RollbackIndex: v.RollbackIndex,
		RollbackIndexLocation: v.RollbackIndexLocation, Flags: v.Flags, Release: v.ReleaseString, Digest: digest(b),
		Descriptors: []avbDescriptor{},
	}
	if _, err := avb.Verify(b); errors.Is(err, avb.ErrUnsigned) {
		info.Signature = "none"
	} else if err != nil {
		info.Signature = err.Error()
	}
	if v.PublicKey != nil {
		info.KeySHA256 = digest(v.PublicKey)
	}
	if footer, ok, err := avb.ParseFooter(r, size); err == nil && ok {
		info.Footer = &footer
	}
	for _, d := range v.Descriptors {
		info.Descriptors = append(info.Descriptors, describe(d))
	}
	return info, v.PublicKey, nil
}

func describe(d avb.Descriptor) avbDescriptor {
	switch d := d.(type) {
	case *avb.HashtreeDescriptor:
		return avbDescriptor{Kind: "hashtree", Partition: d.Partition, ImageSize: d.ImageSize, Hash: d.HashAlgorithm,
			Salt: hex.EncodeToString(d.Salt), Digest: hex.EncodeToString(d.RootDigest), TreeAt: d.TreeOffset, FECRoots: d.FECRoots}
	case *avb.HashDescriptor:
		return avbDescriptor{Kind: "hash", Partition: d.Partition, ImageSize: d.ImageSize, Hash: d.HashAlgorithm,
			Salt: hex.EncodeToString(d.Salt), Digest: hex.EncodeToString(d.Digest)}
	case *avb.ChainDescriptor:
		return avbDescriptor{Kind: "chain", Partition: d.Partition, Location: d.RollbackIndexLocation, KeySHA256: digest(d.PublicKey)}
	case *avb.PropertyDescriptor:
		return avbDescriptor{Kind: "property", Key: d.Key, Value: string(d.Value)}
	case *avb.CmdlineDescriptor:
		return avbDescriptor{Kind: "cmdline", Value: d.Cmdline}
	case *avb.UnknownDescriptor:
		return avbDescriptor{Kind: "unknown", Key: strconv.FormatUint(d.Tag, 10), Value: hex.EncodeToString(d.Data)}
	}
	return avbDescriptor{Kind: fmt.Sprintf("%T", d)}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func printAVB(w io.Writer, info avbInfo) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	if f := info.Footer; f != nil {
		fmt.Fprintf(tw, "footer\timage of %d bytes, vbmeta of %d at %d\n", f.OriginalImageSize, f.VBMetaSize, f.VBMetaOffset)
	}
	fmt.Fprintf(tw, "algorithm\t%s\nsignature\t%s\n", info.Algorithm, info.Signature)
	if info.KeySHA256 != "" {
		fmt.Fprintf(tw, "key\tSHA-256 %s\n", info.KeySHA256)
	}
	fmt.Fprintf(tw, "rollback index\t%d at location %d\n", info.RollbackIndex, info.RollbackIndexLocation)
	fmt.Fprintf(tw, "flags\t%s\nrelease\t%s\ndigest\t%s\n", flagsText(info.Flags), info.Release, info.Digest)
	for _, d := range info.Descriptors {
		switch d.Kind {
		case "hashtree", "hash":
			fmt.Fprintf(tw, "%s\t%s of %d bytes, %s %s\n", d.Kind, d.Partition, d.ImageSize, d.Hash, d.Digest)
		case "chain":
			fmt.Fprintf(tw, "chain\t%s at location %d, key SHA-256 %s\n", d.Partition, d.Location, d.KeySHA256)
		default:
			fmt.Fprintf(tw, "%s\t%q\n", d.Kind, d.Key+map[bool]string{true: "="}[d.Key != ""]+d.Value)
		}
	}
	return tw.Flush()
}

func flagsText(flags uint32) string {
	switch {
	case flags == 0:
		return "none"
	case flags&avb.FlagVerificationDisabled != 0:
		return fmt.Sprintf("%#x: verification is disabled", flags)
	case flags&avb.FlagHashtreeDisabled != 0:
		return fmt.Sprintf("%#x: hash trees are disabled", flags)
	}
	return fmt.Sprintf("%#x", flags)
}

// readAVBKey reads a public key as a phone stores it, or from PEM.
func readAVBKey(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read key: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil {
		if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil && block.Type == "PUBLIC KEY" {
			if key, ok := key.(*rsa.PublicKey); ok {
				return avb.EncodePublicKey(key), nil
			}
		}
		return nil, fmt.Errorf("cannot read key %s: expected a public RSA key, found %q", path, block.Type)
	}
	if _, err := avb.DecodePublicKey(b); err != nil {
		return nil, fmt.Errorf("cannot read key %s: it is neither PEM nor AVB's own form: %w", path, err)
	}
	return b, nil
}
