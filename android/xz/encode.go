package xz

const (
	maxPacked   = 1 << 16 // of an LZMA2 chunk
	maxUnpacked = 1 << 21
	maxRaw      = 1 << 16
	// roomForSymbol is more than the longest symbol takes.
	roomForSymbol = 32
)

// Encoder compresses one input after the other and keeps what it needs for that,
// so that a next one takes no new memory. The zero Encoder is ready. It is not
// for concurrent use.
type Encoder struct {
	src    []byte
	out    []byte
	reset  int // what the next chunk has to
	end    int // of the stretch without noise that is being packed
	rc     rangeCoder
	m      model
	before model // the chunk
	f      finder
	cost   costs
	nodes  [window + 2*niceLength + 2]node
	price  [window + 2*niceLength + 2]uint32 // of the nodes
	found  []match                           // at the place parse looks at
	same   [4]uint32                         // bytes in common there with the last distances; less than two are none
	// queue is what parse has decided and is not coded yet, last first.
	queue []symbol
}

// symbol is a literal (length 0), or a match; a length of 1 is a byte at the last
// distance.
type symbol struct{ length, dist uint32 }

// What an LZMA2 chunk resets, each with what is before; the reader wants all at
// the first, and no properties with bytes as they are. The state alone is never
// reset: bytes as they are do not change it.
const (
	resetNothing    = 0
	resetProperties = 2
	resetDictionary = 3
)

// encode appends all chunks of src and the end mark.
func (e *Encoder) encode(src, out []byte) []byte {
	e.src, e.out, e.reset = src, out, resetDictionary
	e.f.reset(src, niceLength, treeDepth)
	e.m.reset()
	e.cost.reset()
	noise := e.noise()
	for pos := 0; pos < len(src); {
		isNoise := noise(pos)
		e.end = pos
		for e.end < len(src) && noise(e.end) == isNoise {
			e.end = min(e.end+noiseUnit, len(src))
		}
		if isNoise {
			e.store(pos, e.end)
			pos = e.end
		}
		for pos < e.end {
			pos = e.pack(pos)
		}
	}
	out = append(e.out, 0)
	e.src, e.out, e.f.src = nil, nil, nil // the caller's
	return out
}

// pack appends a chunk that begins at start and gives its end.
func (e *Encoder) pack(start int) int {
	e.before = e.m
	e.rc.reset()
	pos := start
	for pos < e.end && e.rc.size() < maxPacked-roomForSymbol && pos-start <= maxUnpacked-maxMatch {
		if len(e.queue) == 0 {
			e.parse(pos)
		}
		last := len(e.queue) - 1
		pos += e.code(pos, e.queue[last])
		e.queue = e.queue[:last]
	}
	packed, n := e.rc.flush(), pos-start
	if len(packed) >= n {
		e.m = e.before // the reader does not see what was learnt
		e.store(start, pos)
		return pos
	}
	e.out = append(e.out, 0x80|byte(e.reset)<<5|byte((n-1)>>16), byte((n-1)>>8), byte(n-1), byte((len(packed)-1)>>8), byte(len(packed)-1))
	if e.reset >= resetProperties {
		e.out = append(e.out, properties)
	}
	e.out = append(e.out, packed...)
	e.reset = resetNothing
	return pos
}

// store appends bytes as they are. They change nothing of the state.
func (e *Encoder) store(from, to int) {
	for at := from; at < to; at += maxRaw {
		raw := e.src[at:min(at+maxRaw, to)]
		control := byte(2)
		if e.reset == resetDictionary {
			control, e.reset = 1, resetProperties
		}
		e.out = append(e.out, control, byte((len(raw)-1)>>8), byte(len(raw)-1))
		e.out = append(e.out, raw...)
	}
}

// code codes a symbol, whose distance may meanwhile be one of the last or no
// longer, and gives its length.
func (e *Encoder) code(pos int, s symbol) int {
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
