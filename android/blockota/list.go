// Package blockota reads, applies and writes block-based packages: a
// transfer.list with .new.dat (or .new.dat.br) and .patch.dat, as recovery applies
// them to a partition of a phone with one slot.
//
// It is not the zip around them (package otazip signs that, and an update-binary
// in it calls recovery), and it does not undo brotli: it takes .new.dat as a
// stream or at any place.
//
// Sources: LineageOS android_bootable_recovery, updater/blockimg.cpp and
// commands.cpp, read for the facts; its tests give the vector of
// compute_hash_tree.
package blockota

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// BlockSize is the unit of all numbers in a transfer list, in bytes.
const BlockSize = 4096

// Limits of what is read.
const (
	MaxList   = 32 << 20 // bytes of text
	maxRanges = 1 << 21  // in one list
	maxBlock  = 1 << 36
)

// Kind is what a command does.
type Kind string

// Kinds of commands, by the version of the list that brought them.
const (
	New      Kind = "new"     // the next blocks of .new.dat
	Zero     Kind = "zero"    // zeros
	Erase    Kind = "erase"   // content that nothing counts on; applied as zeros
	Move     Kind = "move"    // blocks that are there already
	BSDiff   Kind = "bsdiff"  // a patch of blocks that are there
	IMGDiff  Kind = "imgdiff" // the same, through compressed files
	Stash    Kind = "stash"   // 2: keep blocks that will be overwritten
	Free     Kind = "free"    // 2
	Abort    Kind = "abort"   // 4: fail; for tests
	HashTree Kind = "compute_hash_tree"
)

// List is a transfer list.
type List struct {
	Version      int   // 1 to 4
	Blocks       int64 // that it writes, by its header
	StashEntries int64 // most at a time; from version 2
	StashBlocks  int64
	Commands     []Command
}

// Command is one line of a list. Which fields have a meaning follows from Kind.
type Command struct {
	Kind   Kind
	Line   int      // in the list, from 1
	Target RangeSet // New, Zero, Erase, Move, BSDiff, IMGDiff; of HashTree where the tree lies

	Source     RangeSet // read from the partition; of HashTree what is hashed
	SourceAt   RangeSet // where Source goes in what is read; nil: all of it, in order
	Stashes    []StashRef
	SourceSize int64  // in blocks
	SourceHash string // SHA-1 in hex, from version 3
	TargetHash string

	PatchOffset, PatchSize int64 // in .patch.dat, in bytes

	Stash string // Stash, Free: its name

	Algorithm  string // HashTree
	Salt, Root []byte
}

// StashRef takes a stash into a source.
type StashRef struct {
	Stash string
	At    RangeSet // blocks of the source
}

// Parse reads a transfer list of any version.
func Parse(r io.Reader) (*List, error) {
	limited := &io.LimitedReader{R: r, N: MaxList + 1}
	p := &parser{s: bufio.NewScanner(limited), list: &List{}}
	p.s.Buffer(make([]byte, 0, 64<<10), MaxList)
	err := p.parse()
	if scan := p.s.Err(); scan != nil {
		err = scan
	}
	if limited.N <= 0 {
		err = fmt.Errorf("it is longer than %d bytes", MaxList)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read transfer list: line %d: %w", p.line, err)
	}
	return p.list, nil
}

type parser struct {
	s      *bufio.Scanner
	list   *List
	line   int
	ranges int
	words  []string
}

func (p *parser) next() bool {
	if !p.s.Scan() {
		return false
	}
	p.line++
	return true
}

func (p *parser) header(what string, lo, hi int64) (int64, error) {
	if !p.next() {
		return 0, fmt.Errorf("it ends where %s is expected", what)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(p.s.Text()), 10, 64)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("%s is %.40q, expected %d to %d", what, p.s.Text(), lo, hi)
	}
	return n, nil
}

