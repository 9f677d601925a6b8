package xz

const (
	maxPacked   = 1 << 16 // of an LZMA2 chunk
	maxUnpacked = 1 << 21
	maxRaw      = 1 << 16
	// roomForSymbol is more than the longest symbol takes.
	roomForSymbol = 32
)

// encoder makes the LZMA2 chunks of one input.
type encoder struct {
	src   []byte
	rc    rangeCoder
	m     model
	f     *finder
	cost  costs
	nodes []node
	// queue is what parse has decided and is not coded yet, last first.
	queue []symbol
	// ready: the finder has already seen the place that parse begins at.
	ready bool
}

// symbol is a literal (length 0), or a match; a length of 1 is a byte at the last
// distance.
type symbol struct{ length, dist uint32 }

func newEncoder(src []byte) *encoder {
	e := &encoder{src: src, f: newFinder(src, niceLength, treeDepth), nodes: make([]node, window+2*niceLength+2)}
	e.cost.t = newPrices()
	e.m.reset()
	return e
}

// encode appends all chunks and the end mark.
func (e *encoder) encode(out []byte) []byte {
	const (
		state      = 1 // what a chunk resets, each with what is before
		properly   = 2
		dictionary = 3
	)
	reset := byte(dictionary)
	for pos := 0; pos < len(e.src); {
		start := pos
		e.rc.reset()
		for pos < len(e.src) && e.rc.size() < maxPacked-roomForSymbol && pos-start <= maxUnpacked-maxMatch {
			if len(e.queue) == 0 {
				e.parse(pos)
			}
			last := len(e.queue) - 1
			pos += e.code(pos, e.queue[last])
			e.queue = e.queue[:last]
		}
		packed, n := e.rc.flush(), pos-start
		if len(packed) >= n {
			for at := start; at < pos; at += maxRaw {
				raw := e.src[at:min(at+maxRaw, pos)]
				control := byte(2)
				if reset == dictionary {
					control, reset = 1, properly
				}
				out = append(out, control, byte((len(raw)-1)>>8), byte(len(raw)-1))
				out = append(out, raw...)
			}
			// The reader has not seen what was learnt.
			e.m.reset()
			reset = max(reset, state)
			continue
		}
		out = append(out, 0x80|reset<<5|byte((n-1)>>16), byte((n-1)>>8), byte(n-1), byte((len(packed)-1)>>8), byte(len(packed)-1))
		if reset >= properly {
			out = append(out, properties)
		}
		out = append(out, packed...)
		reset = 0
	}
	return append(out, 0)
}

// code codes a symbol, whose distance may meanwhile be one of the last or no
// longer, and gives its length.
func (e *encoder) code(pos int, s symbol) int {
	if s.length == 0 || s.length == 1 && s.dist != e.m.reps[0] {
		e.codeLiteral(pos)
		return 1
	}
	for i, d := range e.m.reps {
		if d == s.dist {
			e.codeRep(pos, uint32(i), s.length)
			return int(s.length)
		}
	}
	e.codeMatch(pos, s.dist, s.length)
	return int(s.length)
}
