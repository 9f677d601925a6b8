package cil

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Check says what in a file is no statement, and, with the names of the policy that it is
// added to, which of those that it uses are not there. have may be nil: not known. own are
// the files that are added, this one among them: what they declare is there too.
func Check(text []byte, have *Names, own ...[]byte) []Mistake {
	c := &checker{have: have}
	for _, o := range own {
		c.own.Add(o)
	}
	if err := Statements(text, c.statement); err != nil {
		c.mistakes = append(c.mistakes, *err)
	}
	return c.mistakes
}

type checker struct {
	have     *Names
	own      Known
	mistakes []Mistake
}

func (c *checker) wrong(n Node, format string, args ...any) *Mistake {
	c.mistakes = append(c.mistakes, Mistake{Line: n.Line, Col: n.Col, Message: fmt.Sprintf(format, args...)})
	return &c.mistakes[len(c.mistakes)-1]
}

// statement checks one at the top.
func (c *checker) statement(n Node) {
	if len(n.List) == 0 || n.List[0].IsList {
		c.wrong(n, "expected the name of a statement such as allow, found none")
		return
	}
	name := n.List[0].Word
	want, ok := statements[name]
	if !ok {
		m := c.wrong(n.List[0], "there is no statement %q", name)
		m.Word, m.Among = name, slices.Collect(maps.Keys(statements))
		return
	}
	args := n.List[1:]
	if len(args) < want[0] || want[1] >= 0 && len(args) > want[1] {
		c.wrong(n.List[0], "%s has %d parts behind it, expected %s", name, len(args), counted(want))
		return
	}
	switch name {
	case "allow", "auditallow", "dontaudit", "neverallow":
		c.typ(args[0])
		c.target(args[1])
		c.perms(args[2])
	case "allowx", "auditallowx", "dontauditx", "neverallowx":
		c.typ(args[0])
		c.target(args[1])
		if l := args[2].List; len(l) == 3 {
			c.class(l[1])
		}
	case "typetransition", "typechange", "typemember":
		c.typ(args[0])
		c.typ(args[1])
		c.class(args[2])
		c.typ(args[len(args)-1])
	case "typeattributeset":
		c.typ(args[0])
		c.expression(args[1])
	case "typealiasactual":
		c.typ(args[1])
	case "typebounds":
		c.typ(args[0])
		c.typ(args[1])
	case "roletype":
		c.typ(args[1])
	case "genfscon", "filecon", "fsuse", "sid", "portcon", "netifcon":
		if l := args[len(args)-1].List; len(l) == 4 {
			c.typ(l[2])
		}
	}
}

func counted(want [2]int) string {
	switch {
	case want[1] < 0:
		return fmt.Sprintf("at least %d", want[0])
	case want[0] == want[1]:
		return fmt.Sprint(want[0])
	}
	return fmt.Sprintf("%d to %d", want[0], want[1])
}

func (c *checker) target(n Node) {
	if n.Word != "self" && n.Word != "notself" && n.Word != "other" {
		c.typ(n)
	}
}

// typ is a word that names a type, an attribute or an alias.
func (c *checker) typ(n Node) {
	switch {
	case n.IsList || n.Word == "":
		c.wrong(n, "expected the name of a type, found a list")
	case c.have == nil || c.have.has(n.Word) || c.own.types[n.Word] || strings.Contains(n.Word, "."):
	default:
		m := c.wrong(n, "the policy has no type or attribute %s", n.Word)
		m.Word, m.Among = n.Word, slices.AppendSeq(slices.Clone(c.have.Types), maps.Keys(c.own.types))
	}
}

// expression is a set of types: words, and lists of them with and, or, not.
func (c *checker) expression(n Node) {
	if !n.IsList {
		c.typ(n)
		return
	}
	for i, m := range n.List {
		if i == 0 && slices.Contains([]string{"and", "or", "xor", "not", "all"}, m.Word) {
			continue
		}
		c.expression(m)
	}
}

func (c *checker) class(n Node) []string {
	if c.have == nil || n.IsList || len(c.have.Classes) == 0 {
		return nil
	}
	perms, ok := c.have.Classes[n.Word]
	if own, is := c.own.classes[n.Word]; is {
		perms, ok = slices.Concat(perms, own), true
	}
	if !ok {
		m := c.wrong(n, "the policy has no class %s", n.Word)
		m.Word, m.Among = n.Word, slices.Collect(maps.Keys(c.have.Classes))
		return nil
	}
	return perms
}

