package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/apk/arsc"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/filesystem"
)

// tables reads which resources the apps of a stock have. What was read of an app is kept
// under the digest of its APK, for every stock that has it: the names and numbers, not
// the values. It is not safe for concurrent use.
type tables struct {
	blobs *blob.Store
	stock catalog.Stock
	index *tree.Index
	read  map[string]*arsc.Table // by the digest of the APK
}

// maxTableText is the most bytes of a table as it is kept.
const maxTableText = 256 << 20

// keptTable is what is kept of an app; none is one without resources.
type keptTable struct {
	Table *arsc.Table `json:"table,omitempty"`
}

func (t *tables) of(a osrepo.StockApp) (*arsc.Table, error) {
	e, ok := t.index.Lookup(a.Partition, a.Path)
	if !ok || e.Digest == "" {
		return nil, fmt.Errorf("%s:%s is not in the listing of the stock", a.Partition, a.Path)
	}
	if table := t.read[e.Digest]; table != nil {
		return table, nil
	}
	ref, err := t.blobs.Cached(context.Background(), "resources 1 "+e.Digest, func(w io.Writer) error { return t.make(w, a) })
	if err != nil {
		return nil, err
	}
	b, err := t.blobs.OpenRef(ref)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if b.Size() > maxTableText {
		return nil, fmt.Errorf("what is kept of its resources has %d bytes, expected at most %d", b.Size(), maxTableText)
	}
	text, err := io.ReadAll(b.Verified())
	if err != nil {
		return nil, err
	}
	var k keptTable
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	if k.Table == nil {
		return nil, arsc.ErrNone
	}
	if t.read == nil {
		t.read = map[string]*arsc.Table{}
	}
	t.read[e.Digest] = k.Table
	return k.Table, nil
}

// make reads the app from its image.
func (t *tables) make(w io.Writer, a osrepo.StockApp) error {
	i := slices.IndexFunc(t.stock.Partitions, func(p catalog.Partition) bool { return p.Name == a.Partition })
	if i < 0 {
		return fmt.Errorf("stock has no partition %s", a.Partition)
	}
	p := t.stock.Partitions[i]
	r, err := t.blobs.OpenRef(blob.Ref{Digest: p.Digest, Size: p.Size})
	if err != nil {
		return err
	}
	defer r.Close()
	_, root, err := filesystem.Open(r, r.Size())
	if err != nil {
		return err
	}
	if root == nil {
		return fmt.Errorf("partition %s has no file system that is known", a.Partition)
	}
	n := root.Lookup(a.Path)
	if n == nil || n.Type != tree.Regular {
		return fmt.Errorf("partition %s has no file %s", a.Partition, a.Path)
	}
	table, err := arsc.Open(n.Content, n.Size)
	if err != nil && !errors.Is(err, arsc.ErrNone) {
		return err
	}
	return json.NewEncoder(w).Encode(keptTable{table})
}
