package xz

// A prob is the chance of a zero bit, in 1/2048.
type prob = uint16

const (
	probBits = 11
	probHalf = 1 << (probBits - 1)
	probMove = 5
)

// rangeCoder turns bits and their chances into bytes.
type rangeCoder struct {
	out   []byte
	low   uint64
	width uint32
	cache byte // the last byte, held back as long as a carry may change it
	held  int  // it and the 0xff bytes after it
}

func (c *rangeCoder) reset() {
	*c = rangeCoder{out: c.out[:0], width: 0xffffffff, held: 1}
}

// size is what flush would leave.
func (c *rangeCoder) size() int { return len(c.out) + c.held + 4 }

func (c *rangeCoder) bit(p *prob, b uint32) {
	bound := c.width >> probBits * uint32(*p)
	if b == 0 {
		c.width = bound
		*p += (1<<probBits - *p) >> probMove
	} else {
		c.low += uint64(bound)
		c.width -= bound
		*p -= *p >> probMove
	}
	if c.width < 1<<24 {
		c.width <<= 8
		c.shift()
	}
}

// direct codes the n low bits of v, all as likely as not.
func (c *rangeCoder) direct(v uint32, n uint) {
	for n > 0 {
		n--
		c.width >>= 1
		c.low += uint64(c.width & -(v >> n & 1))
		if c.width < 1<<24 {
			c.width <<= 8
			c.shift()
		}
	}
}

func (c *rangeCoder) shift() {
	if carry := c.low >> 32; carry != 0 || c.low < 0xff000000 {
		b := c.cache
		for ; c.held > 0; c.held-- {
			c.out = append(c.out, b+byte(carry))
			b = 0xff
		}
		c.cache = byte(c.low >> 24)
	}
	c.held++
	c.low = c.low & 0xffffff << 8
}

func (c *rangeCoder) flush() []byte {
	for range 5 {
		c.shift()
	}
	return c.out
}

// tree codes v, of n bits, highest first.
func (c *rangeCoder) tree(p []prob, v uint32, n uint) {
	m := uint32(1)
	for n > 0 {
		n--
		b := v >> n & 1
		c.bit(&p[m], b)
		m = m<<1 | b
	}
}

// reverse codes v, of n bits, lowest first.
func (c *rangeCoder) reverse(p []prob, v uint32, n uint) {
	m := uint32(1)
	for range n {
		b := v & 1
		v >>= 1
		c.bit(&p[m], b)
		m = m<<1 | b
	}
}

// Prices are in sixteenths of a bit.
const priceUnit = 16

// prices[p>>4] is the price of a zero bit of chance p.
type prices [128]uint16

func newPrices() *prices {
	var t prices
	for i := range t {
		// 16 log2(p), one binary digit after the other, by squaring.
		p := uint64(i*16 + 8)
		var log uint16
		for p >= 2 {
			p >>= 1
			log++
		}
		x := uint64(i*16+8) << 30 >> log // 1 to 2, 30 binary places
		for range 4 {
			x = x * x >> 30
			log <<= 1
			if x >= 2<<30 {
				x >>= 1
				log++
			}
		}
		t[i] = probBits*priceUnit - log
	}
	return &t
}

func (t *prices) bit(p prob, b uint32) uint32 {
	return uint32(t[(uint32(p)^-b&(1<<probBits-1))>>4&127])
}

func (t *prices) tree(p []prob, v uint32, n uint) uint32 {
	var sum uint32
	for v |= 1 << n; v > 1; v >>= 1 {
		sum += t.bit(p[v>>1], v&1)
	}
	return sum
}

func (t *prices) reverse(p []prob, v uint32, n uint) uint32 {
	var sum uint32
	m := uint32(1)
	for range n {
		b := v & 1
		v >>= 1
		sum += t.bit(p[m], b)
		m = m<<1 | b
	}
	return sum
}
