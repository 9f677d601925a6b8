package train

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/ota"
	"github.com/fridayos/friday/internal/rom"
	"github.com/fridayos/friday/internal/rom/capacity"
	"github.com/fridayos/friday/internal/wire"
)

// WorkerOptions is what building and signing need.
type WorkerOptions struct {
	Keys         *keys.Ring
	TempDir      string        // for payloads being made; empty: the system's
	CPUs         int           // 0: all
	Incrementals int           // from how many of the last shipped builds; 0: 3, below 0: none
	Tick         time.Duration // how often rollouts are looked at; 0: 5 s
	// Progress is told what is being done; it may be nil.
	Progress func(release, device, step string, done, total int64)
}

// BuildArgs is the job of building one device of a release.
type BuildArgs struct {
	Release string `json:"release"`
	Device  string `json:"device"`
}

// Kind names the job.
func (BuildArgs) Kind() string { return "train.build" }

// PackageArgs is the job of packaging one device of a release.
type PackageArgs struct {
	Release string `json:"release"`
	Device  string `json:"device"`
}

// Kind names the job.
func (PackageArgs) Kind() string { return "train.package" }

// TickArgs is the job of looking at all rollouts.
type TickArgs struct{}

// Kind names the job.
func (TickArgs) Kind() string { return "train.tick" }

type worker struct {
	t *Train
	o WorkerOptions
}

// Workers returns the job handlers: build, package, tick, csig.
func (t *Train) Workers(o WorkerOptions) (*jobs.Workers, error) {
	if t.Repo == nil || t.Blobs == nil || o.Keys == nil {
		return nil, errors.New("cannot work on the train: the OS repository, the blobs and the release keys must be open")
	}
	if o.Incrementals == 0 {
		o.Incrementals = 3
	}
	if o.Tick == 0 {
		o.Tick = 5 * time.Second
	}
	w := &worker{t, o}
	var all jobs.Workers
	jobs.Add(&all, w.build)
	jobs.Add(&all, w.pack)
	jobs.Add(&all, func(ctx context.Context, _ TickArgs) error { return t.Tick(ctx) })
	jobs.Every(&all, o.Tick, TickArgs{})
	jobs.Add(&all, w.describeShipped)
	jobs.Every(&all, csigEvery, CsigArgs{})
	return &all, nil
}

func (w *worker) progress(ctx context.Context, release, device string) func(step string, done, total int64) {
	return func(step string, done, total int64) {
		jobs.SetProgress(ctx, step, done, total)
		if w.o.Progress != nil {
			w.o.Progress(release, device, step, done, total)
		}
	}
}

// begin reads what a job works on; ok is false when there is nothing to do any
// more: a human was quicker, or another worker.
func (w *worker) begin(ctx context.Context, release, codename string, want DeviceState) (d device, r catalog.Release, ok bool, err error) {
	err = w.t.DB.Read(ctx, func(tx *db.Tx) error {
		if d, err = deviceOf(tx, release, codename); err != nil {
			return err
		}
		row, err := rowOf(tx, release)
		if err != nil {
			return err
		}
		ok = d.state == want && row.state != Skipped && row.state != Pulled
		r, err = catalog.ReleaseByName(tx, release)
		return err
	})
	return d, r, ok, err
}

// end moves a device on after its job; fn is done only if nobody moved it
// meanwhile.
func (w *worker) end(ctx context.Context, release, codename string, was DeviceState, fn func(tx *db.Tx, d *device) error) error {
	return w.t.DB.Write(ctx, func(tx *db.Tx) error {
		d, err := deviceOf(tx, release, codename)
		if err != nil || d.state != was {
			return err
		}
		if err := fn(tx, &d); err != nil {
			return err
		}
		r, err := rowOf(tx, release)
		if err != nil {
			return err
		}
		return w.t.testWhenReady(tx, &r)
	})
}

// fail holds the device with the reason, unless the worker is being stopped:
// then the job is done again.
func (w *worker) fail(ctx context.Context, release, codename string, was DeviceState, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	w.t.log().Error("a device is held", "release", release, "device", codename, "error", cause)
	return w.end(ctx, release, codename, was, func(tx *db.Tx, d *device) error { return d.setState(tx, Held, Actor, cause.Error()) })
}

