package handset

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
)

// checkpoint is after how many operations of a partition the other slot is
// synced and the place is noted.
const checkpoint = 32

// fetch downloads the offered package, going on where a cut left it, and
// compares it with the offer.
func (p *Phone) fetch(ctx context.Context, c *Client, u *update) error {
	f, err := os.OpenFile(p.packageFile(u), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("cannot download package: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot download package: %w", err)
	}
	have := fi.Size()
	if have > u.Offer.Size {
		have = 0
		if err := f.Truncate(0); err != nil {
			return fmt.Errorf("cannot download package: %w", err)
		}
	}
	if have < u.Offer.Size {
		p.logf("downloading %s, %d of %d bytes are here", u.Offer.Release, have, u.Offer.Size)
		if err := c.download(ctx, u.Offer.URL, f, have, u.Offer.Size); err != nil {
			return fetchError(err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("cannot download package: %w", err)
	}
	return matchOffer(f, u)
}

// fetchError tells a package that is no longer to be had from a cut line.
func fetchError(err error) error {
	var status *statusError
	if errors.As(err, &status) && status.permanent() || errors.Is(err, errWrongContent) {
		return refuse("download", "gone", "cannot download package: %w", err)
	}
	return err
}

func matchOffer(f *os.File, u *update) error {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, u.Offer.Size)); err != nil {
		return fmt.Errorf("cannot read package: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != u.Offer.SHA256 {
		// The next try must not build on these bytes.
		if err := f.Truncate(0); err != nil {
			return fmt.Errorf("cannot drop package: %w", err)
		}
		return refuse("download", "digest", "cannot accept package: its SHA-256 is %s, the offer says %s", got, u.Offer.SHA256)
	}
	return nil
}

// openPackage opens the zip and its payload. Close the file when done.
func (p *Phone) openPackage(u *update) (*os.File, *otazip.Zip, *payload.Payload, error) {
	f, err := os.Open(p.packageFile(u))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("cannot open package: %w", err)
	}
	z, pl, err := parsePackage(f)
	if err != nil {
		f.Close()
		return nil, nil, nil, &refusal{"verify", "format", err}
	}
	return f, z, pl, nil
}

func parsePackage(f *os.File) (*otazip.Zip, *payload.Payload, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	z, err := otazip.Open(f, fi.Size())
	if err != nil {
		return nil, nil, err
	}
	section, err := z.Payload()
	if err != nil {
		return nil, nil, err
	}
	pl, err := payload.Open(section, section.Size())
	return z, pl, err
}

// verify checks everything that can be known before a block is written. The
// whole-file signature comes first: nothing inside is believed before it.
func (p *Phone) verify(ctx context.Context, u *update, running Started) error {
	if p.single() {
		return p.verifySingle(u, running)
	}
	certs, err := p.updateCertificates(running.Slot)
	if err != nil {
		return err
	}
	cert, err := verifyFile(p.packageFile(u), trusted{certs: certs})
	if err != nil {
		return err
	}
	f, z, pl, err := p.openPackage(u)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := z.Metadata()
	if err != nil {
		return &refusal{"verify", "metadata", err}
	}
	if err := checkMetadata(m, p.id.Device, running.System, !u.ByHand); err != nil {
		return err
	}
	if err := checkProperties(z, pl); err != nil {
		return err
	}
	if err := pl.Verify(cert.PublicKey); err != nil {
		return &refusal{"verify", "payload_signature", err}
	}
	exists := func(partition string) bool {
		_, err := os.Stat(p.image(running.Slot, partition))
		return err == nil
	}
	man := pl.Manifest()
	if err := checkManifest(man, running.System, p.id.Profile.PayloadMinor, exists); err != nil {
		return err
	}
	if err := p.checkVersions(man, running.Slot); err != nil {
		return err
	}
	for i := range man.Partitions {
		if err := pl.Check(man.Partitions[i].Name); err != nil {
			return &refusal{"verify", "operations", err}
		}
	}
	// update_engine refuses a lower patch level only on a green phone; on this
	// one it installs and erases the data.
	u.Wipe = m.Wipe || patchLevel(m, man) < running.System.PatchLevel
	u.Target = other(running.Slot)
	u.Done = map[string]int{}
	if err := p.checkSource(ctx, man, pl, running.Slot); err != nil || !p.virtual() {
		return err
	}
	return p.prepareSnapshots(u, man)
}

