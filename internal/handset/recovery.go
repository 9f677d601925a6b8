package handset

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/edify"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/updater"
)

// A phone with one slot has its partitions in slots/a and no others. Its agent
// hands a package to recovery, a system of its own in the partition recovery,
// which writes over the system that runs. From then on until the package is
// installed the boot loader starts recovery, whatever happens to the power.

// single says whether the phone has one slot.
func (p *Phone) single() bool { return p.id.Profile.Slots == bootprofile.Single }

// stashes is /cache/recovery/friday.
func (p *Phone) stashes() string { return p.path("update", "stashes") }

// recover installs a package from recovery, which trusts the certificates or keys in
// its own ramdisk. It may be cut off anywhere, and then is called again.
func (p *Phone) recover(ctx context.Context, u *update) error {
	p.logf("recovery: installing %s", filepath.Base(p.packageFile(u)))
	if err := p.verifyBoot("recovery"); err != nil {
		return err
	}
	ramdisk, err := p.ramdisk("recovery")
	if err != nil {
		return fmt.Errorf("cannot start recovery: %w", err)
	}
	trusts, err := p.recoveryTrusts(ramdisk)
	if err != nil {
		return err
	}
	if _, err := verifyFile(p.packageFile(u), trusts); err != nil {
		return err
	}
	f, err := os.Open(p.packageFile(u))
	if err != nil {
		return fmt.Errorf("cannot open package: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot open package: %w", err)
	}
	if err := os.MkdirAll(p.stashes(), 0o755); err != nil {
		return fmt.Errorf("cannot keep blocks aside: %w", err)
	}
	if err := updater.Run(ctx, f, fi.Size(), &recovery{p, ramdiskProps(ramdisk)}); err != nil {
		return recoveryError(ctx, err)
	}
	p.logf("recovery: installed")
	return blockota.Folder(p.stashes()).Clear()
}

// recoveryError tells a package that does not fit from a disk that failed.
func recoveryError(ctx context.Context, err error) error {
	var disk *fs.PathError
	var aborted *edify.Aborted
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &aborted):
		return &refusal{"apply", "script", err}
	case errors.As(err, &disk):
		return err
	}
	return &refusal{"apply", "operation", err}
}

// finishRecovery goes on with what recovery was at when the power went: the boot
// loader starts it and not the system.
func (p *Phone) finishRecovery(ctx context.Context) error {
	u, err := p.loadUpdate()
	if err != nil || u == nil || u.Phase != applying {
		return err
	}
	if err := p.recover(ctx, u); err != nil {
		var r *refusal
		if !errors.As(err, &r) {
			return err
		}
		failed := p.failed(u, err)
		if left, err := p.loadUpdate(); err != nil || left != nil {
			return errors.Join(failed, err)
		}
		return nil // the system that was there starts, if recovery left it whole
	}
	return p.installed(u)
}

// installed lets the boot loader start the system again.
func (p *Phone) installed(u *update) error {
	u.Phase = switched
	if err := p.renew("a"); err != nil {
		return err
	}
	return p.saveUpdate(u)
}

// Recover installs a package from recovery, without a system that runs, as "adb
// sideload" does. The next Boot starts what it wrote.
func (p *Phone) Recover(ctx context.Context, zip string) error {
	if !p.single() {
		return errors.New("cannot install from recovery: this handset has two slots; its updater takes packages (Sideload)")
	}
	zip, err := filepath.Abs(zip)
	if err != nil {
		return fmt.Errorf("cannot install package: %w", err)
	}
	u := &update{Phase: applying, File: zip, ByHand: true, Target: "a", Done: map[string]int{}}
	if err := p.saveUpdate(u); err != nil {
		return err
	}
	if err := p.recover(ctx, u); err != nil {
		return p.failed(u, err)
	}
	if err := p.renew("a"); err != nil {
		return err
	}
	return p.dropUpdate(u)
}

// verifySingle is what the agent checks before it restarts into recovery.
func (p *Phone) verifySingle(u *update, running Started) error {
	certs, err := p.updateCertificates("a")
	if err != nil {
		return err
	}
	if _, err := verifyFile(p.packageFile(u), trusted{certs: certs}); err != nil {
		return err
	}
	f, err := os.Open(p.packageFile(u))
	if err != nil {
		return fmt.Errorf("cannot open package: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot open package: %w", err)
	}
	z, err := otazip.Open(f, fi.Size())
	if err != nil {
		return &refusal{"verify", "format", err}
	}
	m, err := z.Metadata()
	if err != nil {
		return &refusal{"verify", "metadata", err}
	}
	if m.OTAType != "BLOCK" {
		return refuse("verify", "type", "cannot install package: ota-type is %q, expected \"BLOCK\": this phone has one slot", m.OTAType)
	}
	m.OTAType = "AB" // which checkMetadata expects; the rest is the same
	u.Wipe, u.Target = m.Wipe, "a"
	return checkMetadata(m, p.id.Device, running.System, !u.ByHand)
}

// ramdisk reads the files that a boot image brings.
func (p *Phone) ramdisk(partition string) (*tree.Node, error) {
	f, err := os.Open(p.image("a", partition))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	im, err := bootimg.Parse(f, fi.Size())
	if err != nil {
		return nil, err
	}
	root, _, err := bootimg.UnpackRamdisk(im.Ramdisk)
	return root, err
}

// ramdiskProps are the properties that recovery starts with.
func ramdiskProps(ramdisk *tree.Node) map[string]string {
	props := map[string]string{}
	for _, name := range []string{"default.prop", "prop.default"} {
		b, err := content(ramdisk, name, 1<<20)
		if err != nil {
			continue // a phone has the one or the other
		}
		s := bufio.NewScanner(bytes.NewReader(b))
		for s.Scan() {
			if key, value, ok := strings.Cut(s.Text(), "="); ok {
				props[key] = value
			}
		}
	}
	return props
}

// recovery is what an update-binary works on.
type recovery struct {
	*Phone
	props map[string]string
}

func (r *recovery) Property(name string) string { return r.props[name] }
func (r *recovery) Print(line string)           { r.logf("recovery: %s", line) }
func (r *recovery) Progress(float64)            {}

// Keep gives the room that the boot profile says there is.
func (r *recovery) Keep() (blockota.Keeper, int64, error) {
	return blockota.Folder(r.stashes()), r.id.Profile.Room(), nil
}

type recoveryDisk struct {
	*os.File
	size int64
}

func (d recoveryDisk) Size() int64 { return d.size }

// Open opens a partition where the boot profile says that recovery finds them.
func (r *recovery) Open(device string) (updater.Disk, error) {
	folder, name := path.Split(device)
	if strings.TrimSuffix(folder, "/") != r.id.Profile.Partitions() || !bootprofile.IsPartition(name) {
		return nil, fmt.Errorf("this phone has no %s; its partitions are in %s", device, r.id.Profile.Partitions())
	}
	size, known := r.id.Partitions[name]
	if _, err := os.Stat(r.image("a", name)); err != nil && !known {
		return nil, fmt.Errorf("this phone has no partition %s", name)
	}
	if !known {
		size = maxPartition
	}
	f, err := os.OpenFile(r.image("a", name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if known { // a partition can be read to its end
		if fi, err := f.Stat(); err != nil {
			return nil, errors.Join(err, f.Close())
		} else if fi.Size() < size {
			if err := f.Truncate(size); err != nil {
				return nil, errors.Join(err, f.Close())
			}
		}
	}
	return recoveryDisk{f, size}, nil
}

// maxPartition bounds a partition of a phone whose table nobody gave.
const maxPartition = 1 << 36
