package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
)

// ProveOptions of ProveWith.
type ProveOptions struct {
	TempDir  string // where partitions are made; "": the system's
	Workers  int    // 0: GOMAXPROCS
	Partial  bool   // as of Options
	Progress func(partition string, done, total int)
}

// Prove is ProveWith with the system's folder for temporary files.
func Prove(ctx context.Context, zip io.ReaderAt, size int64, from *Side, to Side, cert *x509.Certificate) error {
	return ProveWith(ctx, zip, size, from, to, cert, ProveOptions{})
}

// ProveWith takes a finished zip as a phone does that runs from (nil: any, a
// full package): it verifies the zip's and the payload's signatures with cert
// alone, compares what the zip says of itself with the two builds, applies the
// payload, and compares every partition with to's images. An error names what
// differs. It shares no state with Full and Incremental, and looks at bytes.
func ProveWith(ctx context.Context, zip io.ReaderAt, size int64, from *Side, to Side, cert *x509.Certificate, o ProveOptions) error {
	how := prove
	if isOneSlot(zip, size) {
		how = proveOneSlot
	}
	if err := how(ctx, zip, size, from, to, cert, o); err != nil {
		kind, start := "full", ""
		if from != nil {
			kind, start = "incremental", " from "+from.Build.Version
		}
		return fmt.Errorf("cannot prove %s package of %s%s to %s: %w", kind, to.Build.Device, start, to.Build.Version, err)
	}
	return nil
}

func prove(ctx context.Context, zip io.ReaderAt, size int64, from *Side, to Side, cert *x509.Certificate, o ProveOptions) error {
	if _, err := otazip.Verify(zip, size, []*x509.Certificate{cert}); err != nil {
		return err
	}
	c, err := openChecked(ctx, zip, size)
	if err != nil {
		return err
	}
	if err := c.payload.Verify(cert.PublicKey); err != nil {
		return err
	}
	if err := compareMetadata(c.metadata, metadata(from, to)); err != nil {
		return err
	}
	if err := compareManifest(c.payload.Manifest(), from, to, o.Partial); err != nil {
		return err
	}
	for i := range to.Images {
		img := &to.Images[i]
		var old io.ReaderAt
		if from != nil {
			if o := from.image(img.Partition); o != nil {
				old = o.Content
				if err := c.payload.VerifyOld(ctx, img.Partition, old); err != nil {
					return err
				}
			}
		}
		if err := proveSnapshot(ctx, c.payload.Manifest(), img); err != nil {
			return fmt.Errorf("partition %q: %w", img.Partition, err)
		}
		if err := applyTo(ctx, c.payload, img.Partition, old, img.SHA256, o); err != nil {
			return err
		}
	}
	return nil
}

// checked is a zip whose parts agree with each other.
type checked struct {
	zip        *otazip.Zip
	metadata   otazip.Metadata
	payload    *payload.Payload
	properties payload.Properties
}

// openChecked reads a zip and compares what it says in several places. It
// verifies no signature.
func openChecked(ctx context.Context, zip io.ReaderAt, size int64) (*checked, error) {
	z, err := otazip.Open(zip, size)
	if err != nil {
		return nil, err
	}
	c := &checked{zip: z}
	if c.metadata, err = z.Metadata(); err != nil {
		return nil, err
	}
	if err := z.CheckPropertyFiles(c.metadata); err != nil {
		return nil, err
	}
	content, err := z.Payload()
	if err != nil {
		return nil, err
	}
	if c.payload, err = payload.Open(content, content.Size()); err != nil {
		return nil, err
	}
	text, err := z.Properties()
	if err != nil {
		return nil, err
	}
	if c.properties, err = payload.ParseProperties(text); err != nil {
		return nil, err
	}
	return c, c.checkProperties(ctx, content)
}

// checkProperties compares payload_properties.txt, which update_engine is
// given, with the payload.
func (c *checked) checkProperties(ctx context.Context, content *io.SectionReader) error {
	want := payload.Properties{FileSize: content.Size(), MetadataSize: c.payload.Layout().MetadataSize}
	all := sha256.New()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < want.FileSize; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(want.FileSize-off, int64(len(buf)))
		// The hash of the metadata is that of the file when it has got so far.
		if off < want.MetadataSize {
			n = min(n, want.MetadataSize-off)
		}
		if got, err := content.ReadAt(buf[:n], off); int64(got) != n {
			return fmt.Errorf("cannot read payload.bin at byte %d: %w", off+int64(got), errors.Join(err, io.ErrUnexpectedEOF))
		}
		all.Write(buf[:n])
		if off += n; off == want.MetadataSize {
			want.MetadataHash = [32]byte(all.Sum(nil))
		}
	}
	want.FileHash = [32]byte(all.Sum(nil))
	if c.properties != want {
		found, expected := strings.Split(c.properties.Text(), "\n"), strings.Split(want.Text(), "\n")
		for i := range expected {
			if i < len(found) && found[i] != expected[i] {
				return fmt.Errorf("payload_properties.txt says %s, payload.bin has %s", found[i], expected[i])
			}
		}
	}
	return nil
}

