package rom

import (
	"context"
	"fmt"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/layering"
	"github.com/fridayos/friday/internal/rom/intake"
)

// Check says whether the layers of a device fit a stock, without any image. The
// error is of type osrepo.Problems where the repository is to blame.
func Check(blobs *blob.Store, snapshot *osrepo.Snapshot, device string, s catalog.Stock) error {
	v, err := intake.View(blobs, s)
	if err != nil {
		return err
	}
	_, err = layering.Plan(snapshot, device, v)
	return err
}

// BuildView is how a build looks: the listing of its files and its properties. It
// reads and hashes every file of the images.
func BuildView(ctx context.Context, blobs *blob.Store, b catalog.Build) (osrepo.View, error) {
	v := osrepo.View{Index: &tree.Index{}, Props: map[string]osrepo.PropFile{}, Fingerprint: b.Fingerprint}
	for _, p := range b.Images {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		v.Partitions = append(v.Partitions, p.Name)
		if err := intake.Look(blobs, p, &v); err != nil {
			return v, fmt.Errorf("cannot look into %s %s: partition %s: %w", b.Device, b.Version, p.Name, err)
		}
	}
	return v, nil
}
