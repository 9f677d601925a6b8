package handset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/super"
)

// Flash writes one partition of slot a, as fastboot would on a phone that is set
// up for the first time, and makes that slot the active one.
func (p *Phone) Flash(partition string, r io.Reader) error {
	if p.st.Running != "" {
		return errors.New("cannot flash: the phone runs; its folder holds user data, so make a new handset instead")
	}
	if !bootprofile.IsPartition(partition) {
		return fmt.Errorf("cannot flash: %q is no partition name", partition)
	}
	if err := placeDurably(p.image("a", partition), r); err != nil {
		return fmt.Errorf("cannot flash %s: %w", partition, err)
	}
	return p.SetActive("a")
}

// Locked says whether the boot loader refuses to write: once the phone trusts a
// key and has started with it.
func (p *Phone) Locked() bool {
	held := p.id.Profile.KeyEnforced()
	if p.id.Profile.Trust == bootprofile.VerifiedBoot1 {
		cert, err := p.bootCertificate()
		held = cert != nil || err != nil
	}
	return held && p.st.Running != ""
}

var errLocked = errors.New("the boot loader is locked")

// FlashSlot writes one partition of a slot from the boot loader. Of a sparse image
// it writes what that cares about and leaves the rest as it was. Which slot
// starts does not change, but what was flashed has to prove itself again.
func (p *Phone) FlashSlot(ctx context.Context, slot, partition string, image io.ReaderAt, size int64) error {
	if err := p.mayWrite(slot, partition); err != nil {
		return fmt.Errorf("cannot flash: %w", err)
	}
	if err := p.fits(partition, image, size); err != nil {
		return fmt.Errorf("cannot flash: %w", err)
	}
	dst := p.image(slot, partition)
	im, err := sparse.Open(image, size)
	switch {
	case errors.Is(err, sparse.ErrNotSparse):
		err = placeDurably(dst, io.NewSectionReader(image, 0, size))
	case err == nil:
		err = overlay(ctx, dst, im)
	}
	if err != nil {
		return fmt.Errorf("cannot flash %s_%s: %w", partition, slot, err)
	}
	if p.logical(partition) { // of either slot
		slot = p.st.Active
	}
	return p.renew(slot)
}

