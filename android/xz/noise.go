package xz

const (
	// noiseUnit is how much is judged, and stored, as one.
	noiseUnit = 4096
	// noiseFlat is how far the counts of the byte values may be from even: their
	// chi-squared is 255±23 for noise. 555 is worth 0.05 bits a byte, less than
	// coding noise costs.
	noiseFlat = 555
	// noiseSeen is at how many places of a unit four bytes may come again.
	noiseSeen = 32
)

// noise tells of a place whether it lies in a unit that is better stored: sounds,
// pictures, packed archives.
func (e *Encoder) noise() func(pos int) bool {
	units := make([]bool, len(e.src)/noiseUnit+1) // what is over at the end is none
	for u := range len(units) - 1 {
		from, to := u*noiseUnit, (u+1)*noiseUnit
		units[u] = flat(e.src[from:to]) && e.f.seen(from, to) < noiseSeen
	}
	return func(pos int) bool { return units[pos/noiseUnit] }
}

// flat says that all byte values are about as frequent.
func flat(unit []byte) bool {
	const even = noiseUnit / 256
	var count [256]int32
	for _, c := range unit {
		count[c]++
	}
	sum := int32(0)
	for _, n := range count {
		sum += (n - even) * (n - even)
	}
	return sum < noiseFlat*even
}
