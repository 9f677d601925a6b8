package handset

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
)

// Started says what a start of the phone led to.
type Started struct {
	Slot         string   // that runs now
	System       System   // what it says of itself
	VBMetaDigest string   // ro.boot.vbmeta.digest, hex; "": it has no vbmeta
	State        string   // ro.boot.verifiedbootstate: yellow (key of its owner), orange (unlocked) or "" (older than that)
	Failures     []string // starts that failed on the way, oldest first
}

// Boot switches the phone on. The boot loader picks a slot, verifies the chain
// that vbmeta signs, and starts it; dm-verity reads every block, as
// update_verifier makes it after an update; then the system must come up. A
// new slot gets three tries. The error says that no slot starts: a brick.
func (p *Phone) Boot(ctx context.Context) (Started, error) {
	if p.single() {
		if err := p.finishRecovery(ctx); err != nil {
			return Started{}, err
		}
	}
	var failures []string
	for {
		if err := ctx.Err(); err != nil {
			return Started{}, err
		}
		name, ok := p.st.choose()
		if !ok {
			return Started{Failures: failures}, fmt.Errorf("cannot boot: no slot starts: %q", failures)
		}
		p.logf("starting slot %s", name)
		sl := p.st.Slots[name]
		if !sl.Successful {
			// Counted before the attempt: a start that kills the phone counts too.
			sl.Tries--
			p.st.Slots[name] = sl
			if err := p.save(); err != nil {
				return Started{}, err
			}
		}
		started, chain, fatal, err := p.start(ctx, name)
		if err == nil {
			started.Failures = failures
			if err := p.markSuccessful(name, chain); err != nil {
				return started, err
			}
			return started, p.afterStart(ctx, name)
		}
		if ctx.Err() != nil {
			return Started{}, ctx.Err()
		}
		failures = append(failures, fmt.Sprintf("slot %s: %v", name, err))
		p.logf("slot %s did not start: %v", name, err)
		if sl.Successful || fatal {
			// The boot loader does not try again what its own check refused, nor a
			// slot that once worked and whose blocks have gone bad.
			sl = slot{}
		}
		p.st.Slots[name] = sl
		if err := p.save(); err != nil {
			return Started{}, err
		}
	}
}

// start tries one slot once. fatal: the boot loader itself refuses it, so that
// trying again is useless.
func (p *Phone) start(ctx context.Context, name string) (started Started, chain avb.Chain, fatal bool, err error) {
	chain, err = p.verifySlot(ctx, name)
	if err != nil {
		return Started{}, chain, true, err
	}
	if p.older(name) {
		if err := p.mount(ctx); err != nil {
			return Started{}, chain, false, err
		}
	}
	sys, err := p.readSystem(name)
	if err == nil && sys.Device != p.id.Device {
		err = fmt.Errorf("ro.product.device is %q, expected %q", sys.Device, p.id.Device)
	}
	if err != nil {
		return Started{}, chain, false, fmt.Errorf("system does not come up: %w", err)
	}
	started = Started{Slot: name, System: sys, State: p.bootState()}
	if !p.older(name) {
		started.VBMetaDigest = hex.EncodeToString(chain.Digest[:])
	}
	return started, chain, false, nil
}

func (p *Phone) bootState() string {
	switch cert, err := p.bootCertificate(); {
	case p.id.Profile.Trust == bootprofile.CustomKey || cert != nil && err == nil:
		return "yellow"
	case p.id.Profile.Trust == bootprofile.VerifiedBoot1:
		return "orange"
	}
	if p.older("a") {
		return "" // boot loaders of that age say nothing
	}
	return "orange"
}

// verifySlot checks the vbmeta chain of a slot, every partition that it
// describes, and the stored rollback indexes where the boot profile enforces
// them.
func (p *Phone) verifySlot(ctx context.Context, name string) (avb.Chain, error) {
	key, err := p.fusedKey()
	if err != nil {
		return avb.Chain{}, err
	}
	if p.older(name) {
		return avb.Chain{}, p.verifyBoot("boot")
	}
	var files []*part
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	open := func(partition string) (io.ReaderAt, int64, error) {
		if !bootprofile.IsPartition(partition) {
			return nil, 0, fmt.Errorf("cannot open partition: %q is no partition name", partition)
		}
		f, err := p.open(name, partition)
		if err != nil {
			return nil, 0, err
		}
		files = append(files, f)
		return f, f.size, nil
	}
	chain, err := avb.VerifyChain(ctx, open, key)
	if err != nil {
		return avb.Chain{}, err
	}
	if p.id.Profile.KeyEnforced() {
		if err := checkRollback(chain.RollbackIndexes, p.st.Rollback); err != nil {
			return avb.Chain{}, err
		}
	}
	return chain, nil
}

// checkRollback compares a chain's rollback indexes with the stored ones.
func checkRollback(image, stored map[uint32]uint64) error {
	for location, have := range stored {
		if got := image[location]; got < have {
			return fmt.Errorf("cannot accept vbmeta: rollback index at location %d is %d, the phone has stored %d", location, got, have)
		}
	}
	return nil
}

// markSuccessful records a start that worked: the slot is good, its rollback
// index is stored, and there is user data.
func (p *Phone) markSuccessful(name string, chain avb.Chain) error {
	p.st.Slots[name] = slot{Bootable: true, Successful: true}
	p.st.Active = name
	p.st.Running = name
	if p.id.Profile.KeyEnforced() {
		for location, index := range chain.RollbackIndexes {
			p.st.Rollback[location] = max(p.st.Rollback[location], index)
		}
	}
	if err := p.save(); err != nil {
		return err
	}
	return p.firstUse()
}

// firstUse leaves something in user data that a wipe would take away.
func (p *Phone) firstUse() error {
	if err := os.MkdirAll(p.path("userdata"), 0o755); err != nil {
		return fmt.Errorf("cannot use user data: %w", err)
	}
	path := p.path("userdata", "first_use")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return writeDurably(path, []byte(p.now().UTC().Format(time.RFC3339)+"\n"))
}

// wipe erases user data, as update_engine does where it goes back to an older
// security patch level.
func (p *Phone) wipe() error {
	if err := os.RemoveAll(p.path("userdata")); err != nil {
		return fmt.Errorf("cannot wipe user data: %w", err)
	}
	if err := os.Mkdir(p.path("userdata"), 0o755); err != nil {
		return fmt.Errorf("cannot wipe user data: %w", err)
	}
	p.st.Wipes++
	return p.save()
}
