package editing

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

// maxPolicy is the most bytes of a policy file that are read.
const maxPolicy = 64 << 20

// policy adds the layers' CIL to the system's, and changes the hash by which init
// sees that the vendor's precompiled policy is no longer made of it. init then
// compiles the policy when the phone starts. The hash is that of all CIL files it
// stands for, as AOSP computes it (system/sepolicy, plat_sepolicy_and_mapping).
func (x *Editor) policy(root *tree.Node, owners map[string]string) error {
	if len(x.Plan.Policy) == 0 {
		return nil
	}
	file, hash := x.View.Path("system", osrepo.PolicyFile), x.View.Path("system", osrepo.PolicyHash)
	text, err := readAll(root, file)
	if err != nil {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	for _, p := range x.Plan.Policy {
		r, err := p.File.Open()
		if err != nil {
			return err
		}
		added, err := io.ReadAll(io.LimitReader(r, maxPolicy))
		r.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", p.File.Path, err)
		}
		text = fmt.Appendf(text, ";; layer %s: %s\n%s\n", p.Layer, path.Base(p.File.Path), bytes.TrimRight(added, "\n"))
		owners[file], owners[hash] = p.Layer, p.Layer
	}
	sum := sha256.New()
	sum.Write(text)
	if dir := root.Lookup(path.Join(path.Dir(file), "mapping")); dir != nil {
		for _, e := range dir.Entries {
			if e.Node.Type != tree.Regular || !strings.HasSuffix(e.Name, ".cil") || e.Node.Size > maxPolicy {
				continue
			}
			if _, err := io.Copy(sum, e.Node.Open()); err != nil {
				return fmt.Errorf("%s: %w", e.Name, err)
			}
		}
	}
	x.Rewrite(root, file, text)
	x.Rewrite(root, hash, fmt.Appendf(nil, "%x\n", sum.Sum(nil)))
	return nil
}

func readAll(root *tree.Node, name string) ([]byte, error) {
	n := root.Lookup(name)
	if n == nil || n.Type != tree.Regular {
		return nil, fmt.Errorf("there is no file %s; add the stock again", name)
	}
	if n.Size > maxPolicy {
		return nil, fmt.Errorf("%s has %d bytes, expected at most %d", name, n.Size, maxPolicy)
	}
	return io.ReadAll(n.Open())
}
