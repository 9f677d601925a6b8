// Package arsc reads which resources an app has: resources.arsc, the compiled table
// of an APK.
//
// It tells types, names, numbers, what attributes take and what an <overlayable> lets
// others lay over. It reads no values: which text a string has in which language is
// not asked of it. Package overlay writes such tables.
//
// The format is described in AOSP: frameworks/base,
// libs/androidfw/include/androidfw/ResourceTypes.h; what may be overlaid by whom, in
// cmds/idmap2 and at source.android.com, "Runtime resource overlays (RROs)".
package arsc

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Table is what an app has of resources.
type Table struct {
	Packages []Package `json:"packages"`

	byName map[string]uint32 // "bool/config_x" to its number
	byID   map[uint32]*Resource
}

// Package is one package of a table; nearly all tables have one.
type Package struct {
	ID   uint8  `json:"id"` // 0x7f of an app, 0x01 of the framework
	Name string `json:"name"`
	// Overlayables are the names of its <overlayable> elements. Where there are any,
	// only what stands in them can be overlaid (Android 10 and newer).
	Overlayables []string `json:"overlayables,omitempty"`
	Types        []Type   `json:"types"`
}

// Type is a type of resources.
type Type struct {
	ID        uint8      `json:"id"`
	Name      string     `json:"name"` // "bool"
	Resources []Resource `json:"resources"`
}

// Resource is one resource, with values for any number of configs.
type Resource struct {
	Entry  uint16 `json:"entry"`
	Name   string `json:"name"` // "config_x"
	Public bool   `json:"public,omitempty"`
	// Overlayable is the name of the <overlayable> that it stands in; "": none.
	Overlayable string `json:"overlayable,omitempty"`
	Policies    Policy `json:"policies,omitempty"` // of whom that takes overlays
	Attr        *Attr  `json:"attr,omitempty"`     // of one of type attr
}

// Policy says, as flags, which overlays an <overlayable> takes.
type Policy uint32

// Policies, by what an overlay fulfills.
const (
	Public           Policy = 0x01
	SystemPartition  Policy = 0x02
	VendorPartition  Policy = 0x04
	ProductPartition Policy = 0x08
	SameSignature    Policy = 0x10 // it is signed as the target is
	ODMPartition     Policy = 0x20
	OEMPartition     Policy = 0x40
	ActorSignature   Policy = 0x80
	ConfigSignature  Policy = 0x100
)

var policyNames = []struct {
	flag Policy
	name string
}{
	{Public, "public"}, {SystemPartition, "system"}, {VendorPartition, "vendor"}, {ProductPartition, "product"}, {SameSignature, "signature"},
	{ODMPartition, "odm"}, {OEMPartition, "oem"}, {ActorSignature, "actor"}, {ConfigSignature, "config_signature"},
}

// String lists the policies as <policy type> has them: "product|signature".
func (p Policy) String() string {
	var names []string
	for _, n := range policyNames {
		if p&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "|")
}

// Formats of attributes, as flags.
const (
	Reference = 0x01
	String    = 0x02
	Integer   = 0x04
	Boolean   = 0x08
	Color     = 0x10
	Float     = 0x20
	Dimension = 0x40
	Fraction  = 0x80
	Enum      = 0x10000
	Flags     = 0x20000
)

// Attr says what an attribute takes.
type Attr struct {
	Formats uint32   `json:"formats"`
	Symbols []Symbol `json:"symbols,omitempty"` // of enums and flags
}

// Symbol is a word that an attribute takes, and its value.
type Symbol struct {
	Name  string `json:"name"`
	Value uint32 `json:"value"`

	id uint32 // of the resource id/name, while it is read
}

// Symbol finds a word that the attribute takes.
func (a *Attr) Symbol(name string) (Symbol, bool) {
	for _, s := range a.Symbols {
		if s.Name == name {
			return s, true
		}
	}
	return Symbol{}, false
}