func (w *worker) build(ctx context.Context, a BuildArgs) error {
	d, r, ok, err := w.begin(ctx, a.Release, a.Device, Building)
	if err != nil || !ok {
		return err
	}
	b, err := w.makeBuild(ctx, d, r)
	if err != nil {
		return w.fail(ctx, a.Release, a.Device, Building, err)
	}
	err = w.end(ctx, a.Release, a.Device, Building, func(tx *db.Tx, d *device) error {
		if err := catalog.PutBuild(tx, b); err != nil {
			return err
		}
		if err := catalog.PutReleaseBuild(tx, a.Release, a.Device, b.ID); err != nil {
			return err
		}
		d.build = b.ID
		if err := d.setState(tx, Packaging, Actor, said.Say("built")); err != nil {
			return err
		}
		return jobs.Put(ctx, tx, PackageArgs(a), jobs.Options{Unique: true})
	})
	if errors.Is(err, catalog.ErrOther) {
		return w.fail(ctx, a.Release, a.Device, Building, said.New("", "differs", "Release", a.Release, "Cause", err))
	}
	return err
}

func (w *worker) makeBuild(ctx context.Context, d device, r catalog.Release) (catalog.Build, error) {
	snapshot, err := w.t.load(r.Commit)
	if err != nil {
		return catalog.Build{}, err
	}
	in := rom.Input{Snapshot: snapshot, Device: d.codename, Version: r.Name, Blobs: w.t.Blobs, Progress: w.progress(ctx, r.Name, d.codename)}
	if err := w.t.DB.Read(ctx, func(tx *db.Tx) (err error) {
		digest, err := blob.Parse(d.stock)
		if err != nil {
			return err
		}
		if in.Stock, err = catalog.StockByDigest(tx, digest); err != nil {
			return err
		}
		builds, err := catalog.Builds(tx, d.codename)
		in.Before = catalog.LaidBefore(builds, r.Name)
		return err
	}); err != nil {
		return catalog.Build{}, err
	}
	if in.AVB, err = w.o.Keys.AVB(); err != nil {
		return catalog.Build{}, err
	}
	if in.Verity, in.VerityCert, err = w.o.Keys.Verity(); err != nil && !errors.Is(err, keys.ErrNoVerity) {
		return catalog.Build{}, err
	}
	if in.AppKey, in.UpdateCert, err = w.o.Keys.OTA(); err != nil {
		return catalog.Build{}, err
	}
	b, _, err := rom.Build(ctx, in)
	return b, err
}

func (w *worker) pack(ctx context.Context, a PackageArgs) error {
	d, _, ok, err := w.begin(ctx, a.Release, a.Device, Packaging)
	if err != nil || !ok {
		return err
	}
	packages, csigs, err := w.makePackages(ctx, d)
	if err != nil {
		return w.fail(ctx, a.Release, a.Device, Packaging, err)
	}
	return w.end(ctx, a.Release, a.Device, Packaging, func(tx *db.Tx, d *device) error {
		for i, p := range packages {
			if err := errors.Join(catalog.PutPackage(tx, p), catalog.PutCsig(tx, csigs[i])); err != nil {
				return err
			}
		}
		return d.setState(tx, Ready, Actor, said.Say("proven", "N", len(packages)))
	})
}

// makePackages makes, proves and describes the full package, and the incremental
// ones from the builds that handsets most likely run.
func (w *worker) makePackages(ctx context.Context, d device) (packages []catalog.Package, csigs []catalog.Csig, err error) {
	var to catalog.Build
	var from []catalog.Build
	if err := w.t.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if to, err = catalog.BuildByID(tx, d.build); err != nil {
			return err
		}
		from, err = shipped(tx, d.codename, d.release)
		return err
	}); err != nil {
		return nil, nil, err
	}
	from = slices.DeleteFunc(from, func(b catalog.Build) bool {
		return b.ID == to.ID || guard(d.codename, to, &b, []catalog.Package{{Kind: catalog.Full, Device: d.codename, To: to.ID}}) != nil
	})
	from = from[:min(len(from), max(0, w.o.Incrementals))]
	full, err := w.makePackage(ctx, d, nil, to)
	if err != nil {
		return nil, nil, err
	}
	packages = []catalog.Package{full}
	for i := range from {
		p, err := w.makePackage(ctx, d, &from[i], to)
		if err != nil {
			return nil, nil, err
		}
		// One that saves nothing is not worth its risk.
		if p.Size < full.Size {
			packages = append(packages, p)
		}
	}
	for _, p := range packages {
		c, err := w.describe(ctx, p, to)
		if err != nil {
			return nil, nil, err
		}
		csigs = append(csigs, c)
	}
	return packages, csigs, nil
}

