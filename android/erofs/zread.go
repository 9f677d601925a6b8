package erofs

import (
	"bytes"
	"cmp"
	"container/list"
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/fridayos/friday/android/erofs/unpack"
)

// ReadAt unpacks what is asked for.
func (z *zfile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read erofs image: %s: negative offset %d", z.in.at, off)
	}
	done := 0
	i := sort.Search(len(z.clusters), func(i int) bool { return z.end(i) > off })
	for ; done < len(p) && i < len(z.clusters); i++ {
		c := z.clusters[i]
		length := z.end(i) - c.logical
		in := off + int64(done) - c.logical
		part := p[done:]
		if int64(len(part)) > length-in {
			part = part[:length-in]
		}
		if err := z.read(c, length, in, part); err != nil {
			return done, fmt.Errorf("cannot read erofs image: %w", err)
		}
		done += len(part)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// read fills p from byte in of a cluster that has length bytes unpacked.
func (z *zfile) read(c cluster, length, in int64, p []byte) error {
	switch {
	case c.alg == algFragment:
		return z.im.readPacked(p, c.phys+in)
	case c.alg == algStored:
		return z.im.readAt(p, c.phys+in)
	case int64(len(p)) == length:
		return z.unpack(c, p)
	}
	key := clusterKey{c.phys, c.packed, int32(length), c.alg, c.logical & (z.im.blockSize() - 1)}
	b, ok := z.im.zc.get(key)
	if !ok {
		b = make([]byte, length)
		if err := z.unpack(c, b); err != nil {
			return err
		}
		z.im.zc.put(key, b)
	}
	copy(p, b[in:])
	return nil
}

// unpack fills out with the whole content of a cluster.
func (z *zfile) unpack(c cluster, out []byte) error {
	buf, ok := z.im.sources.Get().(*[]byte)
	if !ok || cap(*buf) < int(c.packed) {
		buf = new([]byte)
		*buf = make([]byte, c.packed)
	}
	defer z.im.sources.Put(buf)
	src := (*buf)[:c.packed]
	if err := z.im.readAt(src, c.phys); err != nil {
		return err
	}
	size := z.im.blockSize()
	if c.alg == algInterlaced {
		first := min(size-c.logical%size, int64(len(out)))
		rotated := int64(len(src)) - (size - c.logical%size)
		if rotated < 0 {
			return bad(at{z.in.at.nid, c.phys}, "interlaced cluster", fmt.Sprintf("at least %d bytes", size-c.logical%size), len(src))
		}
		copy(out, src[rotated:rotated+first])
		copy(out[first:], src)
		return nil
	}
	padded := z.im.sb.incompat&incompatZeroPadding != 0
	if padded {
		// The packed bytes end with the cluster; the zeros before them fill less than a block.
		first := src[:min(int64(len(src)), size)]
		src = src[len(first)-len(bytes.TrimLeft(first, "\x00")):]
	}
	unpacked := unpack.Exact
	if c.partial || !padded && c.alg == algLZ4 { // without padding zeros follow the packed bytes
		unpacked = unpack.Prefix
	}
	if err := unpacked(unpack.Algorithm(c.alg), out, src); err != nil {
		return fmt.Errorf("%s: cluster of byte %d of the file: %w", at{z.in.at.nid, c.phys}, c.logical, err)
	}
	return nil
}

// readPacked reads from the inode that holds the fragments of all files.
func (im *Image) readPacked(p []byte, off int64) error {
	im.packedOnce.Do(func() {
		if im.sb.incompat&incompatFragments == 0 || im.sb.packedNid == 0 {
			im.packedErr = bad(at{-1, superOffset + 96}, "inode of fragments", "one, as there are fragments", "none")
			return
		}
		spent := &budget{min(im.size, MaxMetadata)}
		in, err := im.readInode(im.sb.packedNid, spent)
		if err != nil {
			im.packedErr = fmt.Errorf("inode of fragments: %w", err)
			return
		}
		r, _, err := im.content(in, spent)
		if z, ok := r.(*zfile); ok && err == nil {
			for _, c := range z.clusters {
				if c.alg == algFragment {
					err = bad(in.at, "inode of fragments", "content of its own", "fragments")
				}
			}
		}
		im.packed, im.packedSize, im.packedErr = r, in.size, err
	})
	if im.packedErr != nil {
		return im.packedErr
	}
	if off < 0 || off > im.packedSize || int64(len(p)) > im.packedSize-off {
		return fmt.Errorf("inode of fragments %d: %d bytes are wanted at %d but it has %d", im.sb.packedNid, len(p), off, im.packedSize)
	}
	if len(p) == 0 {
		return nil
	}
	if n, err := im.packed.ReadAt(p, off); n < len(p) {
		return fmt.Errorf("inode of fragments: %w", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// clusterCache keeps the clusters unpacked last, so that small reads in a row
// do not unpack the same one again.
type clusterCache struct {
	mu    sync.Mutex
	byKey map[clusterKey]*list.Element
	order list.List // the latest first
	bytes int
}

const clusterCacheSize = 16 << 20

type clusterKey struct {
	phys           int64
	packed, length int32
	alg            uint8
	rotation       int64
}

type cachedCluster struct {
	key clusterKey
	b   []byte
}

func (c *clusterCache) get(k clusterKey) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(cachedCluster).b, true
}

func (c *clusterCache) put(k clusterKey, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[k]; ok {
		return
	}
	if c.byKey == nil {
		c.byKey = map[clusterKey]*list.Element{}
	}
	c.byKey[k] = c.order.PushFront(cachedCluster{k, b})
	c.bytes += len(b)
	for c.bytes > clusterCacheSize {
		last := c.order.Back()
		old := c.order.Remove(last).(cachedCluster)
		delete(c.byKey, old.key)
		c.bytes -= len(old.b)
	}
}
