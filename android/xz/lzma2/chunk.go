package lzma2

// chunk decodes n bytes from size packed ones. It is one long function because its
// variables stay in registers that way.
func (d *Decoder) chunk(size, n int) error {
	src := &d.packed
	clear(src[size : size+pastEnd])
	if size < 5 {
		return errPacked
	}
	if src[0] != 0 {
		return errFirst
	}
	code := uint32(src[1])<<24 | uint32(src[2])<<16 | uint32(src[3])<<8 | uint32(src[4])
	width, at := ^uint32(0), 5
	state, rep0 := d.state, d.reps[0]
	pos, end := d.pos, d.pos+n
	out := d.out[:end]
	base, far := d.base, d.dictionary
	lpMask := uint32(1)<<d.lp - 1
	var zero, v uint32
	for pos < end {
		if at > size+pastEnd-12 {
			return errPacked
		}
		position := uint32(pos-base) & d.pbMask & 15
		state &= 15
		if width < rangeTop {
			width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
		}
		p := &d.isMatch[state][position]
		if width, code, *p, zero = bit(width, code, *p); zero != 0 {
			var prev uint32
			if pos > d.start {
				prev = uint32(out[pos-1])
			}
			lit := &d.literal[(uint32(pos-base)&lpMask<<d.lc|prev>>(8-d.lc))&(1<<maxLiteralBits-1)]
			if state < 7 {
				v, width, code, at = tree(src, lit[:0x100], width, code, at)
			} else {
				if int(rep0) >= pos-d.start {
					return errBefore
				}
				v, width, code, at = matched(src, lit, uint32(out[pos-int(rep0)-1]), width, code, at)
			}
			state = afterLiteral(state)
			out[pos] = byte(v)
			pos++
			continue
		}

		if width < rangeTop {
			width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
		}
		lens := &d.matchLen
		again := false // at a distance that was before
		if width, code, d.isRep[state], zero = bit(width, code, d.isRep[state]); zero == 0 {
			again = true
			lens = &d.repLen
			if width < rangeTop {
				width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
			}
			if width, code, d.isRep0[state], zero = bit(width, code, d.isRep0[state]); zero != 0 {
				if width < rangeTop {
					width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
				}
				p := &d.isRep0Long[state][position]
				if width, code, *p, zero = bit(width, code, *p); zero != 0 {
					if int(rep0) >= pos-d.start {
						return errBefore
					}
					state = after(state, 9, 11)
					out[pos] = out[pos-int(rep0)-1]
					pos++
					continue
				}
			} else {
				if width < rangeTop {
					width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
				}
				if width, code, d.isRep1[state], zero = bit(width, code, d.isRep1[state]); zero != 0 {
					rep0, d.reps[1] = d.reps[1], rep0
				} else {
					if width < rangeTop {
						width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
					}
					if width, code, d.isRep2[state], zero = bit(width, code, d.isRep2[state]); zero != 0 {
						rep0, d.reps[1], d.reps[2] = d.reps[2], rep0, d.reps[1]
					} else {
						rep0, d.reps[1], d.reps[2], d.reps[3] = d.reps[3], rep0, d.reps[1], d.reps[2]
					}
				}
			}
		}

		if width < rangeTop {
			width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
		}
		if width, code, lens.choice, zero = bit(width, code, lens.choice); zero != 0 {
			v, width, code, at = tree(src, lens.low[position][:], width, code, at)
			v -= 8 - minMatch
		} else {
			if width < rangeTop {
				width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
			}
			if width, code, lens.choice2, zero = bit(width, code, lens.choice2); zero != 0 {
				v, width, code, at = tree(src, lens.mid[position][:], width, code, at)
				v += minMatch
			} else {
				v, width, code, at = tree(src, lens.high[:], width, code, at)
				v -= 256 - 16 - minMatch
			}
		}
		length := int(v)

		if again {
			state = after(state, 8, 11)
		} else {
			state = after(state, 7, 10)
			d.reps[1], d.reps[2], d.reps[3] = rep0, d.reps[1], d.reps[2]
			v, width, code, at = tree(src, d.slot[min(length-minMatch, lenClasses-1)][:], width, code, at)
			slot := v - 64
			rep0 = slot
			if slot >= 4 {
				bits := slot>>1 - 1
				rep0 = (2 | slot&1) << bits
				if slot < 14 {
					v, width, code, at = reverse(src, (*[64]prob)(d.special[rep0-slot:]), bits, width, code, at)
					rep0 += v
				} else {
					v = 0
					for range bits - alignBits { // as likely as not
						if width < rangeTop {
							width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
						}
						width >>= 1
						code -= width
						zero := uint32(int32(code) >> 31)
						code += width & zero
						v = v<<1 + 1 + zero
					}
					rep0 += v << alignBits
					v, width, code, at = reverse(src, &d.align, alignBits, width, code, at)
					rep0 += v
				}
			}
		}

		distance := int(rep0) + 1
		if distance > pos-d.start || distance > far {
			return errBefore
		}
		if length > end-pos {
			return errBeyond
		}
		from := pos - distance
		if distance >= length {
			copy(out[pos:pos+length], out[from:from+length])
		} else {
			for i := range length {
				out[pos+i] = out[from+i]
			}
		}
		pos += length
	}
	if width < rangeTop {
		code, at = code<<8|uint32(src[at&packedMask]), at+1
	}
	if code != 0 || at != size {
		return errPacked
	}
	d.state, d.reps[0], d.pos = state, rep0, pos
	return nil
}
