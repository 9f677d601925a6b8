// Package edify reads and runs scripts in edify, the language of the
// updater-script that a recovery's package brings.
//
// A script is one expression. Values are strings, of which the empty one is
// false. What functions there are is the caller's affair (package updater has
// those of recovery). Both sides of && and || are looked at only as far as they
// matter; a function's arguments all are, before it is called.
//
// The language is that of AOSP's bootable/recovery/edify (README.md, lexer.ll and
// parser.yy, read for the facts).
package edify

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Limits of what is read.
const (
	MaxScript = 1 << 20 // bytes of text
	maxDepth  = 200     // of expressions within each other
	maxChain  = 10_000  // of operators of one kind behind each other
)

// Function is a function of a script: it gets the values of its arguments.
type Function func(ctx context.Context, args []string) (string, error)

// Script is a script that was read.
type Script struct{ root node }

// Aborted is the error of a script that called abort, or whose assert failed.
type Aborted struct{ Message string }

func (a *Aborted) Error() string { return "the script aborts: " + a.Message }

// Run runs the script. The functions abort, assert, concat, is_substring and
// less_than_int are there without being given; any other that is called must be
// in functions. Run ends between two calls when ctx does.
func (s *Script) Run(ctx context.Context, functions map[string]Function) (string, error) {
	v, err := s.root.eval(&run{ctx, functions})
	if err != nil {
		return "", fmt.Errorf("cannot run script: %w", err)
	}
	return v, nil
}

// Calls are the names of the functions that the script calls anywhere, each once,
// in the order of the text.
func (s *Script) Calls() []string {
	var names []string
	seen := map[string]bool{}
	walk(s.root, func(c *call) {
		if !seen[c.name] {
			seen[c.name] = true
			names = append(names, c.name)
		}
	})
	return names
}

type run struct {
	ctx       context.Context
	functions map[string]Function
}

// node is an expression.
type node interface {
	eval(r *run) (string, error)
	parts() []node
}

func walk(n node, fn func(*call)) {
	if c, ok := n.(*call); ok {
		fn(c)
	}
	for _, p := range n.parts() {
		walk(p, fn)
	}
}

type literal string

func (l literal) eval(*run) (string, error) { return string(l), nil }
func (l literal) parts() []node             { return nil }

// list is expressions one behind the other; its value is that of the last.
type list []node

func (l list) parts() []node { return l }

func (l list) eval(r *run) (v string, err error) {
	for _, n := range l {
		if v, err = n.eval(r); err != nil {
			return "", err
		}
	}
	return v, nil
}

// operation is an operator with two sides, or with one ("!").
type operation struct {
	op          string
	left, right node
}

func (o *operation) parts() []node {
	if o.right == nil {
		return []node{o.left}
	}
	return []node{o.left, o.right}
}

func truth(b bool) string {
	if b {
		return "t"
	}
	return ""
}

func (o *operation) eval(r *run) (string, error) {
	a, err := o.left.eval(r)
	switch {
	case err != nil:
		return "", err
	case o.op == "!":
		return truth(a == ""), nil
	case o.op == "||" && a != "":
		return a, nil
	case o.op == "&&" && a == "":
		return "", nil
	}
	b, err := o.right.eval(r)
	if err != nil {
		return "", err
	}
	switch o.op {
	case "==":
		return truth(a == b), nil
	case "!=":
		return truth(a != b), nil
	case "+":
		return a + b, nil
	}
	return b, nil
}

// choice is "if … then … else … endif".
type choice struct{ test, then, or node }

func (c *choice) parts() []node {
	if c.or == nil {
		return []node{c.test, c.then}
	}
	return []node{c.test, c.then, c.or}
}

func (c *choice) eval(r *run) (string, error) {
	v, err := c.test.eval(r)
	switch {
	case err != nil:
		return "", err
	case v != "":
		return c.then.eval(r)
	case c.or != nil:
		return c.or.eval(r)
	}
	return "", nil
}

type call struct {
	name string
	line int
	args []node
}

func (c *call) parts() []node { return c.args }

func (c *call) eval(r *run) (string, error) {
	fn := r.functions[c.name]
	if fn == nil {
		fn = own[c.name]
	}
	if fn == nil {
		return "", fmt.Errorf("line %d: there is no function %q", c.line, c.name)
	}
	args := make([]string, len(c.args))
	for i, a := range c.args {
		var err error
		if args[i], err = a.eval(r); err != nil {
			return "", err
		}
	}
	if err := r.ctx.Err(); err != nil {
		return "", err
	}
	v, err := fn(r.ctx, args)
	if aborted := (*Aborted)(nil); errors.As(err, &aborted) {
		return "", err // it says itself what is wrong
	}
	if err != nil {
		return "", fmt.Errorf("line %d: %s: %w", c.line, c.name, err)
	}
	return v, nil
}

// Has says whether every script has a function of that name.
func Has(name string) bool { return own[name] != nil }

// own are the functions that every script has.
var own = map[string]Function{
	"abort": func(_ context.Context, args []string) (string, error) {
		if len(args) == 0 {
			return "", &Aborted{"it does not say why"}
		}
		return "", &Aborted{args[0]}
	},
	"assert": func(_ context.Context, args []string) (string, error) {
		for i, a := range args {
			if a == "" {
				return "", &Aborted{fmt.Sprintf("assertion %d of %d failed", i+1, len(args))}
			}
		}
		return "", nil
	},
	"concat": func(_ context.Context, args []string) (string, error) { return strings.Join(args, ""), nil },
	"is_substring": func(_ context.Context, args []string) (string, error) {
		if len(args) != 2 {
			return "", fmt.Errorf("it has %d arguments, expected 2", len(args))
		}
		return truth(strings.Contains(args[1], args[0])), nil
	},
	"less_than_int": func(_ context.Context, args []string) (string, error) {
		if len(args) != 2 {
			return "", fmt.Errorf("it has %d arguments, expected 2", len(args))
		}
		var n [2]int64
		for i, a := range args {
			if _, err := fmt.Sscanf(a, "%d", &n[i]); err != nil || fmt.Sprint(n[i]) != a {
				return "", nil // as AOSP's: what is no number is not less
			}
		}
		return truth(n[0] < n[1]), nil
	},
}
