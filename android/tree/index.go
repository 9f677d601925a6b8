package tree

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// Index is the flat listing of the partitions of a system, sorted by partition
// and path: what stock keeps, and what layers are checked against.
type Index struct {
	Files []IndexEntry `json:"files"`
}

// IndexEntry is what the index says of one path. The root of a partition has
// the path "".
type IndexEntry struct {
	Partition string `json:"partition"`
	Path      string `json:"path"`
	Type      Type   `json:"type"`
	Perm      uint16 `json:"perm"`
	UID       uint32 `json:"uid"`
	GID       uint32 `json:"gid"`
	Size      int64  `json:"size,omitempty"`
	Label     string `json:"label,omitempty"`
	Digest    string `json:"digest,omitempty"` // SHA-256 in hex, of regular files
	Target    string `json:"target,omitempty"`
	// Capability is the value of security.capability in hex; "": none, or the listing
	// is from before capabilities were listed.
	Capability string `json:"capability,omitempty"`
}

// plainEntry is IndexEntry without its methods.
type plainEntry IndexEntry

// entryJSON is IndexEntry on paper: JSON strings are Unicode and paths are
// bytes, so what is not UTF-8 goes into fields in hex.
type entryJSON struct {
	plainEntry
	PathHex   string `json:"path_hex,omitempty"`
	TargetHex string `json:"target_hex,omitempty"`
}

// MarshalJSON writes the entry; any bytes in its path survive.
func (e IndexEntry) MarshalJSON() ([]byte, error) {
	w := entryJSON{plainEntry: plainEntry(e)}
	if !utf8.ValidString(e.Path) {
		w.Path, w.PathHex = "", hex.EncodeToString([]byte(e.Path))
	}
	if !utf8.ValidString(e.Target) {
		w.Target, w.TargetHex = "", hex.EncodeToString([]byte(e.Target))
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *IndexEntry) UnmarshalJSON(b []byte) error {
	var r entryJSON
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	for _, f := range []struct {
		hex string
		to  *string
	}{{r.PathHex, &r.Path}, {r.TargetHex, &r.Target}} {
		if f.hex == "" {
			continue
		}
		raw, err := hex.DecodeString(f.hex)
		if err != nil {
			return fmt.Errorf("cannot read index entry: %q: %w", f.hex, err)
		}
		*f.to = string(raw)
	}
	*e = IndexEntry(r.plainEntry)
	return nil
}

func (e IndexEntry) compare(o IndexEntry) int {
	return cmp.Or(strings.Compare(e.Partition, o.Partition), strings.Compare(e.Path, o.Path))
}

// Add puts entries in and keeps the index sorted.
func (ix *Index) Add(es ...IndexEntry) {
	ix.Files = append(ix.Files, es...)
	slices.SortStableFunc(ix.Files, IndexEntry.compare)
}

// Lookup finds a path of a partition.
func (ix *Index) Lookup(partition, path string) (IndexEntry, bool) {
	i, ok := slices.BinarySearchFunc(ix.Files, IndexEntry{Partition: partition, Path: path}, IndexEntry.compare)
	if !ok {
		return IndexEntry{}, false
	}
	return ix.Files[i], true
}

// Glob finds the paths of a partition that match a pattern: each part of the
// path as path.Match has it, and "**" for any number of parts. A pattern that
// CheckPattern refuses matches nothing.
func (ix *Index) Glob(partition, pattern string) []IndexEntry {
	if CheckPattern(pattern) != nil {
		return nil
	}
	var out []IndexEntry
	want := strings.Split(pattern, "/")
	first, _ := slices.BinarySearchFunc(ix.Files, IndexEntry{Partition: partition}, IndexEntry.compare)
	for _, e := range ix.Files[first:] {
		if e.Partition != partition {
			break
		}
		if matchParts(want, strings.Split(e.Path, "/")) {
			out = append(out, e)
		}
	}
	return out
}

// Match says whether a path is one that Glob would find by the pattern.
func Match(pattern, path string) bool {
	return CheckPattern(pattern) == nil && matchParts(strings.Split(pattern, "/"), strings.Split(path, "/"))
}

// Below lists what lies in a folder of a partition, at any depth, without the
// folder itself; "" is the partition's root. The list is a part of the index.
func (ix *Index) Below(partition, dir string) []IndexEntry {
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	i, _ := slices.BinarySearchFunc(ix.Files, IndexEntry{Partition: partition, Path: prefix}, IndexEntry.compare)
	j := i
	for j < len(ix.Files) && ix.Files[j].Partition == partition && strings.HasPrefix(ix.Files[j].Path, prefix) {
		j++
	}
	if dir == "" && i < j && ix.Files[i].Path == "" {
		i++
	}
	return ix.Files[i:j]
}

// CheckPattern says whether a pattern is one that Glob understands.
func CheckPattern(pattern string) error {
	for _, p := range strings.Split(pattern, "/") {
		if p == "" {
			return fmt.Errorf("cannot use pattern %q: a part of it is empty; write it as system/app/*", pattern)
		}
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("cannot use pattern %q: %q: %w", pattern, p, err)
		}
	}
	return nil
}