// verifyFile checks who signed a package. It returns the certificate, if it is one that
// is trusted and no bare key.
func verifyFile(path string, by trusted) (*x509.Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open package: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot open package: %w", err)
	}
	var cert *x509.Certificate
	if len(by.keys) > 0 {
		_, err = otazip.VerifyKeys(f, fi.Size(), by.keys)
	} else {
		cert, err = otazip.Verify(f, fi.Size(), by.certs)
	}
	if err != nil {
		return nil, &refusal{"verify", "signature", err}
	}
	return cert, nil
}

func patchLevel(m otazip.Metadata, man *payload.Manifest) string {
	if man.SecurityPatchLevel != "" {
		return man.SecurityPatchLevel
	}
	return m.PostSecurityPatch
}

// checkProperties compares payload_properties.txt, which update_engine gets as
// headers, with the payload.
func checkProperties(z *otazip.Zip, pl *payload.Payload) error {
	text, err := z.Properties()
	if err != nil {
		return &refusal{"verify", "properties", err}
	}
	props, err := payload.ParseProperties(text)
	if err != nil {
		return &refusal{"verify", "properties", err}
	}
	section, err := z.Payload()
	if err != nil {
		return &refusal{"verify", "format", err}
	}
	if props.FileSize != section.Size() {
		return refuse("verify", "properties", "cannot accept payload: it has %d bytes, payload_properties.txt says %d", section.Size(), props.FileSize)
	}
	if got := pl.Layout().MetadataSize; props.MetadataSize != got {
		return refuse("verify", "properties", "cannot accept payload: its metadata has %d bytes, payload_properties.txt says %d", got, props.MetadataSize)
	}
	for _, part := range []struct {
		name string
		size int64
		want [32]byte
	}{{"METADATA_HASH", props.MetadataSize, props.MetadataHash}, {"FILE_HASH", props.FileSize, props.FileHash}} {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(section, 0, part.size)); err != nil {
			return fmt.Errorf("cannot read payload: %w", err)
		}
		if [32]byte(h.Sum(nil)) != part.want {
			return refuse("verify", "properties", "cannot accept payload: its SHA-256 is not the %s of payload_properties.txt", part.name)
		}
	}
	return nil
}

// checkSource compares the running partitions with those an incremental starts
// from.
func (p *Phone) checkSource(ctx context.Context, man *payload.Manifest, pl *payload.Payload, slot string) error {
	for i := range man.Partitions {
		part := &man.Partitions[i]
		if part.OldSHA256 == nil {
			continue
		}
		f, err := p.open(slot, part.Name)
		if err != nil {
			return fmt.Errorf("cannot read running system: %w", err)
		}
		err = pl.VerifyOld(ctx, part.Name, f)
		f.Close()
		if err != nil {
			return &refusal{"verify", "source", err}
		}
	}
	return nil
}

// apply writes the other slot. It may be killed anywhere: operations read only
// the running slot and the package, so those after the last checkpoint are
// simply done again.
func (p *Phone) apply(ctx context.Context, u *update, running Started) error {
	if sl := p.st.Slots[u.Target]; sl.Bootable || sl.Successful {
		p.st.Slots[u.Target] = slot{}
		if err := p.save(); err != nil {
			return err
		}
	}
	f, _, pl, err := p.openPackage(u)
	if err != nil {
		return err
	}
	defer f.Close()
	man := pl.Manifest()
	for i := range man.Partitions {
		if part := &man.Partitions[i]; p.logical(part.Name) {
			if err := p.applySnapshot(ctx, u, pl, part); err != nil {
				return err
			}
			continue
		}
		if err := p.applyPartition(ctx, u, pl, &man.Partitions[i], running.Slot); err != nil {
			return err
		}
	}
	if !partial(man, p.id.Profile.PayloadMinor) {
		return nil
	}
	return p.copyUntouched(u, man, running.Slot)
}

