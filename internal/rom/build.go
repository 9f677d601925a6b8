package rom

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/layering"
	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/fridayos/friday/internal/rom/capacity"
	"github.com/fridayos/friday/internal/rom/editing"
	"github.com/fridayos/friday/internal/rom/filesystem"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/rom/verified1"
)

// Build makes the images of one device at one version and keeps them, and the
// report, in the store. Before it returns it verifies the whole chain, from the
// vbmeta that it signed to every hash, as a phone does.
func Build(ctx context.Context, in Input) (catalog.Build, *report.Report, error) {
	b, report, err := build(ctx, in)
	if err != nil {
		var wrong osrepo.Problems
		if errors.As(err, &wrong) {
			return catalog.Build{}, nil, err // it names its places itself
		}
		return catalog.Build{}, nil, fmt.Errorf("cannot build %s %s: %w", in.Device, in.Version, err)
	}
	return b, report, nil
}

// builder is one build under way.
type builder struct {
	ctx  context.Context
	in   Input
	plan *osrepo.Plan
	edit *editing.Editor

	stock      map[string]catalog.Partition
	images     []catalog.Partition
	made       map[string]avb.Descriptor // by partition rebuilt
	report     *report.Report
	patchLevel string
	listed     []string        // partitions rebuilt that some vbmeta of ours describes
	strict     []byte          // the top vbmeta without the flags of an unlocked phone
	older      verified1.Stock // what the stock has of Verified Boot 1
	facts      catalog.Build
	open       []io.Closer
}

func build(ctx context.Context, in Input) (catalog.Build, *report.Report, error) {
	none := catalog.Build{}
	if err := in.check(); err != nil {
		return none, nil, err
	}
	in.progress("check", 0, 1)
	v, err := intake.View(in.Blobs, in.Stock)
	if err != nil {
		return none, nil, err
	}
	plan, err := layering.Plan(in.Snapshot, in.Device, v)
	if err != nil {
		return none, nil, err
	}
	in.progress("check", 1, 1)
	b, err := newBuilder(ctx, in, plan, v)
	if err != nil {
		return none, nil, err
	}
	defer b.close()
	if err := b.readOlder(); err != nil {
		return none, nil, err
	}
	if err := b.trust(); err != nil {
		return none, nil, err
	}
	if err := b.checkLeft(); err != nil {
		return none, nil, err
	}
	packed, err := intake.KnownPackaging(in.Blobs, in.Stock)
	if err != nil {
		return none, nil, err
	}
	room := capacity.Bounds(plan.Device, packed, in.Stock.Partitions)
	if err := b.roomBefore(room); err != nil {
		return none, nil, err
	}
	if err := b.partitions(); err != nil {
		return none, nil, err
	}
	if err := b.roomAfter(room); err != nil {
		return none, nil, err
	}
	if b.verified() {
		if err := b.vbmeta(); err != nil {
			return none, nil, fmt.Errorf("vbmeta: %w", err)
		}
	}
	if err := b.prove(); err != nil {
		return none, nil, fmt.Errorf("the finished images do not verify: %w", err)
	}
	out, err := b.finish()
	return out, b.report, err
}

func newBuilder(ctx context.Context, in Input, plan *osrepo.Plan, view osrepo.View) (*builder, error) {
	certs, err := otazip.WriteCerts([]*x509.Certificate{in.UpdateCert})
	if err != nil {
		return nil, fmt.Errorf("update certificate: %w", err)
	}
	said := &report.Report{
		Device: in.Device, Version: in.Version, Commit: in.Snapshot.Commit.Hash, Stock: in.Stock.Incremental,
		Owners: map[string]string{}, Removed: map[string]string{}, Properties: map[string]string{},
	}
	b := &builder{
		ctx: ctx, in: in, plan: plan, report: said, stock: map[string]catalog.Partition{}, made: map[string]avb.Descriptor{},
		edit: &editing.Editor{
			Context: ctx, Plan: plan, View: view, Blobs: in.Blobs, Version: in.Version, Time: in.Snapshot.Commit.Time.Unix(),
			Places: map[string][]string{}, Certs: certs, Cert: in.UpdateCert, Key: in.AppKey, Report: said,
			Values: map[string]string{
				"version": in.Version, "os.name": plan.OS.Name, "channel": plan.OS.Channel, "update_url": plan.OS.UpdateURL,
				"device.codename": plan.Device.Codename, "device.name": plan.Device.Name, "device.vendor": plan.Device.Vendor,
				"stock.fingerprint": in.Stock.Fingerprint, "stock.incremental": in.Stock.Incremental,
			},
		},
	}
	for _, p := range in.Stock.Partitions {
		b.stock[p.Name] = p
	}
	for _, place := range plan.Device.Boot.UpdateCertificates {
		partition, path, _ := strings.Cut(place, ":")
		b.edit.Places[partition] = append(b.edit.Places[partition], view.Path(partition, path))
	}
	for name, want := range plan.Device.Partitions {
		if fs := cmp.Or(b.stock[name].FS, "raw"); want.FS != "" && want.FS != fs {
			return nil, fsProblem(plan.Device, name, want.FS, fs)
		}
	}
	return b, nil
}

