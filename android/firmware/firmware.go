// Package firmware finds the partitions in what a vendor ships: A/B and block
// OTA zips, Xiaomi's fastboot .tgz, Samsung's Odin zip, Sony's .ftf and .sin,
// HTC's RUU, OnePlus's .ops, factory zips, and archives of plain images.
//
// It opens nothing by itself: package nest does, at any depth, and this package
// says which of the things found there is which partition. What says so, in this
// order: the payload or super partition that names it, the vendor's flash script
// (Xiaomi), the partition table (Samsung's PIT), the list of an .ops, and, for
// an .img alone, its file name. What nothing names is left, with the reason. It
// does not read the partitions' file systems, and checks no signatures.
package firmware

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// Kind is how a firmware is packed.
type Kind string

const (
	Payload  Kind = "payload"  // an OTA zip with payload.bin
	Block    Kind = "block"    // an OTA zip with transfer lists
	Fastboot Kind = "fastboot" // images and a script that flashes them
	Odin     Kind = "odin"     // Samsung's .tar.md5 files
	Sin      Kind = "sin"      // Sony's
	RUU      Kind = "ruu"      // HTC's
	Ops      Kind = "ops"      // OnePlus's
	Images   Kind = "images"   // images, and nothing that says how they are flashed
)

// Limits of what is looked at.
const (
	maxDepth      = 6      // containers within each other
	maxMembers    = 20_000 // over all of them
	maxPartitions = 512
)

// Firmware is a vendor's firmware, open for as long as its Nest is.
type Firmware struct {
	Kind Kind
	// Devices are those that it says it is for: codenames, in Xiaomi's scripts and in
	// OTA metadata; models, in HTC's android-info.txt. Empty: it does not say.
	Devices    []string
	Partitions []Partition // sorted by name
	Left       []Left      // members that became no partition
	Packing    Packing

	checks []check
}

// Partition is one partition's image, without sparse or compressed wrappings.
type Partition struct {
	Name   string // without a slot's suffix: "system"
	Path   string // where it lies, as nest has paths: "images/super.img//system_a"
	Format string // as nest names it: "erofs", "ext4", "boot", "vbmeta", …; "": none that is known
	R      io.ReaderAt
	Size   int64 // bytes

	payload *payload.Payload // that makes it; nil: R is all there is
	part    string           // its name there
}

// Disk is what an image is copied to: a file will do.
type Disk interface {
	io.Writer
	io.ReaderAt
	io.WriterAt
}

