package cow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// disk is memory that loses power: what was written since the last Sync is then
// there in part, sector by sector.
type disk struct {
	b       []byte // what is there for good
	seen    []byte // and with what was written since; nil: the same
	pending []piece
	rnd     *rand.Rand
	budget  *int // operations until the power goes; negative: it stays
}

type piece struct {
	at int64
	b  []byte
}

var errPower = errors.New("the power is gone")

func (d *disk) spend() error {
	if *d.budget == 0 {
		return errPower
	}
	if *d.budget > 0 {
		*d.budget--
	}
	return nil
}

// all is what a process sees that goes on.
func (d *disk) all() []byte {
	if d.seen == nil {
		d.seen = bytes.Clone(d.b)
	}
	return d.seen
}

func put(b []byte, p piece) []byte {
	if end := int(p.at) + len(p.b); end > len(b) {
		b = append(b, make([]byte, end-len(b))...)
	}
	copy(b[p.at:], p.b)
	return b
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.all()).ReadAt(p, off)
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.spend(); err != nil {
		return 0, err
	}
	for i := 0; i < len(p); {
		n := min(len(p)-i, 512-int((off+int64(i))%512))
		d.pending = append(d.pending, piece{off + int64(i), bytes.Clone(p[i : i+n])})
		i += n
	}
	d.seen = put(d.all(), piece{off, p})
	return len(p), nil
}

func (d *disk) flush() error {
	for _, p := range d.pending {
		d.b = put(d.b, p)
	}
	d.pending = nil
	return nil
}

func (d *disk) Truncate(n int64) error {
	if err := d.flush(); err != nil {
		return err
	}
	if int(n) <= len(d.b) {
		d.b = d.b[:n]
	} else {
		d.b = append(d.b, make([]byte, int(n)-len(d.b))...)
	}
	d.seen = nil
	return nil
}

func (d *disk) Sync() error {
	if err := d.spend(); err != nil {
		return err
	}
	return d.flush()
}

// cut takes the power away and gives it back.
func (d *disk) cut() {
	for _, p := range d.pending {
		if d.rnd.IntN(2) == 0 {
			d.b = put(d.b, p)
		}
	}
	d.pending, d.seen = nil, nil
	*d.budget = -1
}

// step is a call of the writer.
type step struct {
	kind          uint8
	block, source uint64
	content       []byte
}

// plan draws an update of a base, with circles among its copies, and what comes out.
func plan(rnd *rand.Rand, base []byte, blocks int) (steps []step, want []byte) {
	at := func(b []byte, n uint64) []byte {
		if int(n+1)*BlockSize > len(b) {
			return make([]byte, BlockSize)
		}
		return b[n*BlockSize : (n+1)*BlockSize]
	}
	want = make([]byte, blocks*BlockSize)
	copy(want, base)
	var moves []Move
	var rest []step
	for n := range uint64(blocks) {
		switch k := rnd.IntN(10); {
		case k < 5:
			moves = append(moves, Move{n, rnd.Uint64N(uint64(len(base) / BlockSize))})
		case k < 6:
			rest = append(rest, step{kind: opZero, block: n})
		case k < 8:
			b := bytes.Repeat([]byte(fmt.Sprint("block ", n, rnd.Uint64())), 400)[:BlockSize]
			if rnd.IntN(2) == 0 {
				for i := range b {
					b[i] = byte(rnd.Uint32())
				}
			}
			rest = append(rest, step{kind: opReplace, block: n, content: b})
		}
	}
	ordered, carried := Order(moves)
	for _, m := range ordered {
		steps = append(steps, step{kind: opCopy, block: m.Block, source: m.Source})
	}
	for _, m := range carried {
		rest = append(rest, step{kind: opReplace, block: m.Block, content: bytes.Clone(at(base, m.Source))})
	}
	for _, s := range append(steps, rest...) {
		b := at(want, s.block)
		switch s.kind {
		case opCopy:
			copy(b, at(base, s.source))
		case opZero:
			clear(b)
		default:
			copy(b, s.content)
		}
	}
	return append(steps, rest...), want
}

func do(s Snapshot, x step) error {
	switch x.kind {
	case opCopy:
		return s.Copy(x.block, x.source)
	case opZero:
		return s.Zero(x.block)
	}
	return s.Replace(x.block, x.content)
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	for n := 0; n < len(want); n += BlockSize {
		if !bytes.Equal(got[n:n+BlockSize], want[n:n+BlockSize]) {
			t.Fatalf("%s: block %d differs", what, n/BlockSize)
		}
	}
}