func (p *Phone) applyPartition(ctx context.Context, u *update, pl *payload.Payload, part *payload.Partition, source string) (err error) {
	var old io.ReaderAt
	if part.OldSHA256 != nil {
		f, err := os.Open(p.image(source, part.Name))
		if err != nil {
			return fmt.Errorf("cannot read running system: %w", err)
		}
		defer f.Close()
		old = f
	}
	dst, err := os.OpenFile(p.image(u.Target, part.Name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write slot %s: %w", u.Target, err)
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if err := dst.Truncate(part.NewSize); err != nil {
		return fmt.Errorf("cannot write slot %s: %w", u.Target, err)
	}
	for i := u.Done[part.Name]; i < len(part.Operations); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := pl.ApplyOp(part.Name, i, old, dst); err != nil {
			return applyError(err)
		}
		if done := i + 1; done%checkpoint == 0 || done == len(part.Operations) {
			if err := dst.Sync(); err != nil {
				return fmt.Errorf("cannot write slot %s: %w", u.Target, err)
			}
			u.Done[part.Name] = done
			if err := p.saveUpdate(u); err != nil {
				return err
			}
		}
	}
	p.logf("slot %s: %s is written, %d operations", u.Target, part.Name, len(part.Operations))
	if part.HashTree != nil || part.FEC != nil {
		if err := pl.WriteVerity(ctx, part.Name, dst); err != nil {
			return applyError(err)
		}
		if err := dst.Sync(); err != nil {
			return fmt.Errorf("cannot write slot %s: %w", u.Target, err)
		}
	}
	if err := pl.VerifyNew(ctx, part.Name, dst); err != nil {
		return &refusal{"apply", "result", err}
	}
	return nil
}

// applyError tells a package that does not fit from a disk that failed: only
// the first is the package's fault.
func applyError(err error) error {
	var disk *fs.PathError
	if errors.As(err, &disk) {
		return fmt.Errorf("cannot write the other slot: %w", err)
	}
	return &refusal{"apply", "operation", err}
}

// copyUntouched brings the partitions that a partial update does not carry (modem,
// boot loader) to the other slot, as update_engine's partition_update_generator does.
// Another package leaves there what it does not carry.
func (p *Phone) copyUntouched(u *update, man *payload.Manifest, source string) error {
	names, err := p.partitions(source)
	if err != nil {
		return err
	}
	for _, name := range names {
		if man.Partition(name) != nil {
			continue
		}
		if err := copyDurably(p.image(u.Target, name), p.image(source, name)); err != nil {
			return fmt.Errorf("cannot copy %s to slot %s: %w", name, u.Target, err)
		}
	}
	return syncDir(p.path("slots", u.Target))
}

// switchSlot makes the written slot the active one, after the agent has looked
// at it with the boot loader's eyes: a phone that would refuse it need not
// restart to find out.
func (p *Phone) switchSlot(ctx context.Context, u *update) error {
	if err := p.readySnapshots(); err != nil {
		return err
	}
	chain, err := p.verifySlot(ctx, u.Target)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &refusal{"apply", "chain", err}
	}
	if p.id.Profile.Trust == bootprofile.Unlocked {
		if err := p.checkAgainstRunning(ctx, chain); err != nil {
			return err
		}
	}
	// The slot first: after a kill between the two writes the new slot starts,
	// and this function, still due, runs again. The other way round, an update
	// marked as switched on a phone that starts its old slot would look like a
	// fallback.
	p.st.Slots[u.Target] = slot{Bootable: true, Tries: triesForNewSlot}
	p.st.Active = u.Target
	u.Phase = switched
	if err := p.save(); err != nil {
		return err
	}
	return p.saveUpdate(u)
}

// checkAgainstRunning keeps the agent of an unlocked phone, whose boot loader
// compares nothing, from going back to a lower rollback index.
func (p *Phone) checkAgainstRunning(ctx context.Context, next avb.Chain) error {
	now, err := p.verifySlot(ctx, p.st.Running)
	if err != nil {
		return nil // an owner's own system has no chain to compare with
	}
	if err := checkRollback(next.RollbackIndexes, now.RollbackIndexes); err != nil {
		return &refusal{"apply", "rollback_index", err}
	}
	return nil
}