// perms are a class and its permissions: (file (read open)).
func (c *checker) perms(n Node) {
	if !n.IsList {
		return // a classpermission, which has a name
	}
	if len(n.List) != 2 {
		c.wrong(n, "expected a class and its permissions such as (file (read open))")
		return
	}
	have := c.class(n.List[0])
	if have == nil {
		return
	}
	for _, p := range n.List[1].List {
		if p.IsList || slices.Contains([]string{"all", "not", "and", "or", "xor"}, p.Word) || slices.Contains(have, p.Word) {
			continue
		}
		m := c.wrong(p, "class %s has no permission %s", n.List[0].Word, p.Word)
		m.Word, m.Among = p.Word, have
	}
}

// statements, and how many parts stand behind each: at least, at most (-1: any number).
var statements = map[string][2]int{
	"allow": {3, 3}, "auditallow": {3, 3}, "dontaudit": {3, 3}, "neverallow": {3, 3}, "deny": {3, 3},
	"allowx": {3, 3}, "auditallowx": {3, 3}, "dontauditx": {3, 3}, "neverallowx": {3, 3}, "permissionx": {2, 2},
	"type": {1, 1}, "typealias": {1, 1}, "typealiasactual": {2, 2}, "typeattribute": {1, 1}, "typeattributeset": {2, 2},
	"expandtypeattribute": {2, 2}, "typebounds": {2, 2}, "typechange": {4, 4}, "typemember": {4, 4}, "typetransition": {4, 5}, "typepermissive": {1, 1}, "typeneveraudit": {1, 1},
	"role": {1, 1}, "roleattribute": {1, 1}, "roleattributeset": {2, 2}, "roleallow": {2, 2}, "roletransition": {4, 4}, "rolebounds": {2, 2}, "roletype": {2, 2}, "roledominance": {2, 2},
	"user": {1, 1}, "userrole": {2, 2}, "userattribute": {1, 1}, "userattributeset": {2, 2}, "userlevel": {2, 2}, "userrange": {2, 2}, "userbounds": {2, 2}, "userprefix": {2, 2},
	"class": {2, 2}, "classcommon": {2, 2}, "classorder": {1, 1}, "classmap": {2, 2}, "classmapping": {3, 3}, "classpermission": {1, 1}, "classpermissionset": {2, 2}, "common": {2, 2},
	"context": {2, 2}, "filecon": {3, 3}, "fsuse": {3, 3}, "genfscon": {3, 4}, "netifcon": {3, 3}, "nodecon": {3, 3}, "portcon": {3, 3}, "ibpkeycon": {3, 3}, "ibendportcon": {3, 3},
	"sid": {1, 1}, "sidcontext": {2, 2}, "sidorder": {1, 1}, "sensitivity": {1, 1}, "sensitivityalias": {1, 1}, "sensitivityaliasactual": {2, 2}, "sensitivitycategory": {2, 2}, "sensitivityorder": {1, 1},
	"category": {1, 1}, "categoryalias": {1, 1}, "categoryaliasactual": {2, 2}, "categoryorder": {1, 1}, "categoryset": {2, 2}, "level": {2, 2}, "levelrange": {2, 2}, "rangetransition": {4, 4},
	"constrain": {2, 2}, "mlsconstrain": {2, 2}, "mlsvalidatetrans": {2, 2}, "validatetrans": {2, 2}, "defaultrange": {3, 4}, "defaultrole": {2, 2}, "defaulttype": {2, 2}, "defaultuser": {2, 2},
	"block": {1, -1}, "blockabstract": {1, 1}, "blockinherit": {1, 1}, "in": {2, -1}, "optional": {1, -1}, "macro": {2, -1}, "call": {1, 2}, "boolean": {2, 2}, "booleanif": {2, 3}, "tunable": {2, 2}, "tunableif": {2, 3},
	"policycap": {1, 1}, "handleunknown": {1, 1}, "mls": {1, 1}, "ipaddr": {2, 2}, "selinuxuser": {3, 3}, "selinuxuserdefault": {2, 2}, "src_info": {0, -1}, "devicetreecon": {2, 2}, "iomemcon": {2, 2}, "ioportcon": {2, 2}, "pcidevicecon": {2, 2}, "pirqcon": {2, 2},
}