func (p *parser) parse() error {
	l := p.list
	v, err := p.header("the version", 1, 4)
	if err != nil {
		return err
	}
	l.Version = int(v)
	if l.Blocks, err = p.header("the number of blocks", 0, maxBlock); err != nil {
		return err
	}
	if l.Version >= 2 {
		if l.StashEntries, err = p.header("the number of stashes", 0, maxBlock); err != nil {
			return err
		}
		if l.StashBlocks, err = p.header("the most stashed blocks", 0, maxBlock); err != nil {
			return err
		}
	}
	for p.next() {
		p.words = strings.Fields(p.s.Text())
		if len(p.words) == 0 {
			continue
		}
		c := Command{Kind: Kind(p.words[0]), Line: p.line}
		p.words = p.words[1:]
		if err := p.command(&c); err != nil {
			return fmt.Errorf("%s: %w", c.Kind, err)
		}
		if len(p.words) > 0 {
			return fmt.Errorf("%s: %.40q is left over", c.Kind, p.words[0])
		}
		l.Commands = append(l.Commands, c)
	}
	return nil
}

func (p *parser) command(c *Command) (err error) {
	switch v := p.list.Version; c.Kind {
	case New, Zero, Erase:
		c.Target, err = p.set()
	case Move:
		if v >= 3 {
			if c.SourceHash, err = p.sha1(); err != nil {
				return err
			}
			c.TargetHash = c.SourceHash
		}
		return p.sources(c)
	case BSDiff, IMGDiff:
		if c.PatchOffset, err = p.number(); err != nil {
			return err
		}
		if c.PatchSize, err = p.number(); err != nil {
			return err
		}
		if v >= 3 {
			if c.SourceHash, err = p.sha1(); err != nil {
				return err
			}
			if c.TargetHash, err = p.sha1(); err != nil {
				return err
			}
		}
		return p.sources(c)
	case Stash, Free:
		if v < 2 {
			return errors.New("it needs version 2")
		}
		if c.Stash, err = p.word("a stash"); err != nil || c.Kind == Free {
			return err
		}
		c.Source, err = p.set()
		c.SourceSize = c.Source.Blocks()
	case Abort:
	case HashTree:
		if v < 4 {
			return errors.New("it needs version 4")
		}
		return p.hashTree(c)
	default:
		return errors.New("there is no such command")
	}
	return err
}

// sources reads what move and the patches take: in version 1 two sets, later
// the target, the size, and where the source comes from.
func (p *parser) sources(c *Command) (err error) {
	if p.list.Version == 1 {
		if c.Source, err = p.set(); err == nil {
			c.Target, err = p.set()
		}
		c.SourceSize = c.Source.Blocks()
		return p.checkMove(c, err)
	}
	if c.Target, err = p.set(); err != nil {
		return err
	}
	if c.SourceSize, err = p.number(); err != nil {
		return err
	}
	if len(p.words) > 0 && p.words[0] == "-" {
		p.words = p.words[1:]
	} else {
		if c.Source, err = p.set(); err != nil {
			return err
		}
		if len(p.words) == 0 {
			if n := c.Source.Blocks(); n != c.SourceSize {
				return fmt.Errorf("the source has %d blocks, its size says %d", n, c.SourceSize)
			}
			return p.checkMove(c, nil)
		}
		if c.SourceAt, err = p.set(); err != nil {
			return err
		}
		if a, b := c.Source.Blocks(), c.SourceAt.Blocks(); a != b {
			return fmt.Errorf("the source has %d blocks, their places %d", a, b)
		}
	}
	for len(p.words) > 0 {
		name, at, ok := strings.Cut(p.words[0], ":")
		if !ok || name == "" {
			return fmt.Errorf("%.60q is no stash, expected NAME:RANGES", p.words[0])
		}
		p.words[0] = at
		set, err := p.set()
		if err != nil {
			return err
		}
		c.Stashes = append(c.Stashes, StashRef{name, set})
	}
	return p.checkMove(c, nil)
}

func (p *parser) checkMove(c *Command, err error) error {
	if err == nil && c.Kind == Move && c.Target.Blocks() != c.SourceSize {
		err = fmt.Errorf("the target has %d blocks, the source %d", c.Target.Blocks(), c.SourceSize)
	}
	return err
}

func (p *parser) hashTree(c *Command) (err error) {
	if c.Target, err = p.set(); err != nil {
		return err
	}
	if c.Source, err = p.set(); err != nil {
		return err
	}
	if len(c.Target) != 1 {
		return fmt.Errorf("the tree has %d ranges, expected 1", len(c.Target))
	}
	c.SourceSize = c.Source.Blocks()
	if c.Algorithm, err = p.word("an algorithm"); err != nil {
		return err
	}
	for _, to := range []*[]byte{&c.Salt, &c.Root} {
		w, err := p.word("a salt or root in hex")
		if err != nil {
			return err
		}
		if *to, err = hex.DecodeString(w); err != nil || len(*to) > 1024 {
			return fmt.Errorf("%.80q is not hex", w)
		}
	}
	return nil
}