// Find looks a resource up by type and name. Attributes that the framework keeps for
// itself are of type "attr" as well.
func (t *Table) Find(kind, name string) (id uint32, r *Resource, ok bool) {
	id, ok = t.byName[kind+"/"+name]
	if !ok && kind == "attr" {
		id, ok = t.byName[privateAttr+"/"+name]
	}
	return id, t.byID[id], ok
}

// Names are those of all resources of a type.
func (t *Table) Names(kind string) (names []string) {
	for _, p := range t.Packages {
		for _, y := range p.Types {
			if y.Name != kind && (kind != "attr" || y.Name != privateAttr) {
				continue
			}
			for _, r := range y.Resources {
				names = append(names, r.Name)
			}
		}
	}
	return names
}

// Kinds are the types in which there is a resource of that name, in the table's order.
func (t *Table) Kinds(name string) (kinds []string) {
	for _, p := range t.Packages {
		for _, y := range p.Types {
			if _, ok := t.byName[y.Name+"/"+name]; ok {
				kinds = append(kinds, y.Name)
			}
		}
	}
	return kinds
}

// Overlayable says whether an <overlayable> is there, and so all else closed.
func (t *Table) Overlayable() (names []string) {
	for _, p := range t.Packages {
		names = append(names, p.Overlayables...)
	}
	return names
}

// collapsed is the name that all resources have in a table made smaller by aapt2.
const collapsed = "0_resource_name_obfuscated"

// Nameless says that names were taken out of the table, so that a resource that is not
// found may yet be there.
func (t *Table) Nameless() bool {
	for _, p := range t.Packages {
		for _, y := range p.Types {
			for _, r := range y.Resources {
				if r.Name == collapsed {
					return true
				}
			}
		}
	}
	return false
}

const privateAttr = "^attr-private"

func (t *Table) index() {
	t.byName, t.byID = map[string]uint32{}, map[uint32]*Resource{}
	for i := range t.Packages {
		p := &t.Packages[i]
		for j := range p.Types {
			y := &p.Types[j]
			for k := range y.Resources {
				r := &y.Resources[k]
				id := uint32(p.ID)<<24 | uint32(y.ID)<<16 | uint32(r.Entry)
				if _, ok := t.byName[y.Name+"/"+r.Name]; !ok {
					t.byName[y.Name+"/"+r.Name] = id
				}
				t.byID[id] = r
			}
		}
	}
}

// UnmarshalJSON reads what json.Marshal made of a table.
func (t *Table) UnmarshalJSON(b []byte) error {
	type plain Table
	if err := json.Unmarshal(b, (*plain)(t)); err != nil {
		return err
	}
	t.index()
	return nil
}

// ErrNone is wrapped by the errors for an app without resources.
var ErrNone = errors.New("it holds no resources.arsc")

const (
	maxTable = 256 << 20 // bytes
	maxPool  = 64 << 20  // bytes of names
	maxChunk = 64 << 20  // bytes of the values of one type for one config
)

// Open reads the table of an app. A table that is stored in it without compression, as
// Android 11 wants, is not read into memory whole.
func Open(r io.ReaderAt, size int64) (*Table, error) {
	t, err := open(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot read resources: %w", err)
	}
	return t, nil
}

func open(r io.ReaderAt, size int64) (*Table, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		if f.Name != "resources.arsc" {
			continue
		}
		if f.UncompressedSize64 > maxTable {
			return nil, fmt.Errorf("resources.arsc has %d bytes, expected at most %d", f.UncompressedSize64, maxTable)
		}
		if f.Method == zip.Store {
			at, err := f.DataOffset()
			if err != nil {
				return nil, err
			}
			n := int64(f.UncompressedSize64)
			return Read(io.NewSectionReader(r, at, n), n)
		}
		e, err := f.Open()
		if err != nil {
			return nil, err
		}
		defer e.Close()
		b, err := io.ReadAll(io.LimitReader(e, maxTable+1))
		if err != nil {
			return nil, fmt.Errorf("resources.arsc: %w", err)
		}
		if len(b) > maxTable {
			return nil, fmt.Errorf("resources.arsc has more than %d bytes", maxTable)
		}
		return Read(bytes.NewReader(b), int64(len(b)))
	}
	return nil, ErrNone
}
