package nest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Info is what a thing is, and what is in it.
type Info struct {
	Path     string         `json:"path"`
	Format   string         `json:"format"` // "unknown" where no opener knows it
	Size     int64          `json:"size"`
	Facts    map[string]any `json:"facts"`
	Children []*Info        `json:"children"`
	Problems []string       `json:"problems"`
}

// Info says what an object is, as a tree, down to the file systems; the files in
// those are not opened. depth is how many levels are looked into; -1 is all.
// What is damaged is a problem of its part and ends nothing; only a context that
// ends is an error.
func (n *Nest) Info(ctx context.Context, o *Object, depth int) (*Info, error) {
	if o.Node != nil && o.Node.Type != tree.Regular {
		in := &Info{Path: o.Path, Format: o.Node.Type.String(), Facts: map[string]any{}, Children: []*Info{}, Problems: []string{}}
		if o.Node.Type != tree.Directory || o.File.R == nil {
			return in, n.entries(ctx, in, o.Node, o.File, depth)
		}
	}
	return n.info(ctx, o.Path, o.File, depth)
}

func (n *Nest) info(ctx context.Context, path string, f File, depth int) (*Info, error) {
	in := &Info{Path: path, Format: "unknown", Size: f.Size, Facts: map[string]any{}, Children: []*Info{}, Problems: []string{}}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := n.Identify(ctx, f)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, ErrUnknown):
		in.Facts["magic"] = err.Error()[len(ErrUnknown.Error())+2:]
		return in, nil
	case errors.Is(err, ErrAbsent):
		in.Facts["absent"] = err.Error()
		return in, nil
	case err != nil:
		in.Format = n.guess(f)
		in.Problems = append(in.Problems, err.Error())
		return in, nil
	}
	in.Format, in.Facts = o.Format, o.Facts
	in.Problems = append(in.Problems, o.Problems...)
	if in.Facts == nil {
		in.Facts = map[string]any{}
	}
	switch {
	case depth == 0:
		return in, nil
	case o.Inner != nil:
		child, err := n.info(ctx, strings.TrimSuffix(path, "//")+"//", *o.Inner, depth-1)
		if err != nil {
			return nil, err
		}
		in.Children = append(in.Children, child)
		return in, nil
	case o.Root != nil && !o.Files:
		return in, n.entries(ctx, in, o.Root, f, depth)
	}
	return in, nil
}

// guess names the format of a file that could not be opened.
func (n *Nest) guess(f File) string {
	head := make([]byte, min(headSize, f.Size))
	if firstBytes(f.R, head) != nil {
		return "unknown"
	}
	for _, x := range n.o.Formats {
		if x.Match(f, head) {
			return x.Name
		}
	}
	return "unknown"
}

// entries adds what is known of each file of a folder.
func (n *Nest) entries(ctx context.Context, in *Info, root *tree.Node, of File, depth int) error {
	dirs := map[*tree.Node]*tree.Node{}
	return tree.Walk(root, func(path string, node *tree.Node) error {
		for _, e := range node.Entries {
			dirs[e.Node] = node
		}
		if node.Type != tree.Regular {
			return nil
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		child, err := n.info(ctx, strings.TrimSuffix(in.Path, "//")+"//"+path, childFile(dirs[node], name, node, &of, of.depth+1), depth-1)
		if err != nil {
			return err
		}
		in.Children = append(in.Children, child)
		return nil
	})
}

// Check is one thing that Verify compared.
type Check struct {
	Path string `json:"path"`
	What string `json:"what"`
	Err  string `json:"error,omitempty"`
}

// Verify checks an object and all that lies in it, down to the file systems:
// checksums of archives, hashes of payloads, signatures, hash trees. It calls
// report for each check, and for each problem that Info would name. It returns
// how many failed.
func (n *Nest) Verify(ctx context.Context, o *Object, report func(Check)) (failed int, err error) {
	v := &verifier{n: n, report: report}
	if o.Node != nil && o.Node.Type != tree.Regular && o.File.R == nil {
		err = v.entries(ctx, o.Path, o.Node, o.File)
	} else {
		err = v.file(ctx, o.Path, o.File)
	}
	return v.failed, err
}

type verifier struct {
	n      *Nest
	report func(Check)
	failed int
}

func (v *verifier) check(path, what string, err error) {
	c := Check{Path: path, What: what}
	if err != nil {
		c.Err = err.Error()
		v.failed++
	}
	v.report(c)
}

func (v *verifier) file(ctx context.Context, path string, f File) error {
	o, err := v.n.Identify(ctx, f)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrAbsent) {
		return nil
	}
	if err != nil {
		v.check(path, v.n.guess(f), err)
		return nil
	}
	for _, p := range o.Problems {
		v.check(path, o.Format, errors.New(p))
	}
	if o.Files && o.Root != nil && len(o.Problems) == 0 {
		v.check(path, o.Format+": metadata is whole", nil)
	}
	if o.Verify != nil {
		if err := o.Verify(ctx, func(what string, err error) { v.check(path, what, err) }); err != nil {
			return err
		}
	}
	switch {
	case o.Inner != nil:
		return v.file(ctx, strings.TrimSuffix(path, "//")+"//", *o.Inner)
	case o.Root != nil && !o.Files:
		return v.entries(ctx, path, o.Root, f)
	}
	return nil
}

func (v *verifier) entries(ctx context.Context, path string, root *tree.Node, of File) error {
	var walk func(path string, dir *tree.Node, depth int) error
	walk = func(path string, dir *tree.Node, depth int) error {
		if depth > tree.MaxDepth {
			return fmt.Errorf("cannot verify %s: more than %d folders deep", short(path), tree.MaxDepth)
		}
		for _, e := range dir.Entries {
			var err error
			switch e.Node.Type {
			case tree.Directory:
				err = walk(path+e.Name+"/", e.Node, depth+1)
			case tree.Regular:
				err = v.file(ctx, path+e.Name, childFile(dir, e.Name, e.Node, &of, of.depth+1))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return walk(strings.TrimSuffix(path, "//")+"//", root, 0)
}
