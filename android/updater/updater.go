// Package updater does what the update-binary of a recovery's package does: it
// runs the package's updater-script on a phone with one slot.
//
// Recovery starts the update-binary that a package brings, so what the script may
// say is the package's own affair. Package recoveryzip writes such packages;
// cmd/update-binary is this package as a program for phones; the virtual handset's
// recovery is this package too. It verifies no signature: recovery has done that
// before it runs anything of a package. The functions of packages of files (before
// Android 5) are not here.
//
// A script is run again from its start after a power cut, so each function finds
// out by itself what was done before: see blockota.List.Apply.
//
// Sources: AOSP's bootable/recovery, updater/install.cpp and updater/blockimg.cpp,
// read for the names and arguments of the functions.
package updater

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/andybalholm/brotli"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/edify"
)

// NameScript is the entry that Run runs.
const NameScript = "META-INF/com/google/android/updater-script"

// Limits of what is held in memory.
const maxHeld = blockota.MaxList

// Disk is a partition of the phone.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Size() int64 // bytes
}

// Phone is what a script works on.
type Phone interface {
	// Property is a system property, as the recovery sees it; "" where it is not set.
	Property(name string) string
	// Open opens a partition by the path that the script has.
	Open(device string) (Disk, error)
	// Keep holds stashes of the package that is being installed; Room is how many
	// bytes it can take.
	Keep() (keep blockota.Keeper, room int64, err error)
	// Print and Progress tell the person in front of the phone.
	Print(line string)
	Progress(done float64)
}

// Run runs the script of a package. An error of type *edify.Aborted is the
// script's own refusal.
func Run(ctx context.Context, pkg io.ReaderAt, size int64, phone Phone) error {
	z, err := zip.NewReader(pkg, size)
	if err != nil {
		return fmt.Errorf("cannot install package: %w", err)
	}
	u := &update{phone: phone, zip: z}
	text, err := u.held(NameScript, edify.MaxScript)
	if err != nil {
		return fmt.Errorf("cannot install package: %w", err)
	}
	script, err := edify.Parse(string(text))
	if err != nil {
		return fmt.Errorf("cannot install package: %w", err)
	}
	functions := u.functions()
	for _, name := range script.Calls() { // before anything is written
		if functions[name] == nil && !edify.Has(name) {
			return fmt.Errorf("cannot install package: not supported: its script calls %s", name)
		}
	}
	if _, err := script.Run(ctx, functions); err != nil {
		return fmt.Errorf("cannot install package: %w", err)
	}
	return nil
}

type update struct {
	phone Phone
	zip   *zip.Reader
	base  float64 // progress that is done, and what the step that runs is worth
	step  float64
}

func (u *update) functions() map[string]edify.Function {
	return map[string]edify.Function{
		"getprop": takes(1, func(_ context.Context, a []string) (string, error) { return u.phone.Property(a[0]), nil }),
		"ui_print": func(_ context.Context, a []string) (string, error) {
			var b bytes.Buffer
			for _, s := range a {
				b.WriteString(s)
			}
			u.phone.Print(b.String())
			return b.String(), nil
		},
		"show_progress":        takes(2, u.showProgress),
		"set_progress":         takes(1, u.setProgress),
		"package_extract_file": u.extract,
		"range_sha1":           takes(2, u.rangeSHA1),
		"block_image_verify":   takes(4, u.verify),
		"block_image_update":   takes(4, u.update),
	}
}

func takes(n int, fn edify.Function) edify.Function {
	return func(ctx context.Context, a []string) (string, error) {
		if len(a) != n {
			return "", fmt.Errorf("it has %d arguments, expected %d", len(a), n)
		}
		return fn(ctx, a)
	}
}

func (u *update) showProgress(_ context.Context, a []string) (string, error) {
	v, err := strconv.ParseFloat(a[0], 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return "", fmt.Errorf("%.20q is no share from 0 to 1", a[0])
	}
	u.base, u.step = min(u.base+u.step, 1), v
	u.phone.Progress(u.base)
	return a[0], nil
}

func (u *update) setProgress(_ context.Context, a []string) (string, error) {
	v, err := strconv.ParseFloat(a[0], 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return "", fmt.Errorf("%.20q is no share from 0 to 1", a[0])
	}
	u.phone.Progress(min(u.base+u.step*v, 1))
	return a[0], nil
}