// makePackage makes one package, applies it and compares the result; only then
// its bytes are kept.
func (w *worker) makePackage(ctx context.Context, d device, from *catalog.Build, to catalog.Build) (p catalog.Package, err error) {
	signer, cert, err := w.o.Keys.OTA()
	if err != nil {
		return p, err
	}
	target, closeTarget, err := ota.Open(w.t.Blobs, to)
	if err != nil {
		return p, err
	}
	defer closeTarget()
	step := "full package"
	var source *ota.Side
	if from != nil {
		side, closeSource, err := ota.Open(w.t.Blobs, *from)
		if err != nil {
			return p, err
		}
		defer closeSource()
		source, step = &side, "incremental package from "+from.Version
	}
	tell := w.progress(ctx, d.release, d.codename)
	o := ota.Options{Signer: signer, Cert: cert, Blobs: w.t.Blobs, Workers: w.o.CPUs, TempDir: w.o.TempDir,
		Progress: func(done, total int) { tell(step, int64(done), int64(total)) }}
	snapshot, err := w.t.load(to.Commit)
	if err != nil {
		return p, err
	}
	if of := snapshot.Devices[d.codename]; of != nil {
		o.OneSlot, o.Partial = ota.OneSlotOf(of.Boot), of.Copies()
		if o.Dynamic, err = w.dynamic(ctx, of, to); err != nil {
			return p, err
		}
	}
	f, err := w.t.Blobs.Create(ctx)
	if err != nil {
		return p, err
	}
	defer f.Abort() // nothing to do once it is committed
	if source == nil {
		p, err = ota.Full(ctx, f, target, o)
	} else {
		p, err = ota.Incremental(ctx, f, *source, target, o)
	}
	if err != nil {
		return p, err
	}
	tell("proof of "+step, 0, 1)
	proof := ota.ProveOptions{TempDir: w.o.TempDir, Workers: w.o.CPUs, Partial: o.Partial}
	if err := ota.ProveWith(ctx, f, p.Size, source, target, cert, proof); err != nil {
		return p, err
	}
	ref, err := f.Commit()
	if err != nil {
		return p, err
	}
	if ref.Digest != p.Digest || ref.Size != p.Size {
		return p, fmt.Errorf("cannot keep %s: it has %d bytes with digest %s, expected %d with %s", step, ref.Size, ref.Digest, p.Size, p.Digest)
	}
	p.ProvenAt = w.t.DB.Now()
	tell("proof of "+step, 1, 1)
	return p, nil
}

// dynamic is what the packages of a build say of its phone's super.
func (w *worker) dynamic(ctx context.Context, of *osrepo.Device, to catalog.Build) (*payload.Dynamic, error) {
	if of.Boot.Slots == bootprofile.Single {
		return nil, nil
	}
	var stock catalog.Stock
	if err := w.t.DB.Read(ctx, func(tx *db.Tx) (err error) {
		stock, err = catalog.StockByDigest(tx, to.Stock)
		return err
	}); err != nil {
		return nil, err
	}
	groups, err := capacity.Groups(of, w.t.Blobs, stock)
	if err != nil {
		return nil, err
	}
	return ota.DynamicOf(of.Boot, groups)
}

// testWhenReady hands a release to the test ring once nothing is being made of
// it any more and at least one device is ready; and later, devices that became
// ready after that.
func (t *Train) testWhenReady(tx *db.Tx, r *row) error {
	if r.state != Frozen && r.state != Testing {
		return nil
	}
	devices, err := devicesOf(tx, r.release)
	if err != nil {
		return err
	}
	var ready []*device
	for i := range devices {
		switch devices[i].state {
		case Building, Packaging:
			return nil
		case Ready:
			ready = append(ready, &devices[i])
		}
	}
	if len(ready) == 0 {
		return nil
	}
	if r.state == Frozen {
		if err := r.setState(tx, Testing, Actor, said.Say("tested", "N", len(ready), "All", len(devices))); err != nil {
			return err
		}
	}
	for _, d := range ready {
		o := ShipOptions{Channel: wire.Beta, Stages: []fleet.Stage{{Percent: 100}}, Actor: Actor, Reason: said.Say("ring")}
		if _, _, err := t.shipOne(tx, d, o, false); err != nil {
			return err
		}
	}
	return nil
}