// TestPowerCuts writes snapshots, reads them, and merges them while the power goes
// after every so many writes: what was labelled is there, what the snapshot shows
// never changes while it is merged, and in the end the base is that.
func TestPowerCuts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, c := range []Options{
		{Form: Kernel}, {Form: Version2}, {Form: Version2, Compression: "gz"}, {Form: Version2, Compression: "lz4"},
		{Form: Version3, Ops: 2000}, {Form: Version3, Compression: "lz4", Ops: 2000},
	} {
		t.Run(fmt.Sprintf("form %d %s", c.Form, c.Compression), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, uint64(c.Form)))
			budget := -1
			base := &disk{rnd: rnd, budget: &budget}
			for n := range 700 {
				base.b = append(base.b, bytes.Repeat([]byte{byte(n), byte(n >> 8), byte(rnd.Uint32())}, BlockSize/3+1)[:BlockSize]...)
			}
			steps, want := plan(rnd, base.b, 760)
			file := &disk{rnd: rnd, budget: &budget}
			s, err := Create(file, base, c)
			if err != nil {
				t.Fatal(err)
			}
			cuts := 0
			reopen := func(cut error) {
				t.Helper()
				if !errors.Is(cut, errPower) {
					t.Fatal(cut)
				}
				cuts++
				base.cut()
				file.cut()
				if s, err = Open(file, int64(len(file.b)), base); err != nil {
					t.Fatalf("after cut %d: %v", cuts, err)
				}
			}
			if err := s.Label(0); err != nil {
				t.Fatal(err)
			}
			label := 0 // with the kernel's form the writer knows
			for i := 0; i < len(steps); {
				if budget < 0 && rnd.IntN(20) == 0 {
					budget = rnd.IntN(200)
				}
				err := do(s, steps[i])
				if i++; err == nil && i%37 == 0 {
					if err = s.Label(uint64(i)); err == nil {
						label = i
					}
				}
				if err != nil {
					reopen(err)
					if i = label; c.Form != Kernel {
						n, ok := s.Labelled()
						if !ok || int(n) < label {
							t.Fatalf("after cut %d the label is %d, %v, expected %d", cuts, n, ok, label)
						}
						i = int(n)
					}
				}
			}
			for {
				budget = rnd.IntN(8)
				err := s.Finish()
				budget = max(budget, -1)
				if err == nil {
					break
				}
				reopen(err)
				if s.Finished() {
					break
				}
				from := label
				if n, ok := s.Labelled(); ok {
					from = int(n)
				}
				for _, x := range steps[from:] {
					if err := do(s, x); err != nil {
						t.Fatal(err)
					}
				}
			}
			budget = -1
			got := make([]byte, len(want))
			read := func(what string) {
				t.Helper()
				if _, err := s.ReadAt(got, 0); err != nil {
					t.Fatal(err)
				}
				same(t, what, got, want)
			}
			read("before the merge")
			if s.Size() < int64(len(file.all())) {
				t.Errorf("Size is %d, the file has %d", s.Size(), len(file.all()))
			}
			for {
				budget = rnd.IntN(900) // a batch of the kernel's form takes 514
				err := s.Merge(base, nil)
				if err == nil {
					break
				}
				reopen(err)
				read(fmt.Sprintf("in the merge, after cut %d", cuts))
			}
			budget = -1
			read("after the merge")
			if _, err := base.ReadAt(got, 0); err != nil && err != io.EOF {
				t.Fatal(err)
			}
			same(t, "the base", got, want)
			if cuts < 5 {
				t.Errorf("the power went only %d times", cuts)
			}
			t.Logf("%d cuts, %d operations", cuts, len(steps))
		})
	}
}

