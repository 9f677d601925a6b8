package avb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Limits of libavb.
const (
	maxRollbackLocation = 31
	maxStructs          = 32
)

// Chain is what VerifyChain found.
type Chain struct {
	VBMeta          *VBMeta            // the top one
	Chained         map[string]*VBMeta // by partition
	Digest          [32]byte           // ro.boot.vbmeta.digest
	RollbackIndexes map[uint32]uint64  // by location
	Partitions      []string           // whose content was verified, in order
}

// VerifyChain verifies the vbmeta struct of the partition "vbmeta" (of "boot"
// where open answers fs.ErrNotExist), those of the partitions it delegates to, and
// every partition that any of them describes. trusted is the encoded key that
// must have signed the top one; nil accepts any, and an unsigned one too, as an
// unlocked phone does. Chained structs must be by the key that the descriptor names.
//
// As on a phone, FlagVerificationDisabled in the top struct ends it there, and
// FlagHashtreeDisabled leaves hash trees out: see Chain.Partitions. Comparing the
// rollback indexes with the phone's is for the caller.
func VerifyChain(ctx context.Context, open func(partition string) (io.ReaderAt, int64, error), trusted []byte) (Chain, error) {
	return VerifyChainBut(ctx, open, trusted, nil)
}

// VerifyChainBut is VerifyChain, but does not read the content of partitions that
// proven says were verified by that descriptor before, in the bytes that they have
// now. proven may be nil.
func VerifyChainBut(ctx context.Context, open func(partition string) (io.ReaderAt, int64, error), trusted []byte, proven func(partition string, d Descriptor) bool) (Chain, error) {
	w := &chainWalk{ctx: ctx, open: open, proven: proven,
		chain: Chain{Chained: map[string]*VBMeta{}, RollbackIndexes: map[uint32]uint64{}}}
	if err := w.top(trusted); err != nil {
		return Chain{}, fmt.Errorf("cannot verify chain: %w", err)
	}
	w.chain.Digest = Digest(w.structs...)
	return w.chain, nil
}

type chainWalk struct {
	ctx     context.Context
	open    func(partition string) (io.ReaderAt, int64, error)
	proven  func(partition string, d Descriptor) bool
	chain   Chain
	structs [][]byte
}

func (w *chainWalk) top(trusted []byte) error {
	name := "vbmeta"
	b, err := w.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		name = "boot"
		b, err = w.read(name)
	}
	if err != nil {
		return err
	}
	v, err := Verify(b)
	if errors.Is(err, ErrUnsigned) && trusted == nil {
		v, err = Parse(b)
	}
	if err != nil {
		return fmt.Errorf("partition %s: %w", name, err)
	}
	if trusted != nil && !SameKey(v.PublicKey, trusted) {
		return fmt.Errorf("partition %s: it is signed by key %s, expected %s", name, keyName(v.PublicKey), keyName(trusted))
	}
	w.chain.VBMeta = v
	if err := w.rollback(name, v.RollbackIndexLocation, v.RollbackIndex); err != nil {
		return err
	}
	w.structs = append(w.structs, b)
	if v.Flags&FlagVerificationDisabled != 0 {
		return nil
	}
	for _, d := range v.Descriptors {
		if c, ok := d.(*ChainDescriptor); ok {
			err = w.chained(c)
		} else {
			err = w.partition(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *chainWalk) chained(c *ChainDescriptor) error {
	if len(w.structs) == maxStructs {
		return fmt.Errorf("partition %s: there are more than %d vbmeta structs", c.Partition, maxStructs)
	}
	if c.RollbackIndexLocation == 0 {
		return fmt.Errorf("partition %s: rollback_index_location of its chain descriptor is 0, expected 1 to %d", c.Partition, maxRollbackLocation)
	}
	b, err := w.read(c.Partition)
	if err != nil {
		return err
	}
	v, err := Verify(b)
	if err != nil {
		return fmt.Errorf("partition %s: %w", c.Partition, err)
	}
	if !SameKey(v.PublicKey, c.PublicKey) {
		return fmt.Errorf("partition %s: it is signed by key %s, expected %s by its chain descriptor", c.Partition, keyName(v.PublicKey), keyName(c.PublicKey))
	}
	if v.Flags != 0 {
		return fmt.Errorf("partition %s: flags of a chained vbmeta are %#x, expected 0", c.Partition, v.Flags)
	}
	if err := w.rollback(c.Partition, c.RollbackIndexLocation, v.RollbackIndex); err != nil {
		return err
	}
	w.structs = append(w.structs, b)
	w.chain.Chained[c.Partition] = v
	for _, d := range v.Descriptors {
		if _, ok := d.(*ChainDescriptor); ok {
			return fmt.Errorf("partition %s: it delegates further, which only the top vbmeta may", c.Partition)
		}
		if err := w.partition(d); err != nil {
			return err
		}
	}
	return nil
}

func (w *chainWalk) rollback(partition string, location uint32, index uint64) error {
	if location > maxRollbackLocation {
		return fmt.Errorf("partition %s: its rollback index location is %d, expected at most %d", partition, location, maxRollbackLocation)
	}
	if _, used := w.chain.RollbackIndexes[location]; used {
		return fmt.Errorf("partition %s: its rollback index location %d is in use by another vbmeta", partition, location)
	}
	w.chain.RollbackIndexes[location] = index
	return nil
}

// partition verifies what d describes, if d describes a partition.
func (w *chainWalk) partition(d Descriptor) error {
	var name string
	switch d := d.(type) {
	case *HashtreeDescriptor:
		if w.chain.VBMeta.Flags&FlagHashtreeDisabled != 0 {
			return nil
		}
		name = d.Partition
	case *HashDescriptor:
		name = d.Partition
	default:
		return nil
	}
	if w.proven != nil && w.proven(name, d) {
		w.chain.Partitions = append(w.chain.Partitions, name)
		return nil
	}
	r, size, err := w.open(name)
	if err != nil {
		return fmt.Errorf("cannot open partition %s: %w", name, err)
	}
	if err := VerifyPartition(w.ctx, d, r, size); err != nil {
		return err
	}
	w.chain.Partitions = append(w.chain.Partitions, name)
	return nil
}

// read gets a partition's struct. Partitions called vbmeta… have no footer.
func (w *chainWalk) read(name string) ([]byte, error) {
	r, size, err := w.open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot open partition %s: %w", name, err)
	}
	var b []byte
	if strings.HasPrefix(name, "vbmeta") {
		b, err = readStruct(r, 0, min(max(size, 0), MaxVBMetaSize))
	} else {
		b, err = ReadStruct(r, size)
	}
	if err != nil {
		return nil, fmt.Errorf("partition %s: %w", name, err)
	}
	return b, nil
}

// keyName is short, for people to compare.
func keyName(key []byte) string {
	if key == nil {
		return "none"
	}
	return fmt.Sprintf("%x…", digest(SHA256RSA2048.Hash(), key)[:8])
}
