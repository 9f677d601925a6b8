package nest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/fridayos/friday/android/avb"
)

// openVBMeta reads a vbmeta image. What it describes is looked for beside it
// when it is verified.
func openVBMeta(_ context.Context, n *Nest, f File) (*Opened, error) {
	b, err := avb.ReadStruct(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	facts, v, err := avbFacts(b)
	if err != nil {
		return nil, err
	}
	o := &Opened{Facts: facts}
	addTail(f, o, int64(len(b)), "vbmeta struct")
	o.Verify = func(ctx context.Context, report func(string, error)) error {
		verifyStruct(b, report)
		around := &beside{n: n, of: f}
		for _, d := range v.Descriptors {
			if err := verifyDescriptor(ctx, around, d, report); err != nil {
				return err
			}
		}
		return nil
	}
	return o, nil
}

// addAVB adds the facts of a footer, if there is one, and its checks.
func addAVB(f File, o *Opened) {
	footer, ok, err := avb.ParseFooter(f.R, f.Size)
	if err != nil || !ok {
		if err != nil {
			o.Problems = append(o.Problems, err.Error())
		}
		return
	}
	b, err := avb.ReadStruct(f.R, f.Size)
	if err != nil {
		o.Problems = append(o.Problems, err.Error())
		return
	}
	facts, v, err := avbFacts(b)
	if err != nil {
		o.Problems = append(o.Problems, err.Error())
		return
	}
	facts["image_size"] = footer.OriginalImageSize
	o.Facts["avb"] = facts
	before := o.Verify
	o.Verify = func(ctx context.Context, report func(string, error)) error {
		if before != nil {
			if err := before(ctx, report); err != nil {
				return err
			}
		}
		verifyStruct(b, report)
		for _, d := range v.Descriptors {
			name := described(d)
			if name == "" {
				continue
			}
			report("avb: content, as the descriptor of "+name+" says", avb.VerifyPartition(ctx, d, f.R, f.Size))
			if h, ok := d.(*avb.HashtreeDescriptor); ok && h.FECSize > 0 {
				report("avb: error correction of "+name, avb.VerifyFEC(ctx, h, f.R, f.Size))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	}
}

func avbFacts(b []byte) (map[string]any, *avb.VBMeta, error) {
	v, err := avb.Parse(b)
	if err != nil {
		return nil, nil, err
	}
	facts := map[string]any{"algorithm": v.Algorithm.String(), "rollback_index": v.RollbackIndex, "flags": v.Flags, "release": v.ReleaseString}
	switch _, err := avb.Verify(b); {
	case err == nil:
		facts["signature"] = "good"
	case errors.Is(err, avb.ErrUnsigned):
		facts["signature"] = "none"
	default:
		facts["signature"] = err.Error()
	}
	if v.PublicKey != nil {
		sum := sha256.Sum256(v.PublicKey)
		facts["key_sha256"] = hex.EncodeToString(sum[:])
	}
	var parts []string
	props := map[string]any{}
	for _, d := range v.Descriptors {
		if name := described(d); name != "" {
			parts = append(parts, name)
		}
		switch d := d.(type) {
		case *avb.ChainDescriptor:
			parts = append(parts, d.Partition)
		case *avb.PropertyDescriptor:
			props[d.Key] = string(d.Value)
		}
	}
	if parts != nil {
		facts["partitions"] = parts
	}
	if len(props) > 0 {
		facts["properties"] = props
	}
	return facts, v, nil
}

// described is the partition that a hash or a hash tree is of.
func described(d avb.Descriptor) string {
	switch d := d.(type) {
	case *avb.HashtreeDescriptor:
		return d.Partition
	case *avb.HashDescriptor:
		return d.Partition
	}
	return ""
}

func verifyStruct(b []byte, report func(string, error)) {
	if _, err := avb.Verify(b); !errors.Is(err, avb.ErrUnsigned) {
		report("avb: signature of vbmeta, by its own key", err)
	}
}

// verifyDescriptor checks a partition that lies around the vbmeta image; one that
// does not is left out.
func verifyDescriptor(ctx context.Context, around *beside, d avb.Descriptor, report func(string, error)) error {
	name := described(d)
	chain, chained := d.(*avb.ChainDescriptor)
	if chained {
		name = chain.Partition
	}
	s, ok := around.find(ctx, name)
	if !ok {
		return ctx.Err()
	}
	if !chained {
		err := avb.VerifyPartition(ctx, d, s.R, s.Size)
		if ctx.Err() == nil {
			report("avb: content of "+name+shortWhere(s.where), err)
		}
		return ctx.Err()
	}
	b, err := avb.ReadStruct(s.R, s.Size)
	var v *avb.VBMeta
	if err == nil {
		v, err = avb.Verify(b)
	}
	if err == nil && !avb.SameKey(v.PublicKey, chain.PublicKey) {
		err = errors.New("expected the key that the chain names, found another")
	}
	report("avb: chain to "+name+shortWhere(s.where), err)
	return ctx.Err()
}