// TestRoom: a file does not outgrow its room, and Estimate says what it needs.
func TestRoom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range []Options{{Form: Kernel}, {Form: Version2, Compression: "lz4"}, {Form: Version3, Compression: "lz4"}} {
		base := make([]byte, 300*BlockSize)
		for i := range base {
			base[i] = byte(rnd.Uint32())
		}
		steps, _ := plan(rnd, base, 900)
		moves, zeros := 0, 0
		for _, s := range steps {
			switch s.kind {
			case opCopy:
				moves++
			case opZero:
				zeros++
			}
		}
		need, err := Estimate(t.Context(), c, moves, zeros, func(yield func([]byte) error) error {
			for _, s := range steps {
				if s.kind == opReplace {
					if err := yield(s.content); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil || need.Ops != len(steps) {
			t.Fatalf("form %d: %+v, %v, expected %d operations", c.Form, need, err, len(steps))
		}
		for _, short := range []int64{0, 1} {
			budget := -1
			c.Room, c.Ops = need.Bytes-short, need.Ops
			s, err := Create(&disk{budget: &budget}, bytes.NewReader(base), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range steps {
				if err = do(s, x); err != nil {
					break
				}
			}
			if err == nil {
				err = s.Finish()
			}
			if short == 0 && err != nil || short > 0 && !errors.Is(err, ErrFull) {
				t.Errorf("form %d with %d bytes less than estimated: %v", c.Form, short, err)
			}
		}
	}
	budget := -1
	s, err := Create(&disk{budget: &budget}, bytes.NewReader(nil), Options{Form: Version3, Ops: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Zero(1), s.Zero(2)); !errors.Is(err, ErrFull) || err.Error() != "cannot write copy-on-write file: the copy-on-write file is full: it has 1 operations, and was made for 1" {
		t.Errorf("one operation too many: %v", err)
	}
}

// TestOrder: every circle carries one block, and nothing is overwritten before it is
// read.
func TestOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		n := uint64(1 + rnd.IntN(40))
		var moves []Move
		for b := range n {
			if rnd.IntN(4) > 0 {
				moves = append(moves, Move{b, rnd.Uint64N(n)})
			}
		}
		ordered, carried := Order(moves)
		written := map[uint64]bool{}
		for _, m := range ordered {
			if written[m.Source] || m.Block == m.Source {
				t.Fatalf("%v: %v reads what was written", moves, m)
			}
			written[m.Block] = true
		}
		stay := 0
		for _, m := range moves {
			if m.Block == m.Source {
				stay++
			}
		}
		if len(ordered)+len(carried)+stay != len(moves) {
			t.Fatalf("%v: %d ordered, %d carried, %d stay", moves, len(ordered), len(carried), stay)
		}
	}
	if ordered, carried := Order([]Move{{0, 1}, {1, 2}, {2, 0}, {5, 6}}); len(carried) != 1 || len(ordered) != 3 {
		t.Errorf("a circle of three: %v and %v carried", ordered, carried)
	}
}

func TestRefused(t *testing.T) {
	budget := -1
	d := &disk{budget: &budget}
	for _, o := range []Options{{Form: 4}, {Form: Version2, Compression: "rot13"}, {Form: Kernel, Compression: "lz4"}, {Form: Version3, Ops: -1}} {
		if _, err := Create(d, d, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	s, err := Create(d, bytes.NewReader(nil), Options{Form: Version2})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Copy(MaxBlocks, 0), s.Copy(0, MaxBlocks), s.Replace(0, []byte("short")), s.Merge(d, nil)} {
		if err == nil {
			t.Error("something wrong is taken")
		}
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := s.Zero(1); err == nil {
		t.Error("a finished file is written to")
	}
}

func FuzzOpen(f *testing.F) {
	for _, o := range []Options{{Form: Kernel}, {Form: Version2, Compression: "gz"}, {Form: Version3, Compression: "lz4", Ops: 9}} {
		budget := -1
		d := &disk{budget: &budget}
		s, err := Create(d, bytes.NewReader(nil), o)
		if err != nil {
			f.Fatal(err)
		}
		for _, err := range []error{s.Copy(1, 2), s.Replace(2, make([]byte, BlockSize)), s.Label(7), s.Zero(3)} {
			if err != nil {
				f.Fatal(err)
			}
		}
		f.Add(bytes.Clone(d.all()))
		if err := s.Finish(); err != nil {
			f.Fatal(err)
		}
		f.Add(d.all())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		budget := -1
		d := &disk{b: bytes.Clone(b), budget: &budget}
		base := &disk{b: make([]byte, 8*BlockSize), budget: &budget}
		s, err := Open(d, int64(len(b)), base)
		if err != nil {
			return
		}
		p := make([]byte, 4*BlockSize)
		if _, err := s.ReadAt(p, 100); err != nil || !s.Finished() {
			return
		}
	})
}