// Copy writes the image to an empty disk: that of a payload on all processors,
// its hashes compared on the way, any other from its start to its end.
func (p Partition) Copy(ctx context.Context, to Disk) error {
	if p.payload != nil {
		return p.payload.Apply(ctx, p.part, nil, to, payload.ApplyOptions{})
	}
	buf := make([]byte, 1<<20)
	for at := int64(0); at < p.Size; at += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf = buf[:min(int64(len(buf)), p.Size-at)]
		if err := tree.ReadFull(p.R, buf, at); err != nil {
			return err
		}
		if _, err := to.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// Verify compares the checksums and hashes that the packaging has: Samsung's MD5
// lines, Sony's, OnePlus's and sparse images' sums, those of zips. A payload's are
// compared by Copy. Signatures, and what the images themselves promise, are not
// looked at.
func (f *Firmware) Verify(ctx context.Context) error {
	for _, c := range f.checks {
		var wrong error
		if err := c.verify(ctx, func(what string, err error) {
			if err != nil && wrong == nil && !strings.HasPrefix(what, "ota:") { // signatures, and what was said of them
				wrong = fmt.Errorf("%s: %s: %w", c.path, what, err)
			}
		}); err != nil {
			return err
		}
		if wrong != nil {
			return fmt.Errorf("cannot use firmware: %w", wrong)
		}
	}
	return nil
}

// check is what one packaging can verify of itself.
type check struct {
	path   string
	verify func(context.Context, func(string, error)) error
}

// Left is a member that is no partition, and why.
type Left struct{ Path, Why string }

// Open finds the partitions of f. The images are read when they are asked for.
func Open(ctx context.Context, n *nest.Nest, f nest.File) (*Firmware, error) {
	w := &walk{ctx: ctx, nest: n, out: &Firmware{Kind: Images}, names: map[string]string{}, at: map[string]int{}}
	if err := w.container(f, "", 0); err != nil {
		return nil, fmt.Errorf("cannot read firmware %s: %w", f.Name, err)
	}
	if err := w.take(); err != nil {
		return nil, fmt.Errorf("cannot read firmware %s: %w", f.Name, err)
	}
	return w.out, nil
}

// Partition finds a partition by its name.
func (f *Firmware) Partition(name string) (Partition, bool) {
	i, ok := slices.BinarySearchFunc(f.Partitions, name, func(p Partition, n string) int { return strings.Compare(p.Name, n) })
	if !ok {
		return Partition{}, false
	}
	return f.Partitions[i], true
}

// walk is one opening under way. Members are collected first: what names them
// may come behind them.
type walk struct {
	ctx     context.Context
	nest    *nest.Nest
	out     *Firmware
	members []member
	seen    int
	names   map[string]string // partition by the name of its file, as the vendor's lists say
	listed  bool              // names is all that gets flashed
	at      map[string]int    // in out.Partitions, by name
}

type member struct {
	file   nest.File
	path   string
	name   string // of the partition, where the container says it; "" otherwise
	format string

	payload *payload.Payload
}

// within is the path of something in a container.
func within(path, name string) string {
	if path == "" {
		return name
	}
	return path + "//" + name
}

// container looks through a container, or notes a single image.
func (w *walk) container(f nest.File, path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: containers lie more than %d deep in each other", path, maxDepth)
	}
	opened, err := w.nest.Container(w.ctx, f)
	if err != nil {
		return err
	}
	if opened.Root == nil {
		if depth == 0 {
			return fmt.Errorf("a %s holds no partitions%s", opened.Format, problems(opened.Problems))
		}
		return nil
	}
	if opened.Format == "ops" {
		w.out.Kind = Ops
	}
	if opened.Files {
		if depth == 0 {
			return fmt.Errorf("it is one %s image; firmware has all of a phone's partitions", opened.Format)
		}
		return nil
	}
	if err := w.facts(opened.Root, path); err != nil {
		return err
	}
	var p *payload.Payload
	if opened.Format == "payload" {
		if p, err = w.payload(f); err != nil {
			return err
		}
	}
	if opened.Format == "super" && w.out.Packing.Super == nil {
		if err := w.super(w.ctx, f); err != nil {
			return err
		}
	}
	if p != nil {
		w.out.Packing.Dynamic = p.Manifest().Dynamic
	}
	w.check(path, opened)
	parts := parted(opened.Root)
	if parts != nil {
		return w.sparseParts(f, path, parts)
	}
	return tree.Walk(opened.Root, func(name string, node *tree.Node) error {
		if node.Type == tree.Directory && superfluous(name) {
			w.leave(within(path, name), "it is no image")
			return fs.SkipDir
		}
		if node.Type != tree.Regular {
			return nil
		}
		if w.seen++; w.seen > maxMembers {
			return fmt.Errorf("it has more than %d members", maxMembers)
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		return w.member(opened, p, name, node, within(path, name), depth)
	})
}

// payload opens a full payload again, to be applied.
func (w *walk) payload(f nest.File) (*payload.Payload, error) {
	f, err := w.unwrap(f)
	if err != nil {
		return nil, err
	}
	p, err := payload.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	if m := p.Manifest(); !m.Full() {
		return nil, fmt.Errorf("its payload is incremental (minor version %d), expected a full one", m.MinorVersion)
	}
	return p, nil
}

// check remembers what a packaging can verify. Images and file systems promise
// things too, which are no matter of the packaging.
func (w *walk) check(path string, o *nest.Opened) {
	if o.Verify != nil && slices.Contains([]string{"zip", "ota-zip", "tar.md5", "sin", "sparse", "ops", "lz4", "super"}, o.Format) {
		w.out.checks = append(w.out.checks, check{cmp.Or(path, "the file"), o.Verify})
	}
}

func problems(ps []string) string {
	if len(ps) == 0 {
		return ""
	}
	return ": " + strings.Join(ps, "; ")
}

// member notes an image, or looks into a container.
func (w *walk) member(in *nest.Opened, p *payload.Payload, name string, node *tree.Node, path string, depth int) error {
	base := name[strings.LastIndex(name, "/")+1:]
	if superfluous(name) || in.Format == "super" && strings.Contains(name, "/") {
		w.leave(path, "it is no image")
		return nil
	}
	if node.Size == 0 {
		w.leave(path, "it is empty")
		return nil
	}
	if laterChunk.MatchString(base) {
		w.leave(path, "it is read with the first piece")
		return nil
	}
	m := member{path: path, payload: p}
	m.file, _ = in.Child(name)
	if in.Format == "payload" || in.Format == "super" {
		m.name = plainName(base)
	}
	opened, err := w.nest.Container(w.ctx, m.file)
	switch {
	case errors.Is(err, nest.ErrUnknown):
	case err != nil && w.ctx.Err() != nil:
		return w.ctx.Err()
	case err != nil && m.name == "" && !strings.HasSuffix(trim(base), ".img"):
		w.leave(path, err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case opened.Format == "super-empty" || opened.Format == "pit":
		w.leave(path, "it is no image")
		return nil
	case opened.Root != nil && !opened.Files && !slices.Contains([]string{"boot", "vendor-boot"}, opened.Format):
		return w.container(m.file, path, depth+1)
	default:
		m.format = opened.Format
	}
	w.members = append(w.members, m)
	return nil
}

// leave notes what became no partition.
func (w *walk) leave(path, why string) { w.out.Left = append(w.out.Left, Left{path, why}) }

// take makes partitions of the members.
func (w *walk) take() error {
	for _, m := range w.members {
		name, why := w.nameOf(m)
		if name == "" {
			w.leave(m.path, why)
			continue
		}
		if i, twice := w.at[name]; twice {
			w.leave(m.path, fmt.Sprintf("partition %s is at %s already", name, w.out.Partitions[i].Path))
			continue
		}
		if len(w.out.Partitions) == maxPartitions {
			return fmt.Errorf("it has more than %d partitions", maxPartitions)
		}
		plain, err := w.unwrap(m.file)
		if err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		w.at[name] = len(w.out.Partitions)
		w.out.Partitions = append(w.out.Partitions, Partition{
			Name: name, Path: m.path, Format: m.format, R: plain.R, Size: plain.Size,
			payload: m.payload, part: strings.TrimSuffix(path.Base(m.path), ".img"),
		})
	}
	if len(w.out.Partitions) == 0 {
		return errors.New("it holds no partition's image")
	}
	slices.SortFunc(w.out.Partitions, func(a, b Partition) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(w.out.Left, func(a, b Left) int { return cmp.Compare(a.Path, b.Path) })
	slices.Sort(w.out.Devices)
	w.out.Devices = slices.Compact(w.out.Devices)
	return nil
}

// unwrap takes compression and sparse images off.
func (w *walk) unwrap(f nest.File) (nest.File, error) {
	for {
		opened, err := w.nest.Identify(w.ctx, f)
		if errors.Is(err, nest.ErrUnknown) || err == nil && opened.Inner == nil {
			return f, nil
		}
		if err != nil {
			return f, err
		}
		w.check(f.Name, opened)
		f = *opened.Inner
	}
}

// nameOf says which partition a member is.
func (w *walk) nameOf(m member) (name, why string) {
	base := strings.ToLower(m.path[strings.LastIndex(m.path, "/")+1:])
	switch listed := w.names[trim(base)]; {
	case m.name != "":
		name = m.name
	case listed != "":
		name = listed
	case w.listed:
		return "", "the vendor's list of what is flashed does not name it"
	case strings.HasSuffix(trim(base), ".img") || m.format != "":
		name = plainName(base)
	default:
		return "", "nothing says which partition it belongs to"
	}
	if !bootprofile.IsPartition(name) {
		return "", fmt.Sprintf("%q is no name of a partition", name)
	}
	return name, ""
}

// wrappings are endings that say nothing about the partition.
var wrappings = []string{".lz4", ".gz", ".br", ".xz", ".ext4", ".sparse", ".raw"}

// laterChunk are the pieces behind the first of an image in several sparse files.
var laterChunk = regexp.MustCompile(`sparsechunk\.[1-9][0-9]*$`)

// trim takes the endings of wrappings off a file's name: "system.img.lz4" is
// "system.img", and so is "system.sin".
func trim(base string) string {
	base = strings.ToLower(base)
	for {
		short := base
		for _, e := range wrappings {
			short = strings.TrimSuffix(short, e)
		}
		if short == base {
			break
		}
		base = short
	}
	if s, ok := strings.CutSuffix(base, ".sin"); ok {
		return s + ".img"
	}
	if s, _, ok := strings.Cut(base, ".img_sparsechunk"); ok {
		return s + ".img"
	}
	return base
}

// plainName is the partition that a file's name says, without a slot.
func plainName(base string) string {
	base = trim(base)
	if i := strings.IndexByte(base, '.'); i > 0 {
		base = base[:i]
	}
	return withoutSlot(base)
}

// withoutSlot takes a slot's suffix off; "_ab" is how scripts name both.
func withoutSlot(name string) string {
	for _, suffix := range []string{"_ab", "_a", "_b"} {
		if s, ok := strings.CutSuffix(name, suffix); ok {
			return s
		}
	}
	return name
}
