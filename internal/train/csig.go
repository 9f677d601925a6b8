package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/android/csig"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
)

// CsigArgs is the job of describing to Custota the packages that are shipped and
// were made before there were descriptions.
type CsigArgs struct{}

// Kind names the job.
func (CsigArgs) Kind() string { return "train.csig" }

const csigEvery = time.Hour

// describe signs what Custota is told of a package that leads to a build. A
// package that is not for it (one for the recovery alone) is described by why.
func (w *worker) describe(ctx context.Context, p catalog.Package, to catalog.Build) (c catalog.Csig, err error) {
	c.Package = p.Digest
	if p.PropertyFiles == "" {
		c.Why = "its metadata has no list of its files"
		return c, nil
	}
	signer, cert, err := w.o.Keys.OTA()
	if err != nil {
		return c, err
	}
	zip, err := w.t.Blobs.OpenRef(blob.Ref{Digest: p.Digest, Size: p.Size})
	if err != nil {
		return c, err
	}
	defer zip.Close()
	vbmeta := ""
	if p.Kind == catalog.Full {
		vbmeta = to.VBMetaDigest
	}
	info, err := csig.Describe(ctx, zip, p.Size, vbmeta)
	if ctx.Err() != nil {
		return c, ctx.Err()
	}
	if err == nil {
		var der []byte
		if der, err = csig.Sign(info, signer, cert); err == nil {
			c.Ref, err = w.t.Blobs.Put(ctx, bytes.NewReader(der))
			return c, err
		}
	}
	c.Why = err.Error()
	w.t.log().Warn("Custota is not offered a package", "package", p.File, "error", err)
	return c, nil
}

// describeShipped describes what is shipped and is not described yet. What
// cannot be opened now is tried again at the next time.
func (w *worker) describeShipped(ctx context.Context, _ CsigArgs) error {
	var rollouts []fleet.Rollout
	if err := w.t.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rollouts, err = fleet.All(tx)
		return err
	}); err != nil {
		return err
	}
	done := map[string]bool{}
	var failed error
	for _, r := range rollouts {
		if r.State == fleet.Pulled || done[r.Build] {
			continue
		}
		done[r.Build] = true
		if err := w.describeBuild(ctx, r); err != nil {
			failed = errors.Join(failed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed
}

func (w *worker) describeBuild(ctx context.Context, r fleet.Rollout) error {
	var to catalog.Build
	var packages []catalog.Package
	var have map[blob.Digest]catalog.Csig
	if err := w.t.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if to, err = catalog.BuildByID(tx, r.Build); err != nil {
			return err
		}
		if packages, err = catalog.PackagesTo(tx, r.Build); err != nil {
			return err
		}
		have, err = catalog.CsigsTo(tx, r.Build)
		return err
	}); err != nil {
		return err
	}
	for _, p := range packages {
		if _, ok := have[p.Digest]; ok {
			continue
		}
		c, err := w.describe(ctx, p, to)
		if err != nil {
			return fmt.Errorf("cannot describe %s to Custota: %w", p.File, err)
		}
		if err := w.t.DB.Write(ctx, func(tx *db.Tx) error {
			if err := catalog.PutCsig(tx, c); err != nil {
				return err
			}
			return fleet.Touch(tx, r.ID) // nodes read it
		}); err != nil {
			return err
		}
	}
	return nil
}