// compareMetadata names the first thing in which the zip's metadata is not what
// the builds ask for.
func compareMetadata(found, want otazip.Metadata) error {
	found.PropertyFiles = nil
	a, b := strings.Split(found.Text(), "\n"), strings.Split(want.Text(), "\n")
	for i := range max(len(a), len(b)) {
		x, y := "nothing", "nothing"
		if i < len(a) && a[i] != "" {
			x = a[i]
		}
		if i < len(b) && b[i] != "" {
			y = b[i]
		}
		if x != y {
			return fmt.Errorf("the zip's metadata has %s, expected %s", x, y)
		}
	}
	return nil
}

// compareManifest compares what the payload says with the two builds.
func compareManifest(m *payload.Manifest, from *Side, to Side, partial bool) error {
	switch {
	case m.MaxTimestamp != to.Build.Timestamp:
		return fmt.Errorf("the payload's max_timestamp is %d, expected the build's %d", m.MaxTimestamp, to.Build.Timestamp)
	case m.SecurityPatchLevel != to.Build.PatchLevel:
		return fmt.Errorf("the payload's security patch level is %q, expected the build's %q", m.SecurityPatchLevel, to.Build.PatchLevel)
	case m.Partial && !partial:
		return errors.New("the payload is a partial update, expected all partitions")
	case partial && !m.Partial:
		return errors.New("the payload is no partial update, by which the phone would copy the firmware that it lacks")
	case (from == nil) != m.Full():
		return fmt.Errorf("the payload's minor version is %d; a full package has 0, an incremental another", m.MinorVersion)
	case len(m.Partitions) != len(to.Images):
		return fmt.Errorf("the payload has %d partitions, the build has %d", len(m.Partitions), len(to.Images))
	}
	if partial {
		if err := compareVersions(m, to); err != nil {
			return err
		}
	}
	for _, img := range to.Images {
		p := m.Partition(img.Partition)
		if p == nil {
			return fmt.Errorf("partition %q is not in the payload", img.Partition)
		}
		if p.NewSize != img.Size || !bytes.Equal(p.NewSHA256, img.SHA256[:]) {
			return fmt.Errorf("partition %q: the payload makes %d bytes with SHA-256 %x, the build has %d with %x", img.Partition, p.NewSize, p.NewSHA256, img.Size, img.SHA256)
		}
		var old *Image
		if from != nil {
			old = from.image(img.Partition)
		}
		switch {
		case old == nil && p.OldSHA256 != nil:
			return fmt.Errorf("partition %q: the payload starts from an old one, expected none", img.Partition)
		case old != nil && (p.OldSize != old.Size || !bytes.Equal(p.OldSHA256, old.SHA256[:])):
			return fmt.Errorf("partition %q: the payload starts from %d bytes with SHA-256 %x, the old build has %d with %x", img.Partition, p.OldSize, p.OldSHA256, old.Size, old.SHA256)
		}
	}
	return nil
}

// applyTo applies one partition to a temporary file and compares the result.
func applyTo(ctx context.Context, p *payload.Payload, partition string, old io.ReaderAt, want [32]byte, o ProveOptions) (err error) {
	f, err := os.CreateTemp(o.TempDir, "prove-*")
	if err != nil {
		return fmt.Errorf("cannot apply partition %q: %w", partition, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size := p.Manifest().Partition(partition).NewSize
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("cannot apply partition %q: %w", partition, err)
	}
	a := payload.ApplyOptions{Workers: o.Workers}
	if o.Progress != nil {
		a.Progress = func(done, total int) { o.Progress(partition, done, total) }
	}
	if err := p.Apply(ctx, partition, old, f, a); err != nil {
		return err
	}
	// Apply has compared the result with its manifest; what is published is not
	// left to that alone.
	h := sha256.New()
	if n, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil || n != size {
		return fmt.Errorf("cannot read partition %q back: %d of %d bytes: %w", partition, n, size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if got := h.Sum(nil); !bytes.Equal(got, want[:]) {
		return fmt.Errorf("partition %q became SHA-256 %x, expected %x", partition, got, want)
	}
	return nil
}