// matchParts works in rows, as "**" tried by recursion takes exponential time.
func matchParts(want, have []string) bool {
	row := make([]bool, len(have)+1) // row[j]: the pattern so far matches have[:j]
	row[0] = true
	for _, w := range want {
		next := make([]bool, len(have)+1)
		next[0] = w == "**" && row[0]
		for j, h := range have {
			if w == "**" {
				next[j+1] = row[j+1] || next[j]
			} else if row[j] {
				next[j+1], _ = path.Match(w, h)
			}
		}
		row = next
	}
	return row[len(have)]
}

// WriteTo writes the index as JSON, one line a path, the same bytes for the
// same index.
func (ix *Index) WriteTo(w io.Writer) (int64, error) {
	var n int64
	bw := bufio.NewWriter(w)
	for _, e := range ix.Files {
		b, err := json.Marshal(e)
		if err != nil {
			return n, fmt.Errorf("cannot write index: %s %q: %w", e.Partition, e.Path, err)
		}
		m, err := bw.Write(append(b, '\n'))
		n += int64(m)
		if err != nil {
			return n, fmt.Errorf("cannot write index: %w", err)
		}
	}
	if err := bw.Flush(); err != nil {
		return n, fmt.Errorf("cannot write index: %w", err)
	}
	return n, nil
}

// ReadIndex reads what WriteTo writes. A line may have 1 MiB.
func ReadIndex(r io.Reader) (*Index, error) {
	ix := new(Index)
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	words := words{}
	for line := 1; s.Scan(); line++ {
		e, ok := words.entry(s.Bytes())
		if !ok {
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				return nil, fmt.Errorf("cannot read index: line %d: %w", line, err)
			}
		}
		ix.Files = append(ix.Files, e)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("cannot read index: line %d: %w", len(ix.Files)+1, err)
	}
	ix.Add()
	return ix, nil
}

// IndexOf lists a tree, sorted by path. It reads and hashes the content of
// every file, on all processors.
func IndexOf(partition string, root *Node) ([]IndexEntry, error) {
	var out []IndexEntry
	var nodes []*Node
	err := Walk(root, func(p string, n *Node) error {
		capability, _ := n.Xattr("security.capability")
		out = append(out, IndexEntry{Partition: partition, Path: p, Type: n.Type, Perm: n.Perm,
			UID: n.UID, GID: n.GID, Size: n.Size, Label: n.Label(), Target: n.Target, Capability: hex.EncodeToString(capability)})
		nodes = append(nodes, n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	digests, err := digestAll(nodes, func(i int) string { return out[i].Path })
	if err != nil {
		return nil, err
	}
	for i, n := range nodes {
		out[i].Digest = digests[n]
	}
	slices.SortFunc(out, IndexEntry.compare)
	return out, nil
}

// digestAll hashes each regular node once, however many names it has.
func digestAll(nodes []*Node, pathOf func(i int) string) (map[*Node]string, error) {
	first := map[*Node]int{}
	var todo []int
	for i, n := range nodes {
		if _, ok := first[n]; !ok && n.Type == Regular {
			first[n] = len(todo)
			todo = append(todo, i)
		}
	}
	sums := make([]string, len(todo))
	var next atomic.Int64
	var g errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			buf := make([]byte, 256<<10)
			for {
				k := int(next.Add(1)) - 1
				if k >= len(todo) {
					return nil
				}
				h := sha256.New()
				n := nodes[todo[k]]
				got, err := io.CopyBuffer(h, onlyReader{n.Open()}, buf)
				if err == nil && got != n.Size {
					err = fmt.Errorf("expected %d bytes, found %d: %w", n.Size, got, io.ErrUnexpectedEOF)
				}
				if err != nil {
					return fmt.Errorf("cannot hash %q: %w", pathOf(todo[k]), err)
				}
				sums[k] = hex.EncodeToString(h.Sum(nil))
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make(map[*Node]string, len(first))
	for n, k := range first {
		out[n] = sums[k]
	}
	return out, nil
}

// onlyReader hides WriteTo, which would allocate a buffer of its own.
type onlyReader struct{ io.Reader }