func (u *update) file(name string) (*zip.File, error) {
	for _, f := range u.zip.File {
		if f.Name == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("the package has no file %.80q", name)
}

// held reads a file of the package into memory.
func (u *update) held(name string, most int64) ([]byte, error) {
	f, err := u.file(name)
	if err != nil {
		return nil, err
	}
	if f.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("%s has %d bytes, expected at most %d", name, f.UncompressedSize64, most)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// extract gives a file of the package as a value, or writes it to a partition.
func (u *update) extract(ctx context.Context, a []string) (v string, err error) {
	switch len(a) {
	case 1:
		b, err := u.held(a[0], maxHeld)
		return string(b), err
	case 2:
	default:
		return "", fmt.Errorf("it has %d arguments, expected 1 or 2", len(a))
	}
	f, err := u.file(a[0])
	if err != nil {
		return "", err
	}
	d, err := u.phone.Open(a[1])
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if f.UncompressedSize64 > uint64(d.Size()) {
		return "", fmt.Errorf("%s has %d bytes, %s has room for %d", a[0], f.UncompressedSize64, a[1], d.Size())
	}
	r, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("%s: %w", a[0], err)
	}
	defer r.Close()
	if _, err := io.Copy(io.NewOffsetWriter(d, 0), &reader{ctx, r}); err != nil {
		return "", fmt.Errorf("%s: %w", a[0], err)
	}
	return "t", d.Sync()
}

// block opens all that the arguments of a block function name; done closes it.
func (u *update) block(a []string) (l *blockota.List, p blockota.Package, d Disk, done func() error, err error) {
	if l, err = blockota.Parse(bytes.NewReader([]byte(a[1]))); err != nil {
		return nil, p, nil, nil, err
	}
	var room int64
	if p.Keep, room, err = u.phone.Keep(); err != nil {
		return nil, p, nil, nil, err
	}
	if need := l.StashBlocks * blockota.BlockSize; need > room {
		return nil, p, nil, nil, fmt.Errorf("it needs %d bytes to keep blocks aside, there is room for %d", need, room)
	}
	if !l.Incremental() {
		p.Keep = nil
	}
	patch, err := u.file(a[3])
	if err != nil {
		return nil, p, nil, nil, err
	}
	if patch.UncompressedSize64 > 0 {
		if patch.Method != zip.Store {
			return nil, p, nil, nil, fmt.Errorf("%s is compressed, expected it as it is", a[3])
		}
		raw, err := patch.OpenRaw()
		if err != nil {
			return nil, p, nil, nil, fmt.Errorf("%s: %w", a[3], err)
		}
		at, ok := raw.(io.ReaderAt)
		if !ok {
			return nil, p, nil, nil, fmt.Errorf("%s cannot be read at any place", a[3])
		}
		p.Patches, p.PatchSize = at, int64(patch.UncompressedSize64)
	}
	data, err := u.file(a[2])
	if err != nil {
		return nil, p, nil, nil, err
	}
	r, err := data.Open()
	if err != nil {
		return nil, p, nil, nil, fmt.Errorf("%s: %w", a[2], err)
	}
	p.New = r
	if len(a[2]) > 3 && a[2][len(a[2])-3:] == ".br" {
		p.New = brotli.NewReader(r)
	}
	if d, err = u.phone.Open(a[0]); err != nil {
		return nil, p, nil, nil, errors.Join(err, r.Close())
	}
	return l, p, d, func() error { return errors.Join(r.Close(), d.Close()) }, nil
}

func (u *update) verify(ctx context.Context, a []string) (v string, err error) {
	l, p, d, done, err := u.block(a)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := l.Check(ctx, d, d.Size(), p.Keep); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		u.phone.Print(err.Error())
		return "", nil // the script says what it means
	}
	return "t", nil
}

func (u *update) update(ctx context.Context, a []string) (v string, err error) {
	l, p, d, done, err := u.block(a)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	p.Progress = func(done, total int) {
		u.phone.Progress(min(u.base+u.step*float64(done)/float64(total), 1))
	}
	if err := l.Apply(ctx, d, d.Size(), p, nowhere{}); err != nil {
		return "", err
	}
	return "t", d.Sync()
}

// nowhere is the scratch of an update whose stashes are kept: it has none.
type nowhere struct{}

var errNowhere = errors.New("a list that needs a scratch is not supported")

func (nowhere) ReadAt([]byte, int64) (int, error)  { return 0, errNowhere }
func (nowhere) WriteAt([]byte, int64) (int, error) { return 0, errNowhere }

func (u *update) rangeSHA1(ctx context.Context, a []string) (v string, err error) {
	set, err := blockota.ParseRanges(a[1])
	if err != nil {
		return "", err
	}
	d, err := u.phone.Open(a[0])
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return set.SHA1(ctx, d, d.Size())
}

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