// fsProblem says that device.yaml has another file system than the stock.
func fsProblem(d *osrepo.Device, name, want, fs string) error {
	var ps osrepo.Problems
	ps.Add(d.Document().File, d.Document().Pos(strict.Join("partitions", name)+".fs"), fmt.Sprintf("expected %s", fs), "partition %s has fs %s, the stock's is %s; a partition keeps its file system", name, want, fs)
	return ps.Err()
}

func (b *builder) close() {
	for _, c := range b.open {
		c.Close()
	}
}

// source opens an image of the stock until the build is done.
func (b *builder) source(p catalog.Partition) (*blob.Blob, error) {
	r, err := b.in.Blobs.OpenRef(blob.Ref{Digest: p.Digest, Size: p.Size})
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, r)
	return r, nil
}

// partitions rebuilds those with files and those with update certificates, and
// takes the others over.
func (b *builder) partitions() error {
	for _, p := range b.in.Stock.Partitions {
		var err error
		switch {
		case p.Name == "vbmeta":
		case b.plan.Device.Left(p.Name):
			b.report.Partitions = append(b.report.Partitions, report.Partition{Name: p.Name, Why: b.left()})
		case p.FS != "" && b.touches(p.Name):
			err = b.fileSystem(p)
		case p.FS == "" && (len(b.edit.Places[p.Name]) > 0 || b.changesBoot(p.Name) || b.older.Anew(p.Name)):
			err = b.bootImage(p)
		case b.older.Verity[p.Name] != nil:
			err = b.resign(p, b.older.Verity[p.Name])
		default:
			b.images = append(b.images, p)
			b.report.Partitions = append(b.report.Partitions, report.Partition{Name: p.Name, Why: b.untouched()})
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	b.patchLevel = cmp.Or(b.edit.PatchLevel, b.in.Stock.PatchLevel)
	b.facts.Fingerprint, b.facts.SDK = cmp.Or(b.edit.Fingerprint, b.in.Stock.Fingerprint), b.in.Stock.SDK
	return nil
}

// touches says whether anything in the partition is to change.
func (b *builder) touches(partition string) bool {
	return partition == "system" || len(b.edit.Places[partition]) > 0 || b.resized(b.stock[partition]) ||
		slices.ContainsFunc(b.plan.Removed, func(r osrepo.Removed) bool { return r.Partition == partition }) ||
		slices.ContainsFunc(b.plan.Placed, func(w osrepo.Placed) bool { return w.Partition == partition }) ||
		slices.ContainsFunc(b.plan.Props, func(e osrepo.PropEdit) bool { return e.Partition == partition })
}

// keep writes an image into the store as a partition of the build.
func (b *builder) keep(p catalog.Partition, im *tree.Image, d avb.Descriptor) error {
	if err := b.limit(p, im); err != nil {
		return err
	}
	ref, err := b.write(p, im)
	if err != nil {
		return err
	}
	b.kept(p, ref, d)
	return nil
}

// limit refuses what does not fit the phone.
func (b *builder) limit(p catalog.Partition, im *tree.Image) error {
	if limit := b.plan.Device.Partitions[p.Name].Size; limit > 0 && im.Size() > limit {
		return fmt.Errorf("the image has %d bytes, the partition %d by devices/%s/device.yaml: remove %d bytes", im.Size(), limit, b.in.Device, im.Size()-limit)
	}
	return nil
}

// write puts all of an image into the store.
func (b *builder) write(p catalog.Partition, im *tree.Image) (blob.Ref, error) {
	w, err := b.in.Blobs.Create(b.ctx)
	if err != nil {
		return blob.Ref{}, err
	}
	defer w.Abort()
	step := "write " + p.Name
	counted := &counter{w: w, fn: func(done int64) { b.in.progress(step, done, im.Size()) }}
	if _, err := im.WriteTo(counted); err != nil {
		return blob.Ref{}, err
	}
	return w.Commit()
}

// kept notes an image of the build. It returns what the report says of it, nil for
// vbmeta, of which more is said elsewhere.
func (b *builder) kept(p catalog.Partition, ref blob.Ref, d avb.Descriptor) *report.Partition {
	b.images = append(b.images, catalog.Partition{Name: p.Name, FS: p.FS, Digest: ref.Digest, Size: ref.Size})
	if p.Name == "vbmeta" {
		return nil
	}
	made := report.Partition{Name: p.Name, Rebuilt: true, Why: "made anew from stock and layers"}
	if d != nil {
		b.made[p.Name], made.VerifiedBy = d, report.Friday
	}
	b.report.Partitions = append(b.report.Partitions, made)
	return &b.report.Partitions[len(b.report.Partitions)-1]
}

// counter tells how much was written, at most every four MiB.
type counter struct {
	w          io.Writer
	done, told int64
	fn         func(done int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.done += int64(n); c.done-c.told >= 4<<20 || err == nil && c.told == 0 {
		c.told = c.done
		c.fn(c.done)
	}
	return n, err
}

// prove verifies the build as a phone would and notes the chain's digest. On a
// phone without Verified Boot nothing but the files can be read, and is.
func (b *builder) prove() error {
	b.in.progress("verify", 0, 1)
	if !b.verified() {
		defer b.in.progress("verify", 1, 1)
		if err := b.proveOlder(); err != nil {
			return err
		}
		return b.readable()
	}
	known := b.proofs()
	open := func(name string) (io.ReaderAt, int64, error) {
		i := slices.IndexFunc(b.images, func(p catalog.Partition) bool { return p.Name == name })
		if i < 0 {
			return nil, 0, fmt.Errorf("the build has no partition %s", name)
		}
		r, err := b.source(b.images[i])
		if err != nil {
			return nil, 0, err
		}
		return r, r.Size(), nil
	}
	key := avb.EncodePublicKey(&b.in.AVB.PublicKey)
	if vbmetaFlags(b.plan.Device.Boot) != 0 { // phones do not look at all of it; the build does
		if _, err := avb.VerifyChainBut(b.ctx, func(name string) (io.ReaderAt, int64, error) {
			if name == "vbmeta" {
				return bytes.NewReader(b.strict), int64(len(b.strict)), nil
			}
			return open(name)
		}, key, known.has); err != nil {
			return err
		}
	}
	chain, err := avb.VerifyChainBut(b.ctx, open, key, known.has)
	if err != nil {
		return err
	}
	if err := known.keep(); err != nil {
		return err
	}
	b.facts.VBMetaDigest = fmt.Sprintf("%x", chain.Digest)
	b.facts.RollbackIndex = chain.VBMeta.RollbackIndex
	b.in.progress("verify", 1, 1)
	return nil
}

// readable reads every file of what was rebuilt.
func (b *builder) readable() error {
	for _, p := range b.images {
		if p.FS == "" || !b.touches(p.Name) {
			continue
		}
		r, err := b.source(p)
		if err != nil {
			return err
		}
		_, root, err := filesystem.Open(r, r.Size())
		if err == nil {
			_, err = tree.IndexOf(p.Name, root)
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return nil
}

func (b *builder) finish() (catalog.Build, error) {
	slices.SortFunc(b.images, func(x, y catalog.Partition) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(b.report.Partitions, func(x, y report.Partition) int { return strings.Compare(x.Name, y.Name) })
	b.report.Wipes, b.report.Apps = b.wipes(), b.edit.Apps()
	out := b.facts
	out.Device, out.Version, out.Incremental = b.in.Device, b.in.Version, b.in.Version
	out.Commit, out.Timestamp = b.in.Snapshot.Commit.Hash, b.edit.Time
	out.PatchLevel, out.Stock, out.Images = b.patchLevel, b.in.Stock.Digest, b.images
	out.ID = catalog.BuildID(out.Device, out.Version, out.Images)
	var err error
	out.Report, err = b.report.Save(b.ctx, b.in.Blobs)
	return out, err
}