// FlashStream is FlashSlot of a raw image that comes in order; it is not seen before
// it is whole.
func (p *Phone) FlashStream(ctx context.Context, slot, partition string, image io.Reader) error {
	if err := p.mayWrite(slot, partition); err != nil {
		return fmt.Errorf("cannot flash: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := placeDurably(p.image(slot, partition), image); err != nil {
		return fmt.Errorf("cannot flash %s_%s: %w", partition, slot, err)
	}
	return p.renew(slot)
}

// fits compares an image with the phone's partition table, if it has one.
func (p *Phone) fits(partition string, image io.ReaderAt, size int64) error {
	if im, err := sparse.Open(image, size); err == nil {
		size = im.Size()
	}
	room, ok := p.id.Partitions[partition]
	switch {
	case len(p.id.Partitions) == 0:
	case !ok:
		return fmt.Errorf("this phone has no partition %q", partition)
	case size > room:
		return fmt.Errorf("the image for %s has %d bytes, the partition %d", partition, size, room)
	}
	return nil
}

// Logical says whether a partition lies in a super that knows snapshots.
func (p *Phone) Logical(partition string) bool { return p.logical(partition) }

// Resize says whether a logical partition may have size bytes beside the others in
// super, as fastbootd does before it takes one.
func (p *Phone) Resize(partition string, size int64) error {
	if p.Locked() {
		return fmt.Errorf("cannot resize: %w", errLocked)
	}
	if !p.logical(partition) {
		return fmt.Errorf("cannot resize: %q is no logical partition", partition)
	}
	room := p.id.Super.Size
	for _, other := range p.id.Super.Partitions {
		fi, err := os.Stat(p.image("", other))
		switch {
		case other == partition || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("cannot resize %s: %w", partition, err)
		default:
			room -= fi.Size()
		}
	}
	if size > room {
		return fmt.Errorf("cannot resize %s to %d bytes: super has room for %d", partition, size, room)
	}
	return nil
}

// maxKey is what a phone keeps of its owner's key.
const maxKey = 4096

// StoreKey has the phone trust another key, as "flash avb_custom_key" does: that of
// its owner, as AVB encodes it.
func (p *Phone) StoreKey(r io.Reader) error {
	if p.Locked() {
		return fmt.Errorf("cannot store key: %w", errLocked)
	}
	if !p.id.Profile.KeyEnforced() {
		return errors.New("cannot store key: this phone keeps none")
	}
	key, err := io.ReadAll(io.LimitReader(r, maxKey+1))
	if err == nil && len(key) > maxKey {
		err = fmt.Errorf("it has more than %d bytes", maxKey)
	}
	if err == nil {
		_, err = avb.DecodePublicKey(key)
	}
	if err == nil {
		err = writeDurably(p.path("avb_public_key.bin"), key)
	}
	if err != nil {
		return fmt.Errorf("cannot store key: %w", err)
	}
	return p.renew(p.st.Active)
}

// superAside is super as it was flashed, until the phone is opened again, which sweeps
// it away.
const superAside = ".new-super"

// FlashSuper writes the logical partitions of a super image, sparse or raw, each to
// the slot that its name has. A large one comes in several sparse images, the first of
// which has the table; what one leaves out is as the ones before left it.
func (p *Phone) FlashSuper(ctx context.Context, image io.ReaderAt, size int64) error {
	if p.Locked() {
		return fmt.Errorf("cannot flash: %w", errLocked)
	}
	if err := p.fits("super", image, size); err != nil {
		return fmt.Errorf("cannot flash: %w", err)
	}
	if im, err := sparse.Open(image, size); err == nil {
		whole := p.path("super", superAside)
		if err := overlay(ctx, whole, im); err != nil {
			return fmt.Errorf("cannot flash super: %w", err)
		}
		f, err := os.Open(whole)
		if err != nil {
			return fmt.Errorf("cannot flash super: %w", err)
		}
		defer f.Close()
		image, size = f, im.Size()
	}
	s, err := super.Open(image, size)
	if err != nil {
		return fmt.Errorf("cannot flash: %w", err)
	}
	if len(s.Slots) == 0 || s.Slots[0] == nil {
		return errors.New("cannot flash: super has no metadata for slot a")
	}
	m := s.Slots[0].ForSlot(0)
	for _, part := range m.Partitions {
		name, slot := part.Name, "a"
		for _, suffix := range []string{"a", "b"} {
			if n, ok := strings.CutSuffix(part.Name, "_"+suffix); ok {
				name, slot = n, suffix
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if part.Size() == 0 {
			continue
		}
		content, err := m.Contents(part.Name, super.Source{R: image, Size: size})
		if err != nil {
			return fmt.Errorf("cannot flash: %w", err)
		}
		if err := p.mayWrite(slot, name); err != nil {
			return fmt.Errorf("cannot flash: %w", err)
		}
		if err := placeDurably(p.image(slot, name), io.NewSectionReader(content, 0, content.Size())); err != nil {
			return fmt.Errorf("cannot flash %s: %w", part.Name, err)
		}
		if err := p.renew(slot); err != nil {
			return err
		}
	}
	return nil
}

// overlay writes a sparse image over a partition, in a copy beside it.
func overlay(ctx context.Context, dst string, im *sparse.Image) error {
	dir, err := os.MkdirTemp(filepath.Dir(dst), ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // opening the phone sweeps what is left
	f, err := os.Create(filepath.Join(dir, "image"))
	if err != nil {
		return err
	}
	err = copyOld(f, dst)
	if err == nil {
		err = f.Truncate(im.Size())
	}
	if err == nil {
		err = im.Flash(ctx, f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), dst); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dst))
}

func copyOld(w io.Writer, path string) error {
	old, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(w, old)
	return errors.Join(err, old.Close())
}

// Erase empties a partition of a slot; "userdata" has none, and erases the
// owner's data.
func (p *Phone) Erase(slot, partition string) error {
	if partition == "userdata" && slot == "" {
		if p.Locked() {
			return fmt.Errorf("cannot erase: %w", errLocked)
		}
		if s, err := p.loadSnapshots(); err != nil {
			return err
		} else if s.State == SnapshotsMerging {
			return errors.New("cannot erase: an update is being merged, and a part of it may lie in user data; start the phone and let it end")
		}
		return p.wipe()
	}
	if err := p.mayWrite(slot, partition); err != nil {
		return fmt.Errorf("cannot erase: %w", err)
	}
	if err := os.Remove(p.image(slot, partition)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot erase %s_%s: %w", partition, slot, err)
	}
	return p.renew(slot)
}

// SetActive makes the boot loader start a slot, which gets its tries anew.
func (p *Phone) SetActive(slot string) error {
	if slot != "a" && (slot != "b" || p.single()) {
		return fmt.Errorf("cannot set active slot: %q is none, expected a or b", slot)
	}
	s, err := p.loadSnapshots()
	if err != nil {
		return err
	}
	if s.State == SnapshotsMerging && slot != s.Target {
		return fmt.Errorf("cannot set active slot: the update of slot %s is being merged, and slot %s can no longer start", s.Target, slot)
	}
	p.st.Active = slot
	return p.renew(slot)
}

func (p *Phone) renew(name string) error {
	p.st.Slots[name] = slot{Bootable: true, Tries: triesForNewSlot}
	return p.save()
}

func (p *Phone) mayWrite(slot, partition string) error {
	switch {
	case p.Locked():
		return errLocked
	case p.logical(partition):
		s, err := p.loadSnapshots()
		if err != nil {
			return err
		}
		if s.State == SnapshotsMerging {
			return fmt.Errorf("an update is being merged into %s; start the phone and let it end", partition)
		}
		return p.dropSnapshots()
	case slot != "a" && (slot != "b" || p.single()) || !bootprofile.IsPartition(partition):
		return fmt.Errorf("there is no partition %q in slot %q", partition, slot)
	}
	return nil
}

// Active is the slot that the boot loader would start: "a" or "b".
func (p *Phone) Active() string { return p.st.Active }