func (p *parser) word(what string) (string, error) {
	if len(p.words) == 0 {
		return "", fmt.Errorf("the line ends where %s is expected", what)
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w, nil
}

func (p *parser) number() (int64, error) {
	w, err := p.word("a number")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(w, 10, 64)
	if err != nil || n < 0 || n > maxBlock*BlockSize {
		return 0, fmt.Errorf("%.40q is no number, expected 0 to %d", w, int64(maxBlock*BlockSize))
	}
	return n, nil
}

func (p *parser) sha1() (string, error) {
	w, err := p.word("a SHA-1")
	if err != nil {
		return "", err
	}
	if b, err := hex.DecodeString(w); err != nil || len(b) != 20 {
		return "", fmt.Errorf("%.80q is no SHA-1 in hex", w)
	}
	return strings.ToLower(w), nil
}

func (p *parser) set() (RangeSet, error) {
	w, err := p.word("a set of ranges")
	if err != nil {
		return nil, err
	}
	count, rest, _ := strings.Cut(w, ",")
	n, err := strconv.Atoi(count)
	if err != nil || n < 2 || n%2 != 0 || n/2 > maxRanges-p.ranges {
		return nil, fmt.Errorf("a set of ranges begins with %.40q, expected an even count, and at most %d ranges in all", count, maxRanges)
	}
	p.ranges += n / 2
	if got := strings.Count(rest, ",") + 1; got != n {
		return nil, fmt.Errorf("a set says that it has %d numbers, it has %d", n, got)
	}
	set := make(RangeSet, 0, n/2)
	for range n / 2 {
		var a, b string
		a, rest, _ = strings.Cut(rest, ",")
		b, rest, _ = strings.Cut(rest, ",")
		start, err1 := strconv.ParseInt(a, 10, 64)
		end, err2 := strconv.ParseInt(b, 10, 64)
		if err1 != nil || err2 != nil || start < 0 || start >= end || end > maxBlock {
			return nil, fmt.Errorf("a set holds the range %.30q to %.30q, expected numbers from 0 to %d in order", a, b, int64(maxBlock))
		}
		set = append(set, Range{start, end})
	}
	return set, nil
}

// WriteTo writes the list as recovery reads it.
func (l *List) WriteTo(w io.Writer) (int64, error) {
	count := &counter{w: w}
	b := bufio.NewWriter(count)
	fmt.Fprintf(b, "%d\n%d\n", l.Version, l.Blocks)
	if l.Version >= 2 {
		fmt.Fprintf(b, "%d\n%d\n", l.StashEntries, l.StashBlocks)
	}
	for i := range l.Commands {
		fmt.Fprintln(b, l.Commands[i].text(l.Version))
	}
	if err := b.Flush(); err != nil { // a Writer keeps its first error
		return count.n, fmt.Errorf("cannot write transfer list: %w", err)
	}
	return count.n, nil
}

func (c *Command) text(version int) string {
	words := []string{string(c.Kind)}
	add := func(a ...any) {
		for _, v := range a {
			words = append(words, fmt.Sprint(v))
		}
	}
	switch c.Kind {
	case New, Zero, Erase:
		add(c.Target)
	case Stash:
		add(c.Stash, c.Source)
	case Free:
		add(c.Stash)
	case HashTree:
		add(c.Target, c.Source, c.Algorithm, hex.EncodeToString(c.Salt), hex.EncodeToString(c.Root))
	case Move, BSDiff, IMGDiff:
		if c.Kind != Move {
			add(c.PatchOffset, c.PatchSize)
		}
		if version >= 3 {
			add(c.SourceHash)
			if c.Kind != Move {
				add(c.TargetHash)
			}
		}
		if version == 1 {
			add(c.Source, c.Target)
			break
		}
		add(c.Target, c.SourceSize)
		if c.Source == nil {
			add("-")
		} else if add(c.Source); c.SourceAt != nil {
			add(c.SourceAt)
		}
		for _, s := range c.Stashes {
			add(s.Stash + ":" + s.At.String())
		}
	}
	return strings.Join(words, " ")
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
