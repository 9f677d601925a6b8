package ota

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/ctxio"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/updater"
)

// isOneSlot says whether a zip is for recovery to run: it has a script and no
// payload.
func isOneSlot(zip io.ReaderAt, size int64) bool {
	z, err := otazip.Open(zip, size)
	if err != nil {
		return false
	}
	_, script := z.Lookup(updater.NameScript)
	_, payload := z.Lookup(otazip.NamePayload)
	return script && !payload
}

// proveOneSlot takes a finished zip as recovery does: it verifies the signature,
// compares what the zip says of itself with the builds, runs the script on a phone
// that holds from's images, and compares every partition with to's.
func proveOneSlot(ctx context.Context, zip io.ReaderAt, size int64, from *Side, to Side, cert *x509.Certificate, o ProveOptions) error {
	if _, err := otazip.Verify(zip, size, []*x509.Certificate{cert}); err != nil {
		return err
	}
	z, err := otazip.Open(zip, size)
	if err != nil {
		return err
	}
	found, err := z.Metadata()
	if err != nil {
		return err
	}
	want := metadata(from, to)
	want.OTAType, want.RequiredCache = oneSlotType, found.RequiredCache
	if err := compareMetadata(found, want); err != nil {
		return err
	}
	p, err := newProvingPhone(o.TempDir, to.Build.Device, found.RequiredCache)
	if err != nil {
		return err
	}
	defer p.close()
	for i := range to.Images {
		img := &to.Images[i]
		room := img.Size
		var old *Image
		if from != nil {
			old = from.image(img.Partition)
		}
		if old != nil {
			room = max(room, old.Size)
		}
		if err := p.add(ctx, img.Partition, old, room); err != nil {
			return fmt.Errorf("partition %q: %w", img.Partition, err)
		}
	}
	if err := updater.Run(ctx, zip, size, p); err != nil {
		return err
	}
	for i := range to.Images {
		img := &to.Images[i]
		if err := p.compare(ctx, img); err != nil {
			return fmt.Errorf("partition %q: %w", img.Partition, err)
		}
	}
	return nil
}

// provingPhone is a phone for the length of a proof: a folder of partitions.
type provingPhone struct {
	dir, device string
	room        int64
}

func newProvingPhone(temp, device string, room int64) (*provingPhone, error) {
	dir, err := os.MkdirTemp(temp, "prove-*")
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "stash"), 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot prove: %w", err)
	}
	return &provingPhone{dir, device, room}, nil
}

func (p *provingPhone) close() { os.RemoveAll(p.dir) }

func (p *provingPhone) file(partition string) string {
	return filepath.Join(p.dir, partition+".img")
}

// add makes a partition of size bytes that holds an image.
func (p *provingPhone) add(ctx context.Context, partition string, old *Image, size int64) (err error) {
	f, err := os.Create(p.file(partition))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if old != nil {
		if _, err := io.Copy(f, ctxio.Reader(ctx, io.NewSectionReader(old.Content, 0, old.Size))); err != nil {
			return err
		}
	}
	return f.Truncate(size)
}

func (p *provingPhone) compare(ctx context.Context, img *Image) error {
	f, err := os.Open(p.file(img.Partition))
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if n, err := io.Copy(h, ctxio.Reader(ctx, io.NewSectionReader(f, 0, img.Size))); err != nil || n != img.Size {
		return fmt.Errorf("%d of %d bytes could be read back: %w", n, img.Size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if got := [32]byte(h.Sum(nil)); got != img.SHA256 {
		return fmt.Errorf("it became SHA-256 %x, expected %x", got, img.SHA256)
	}
	return nil
}

// Property answers what a phone of the device would.
func (p *provingPhone) Property(name string) string {
	if name == "ro.product.device" {
		return p.device
	}
	return ""
}

type provingDisk struct {
	*os.File
	size int64
}

func (d provingDisk) Size() int64 { return d.size }
func (d provingDisk) Sync() error { return nil } // it lives as long as the proof

// Open opens a partition by the last part of its path.
func (p *provingPhone) Open(device string) (updater.Disk, error) {
	f, err := os.OpenFile(p.file(path.Base(device)), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("the build has no partition that is at %s", device)
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return provingDisk{f, fi.Size()}, nil
}

func (p *provingPhone) Keep() (blockota.Keeper, int64, error) {
	return blockota.Folder(filepath.Join(p.dir, "stash")), p.room, nil
}

func (p *provingPhone) Print(string)     {}
func (p *provingPhone) Progress(float64) {}
