package osrepo

import (
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/apk/arsc"
	"github.com/fridayos/friday/android/apk/overlay"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo/cil"
)

// View is what a plan is made against: a stock, seen from its listing alone.
type View struct {
	Index *tree.Index
	// Props are the build.prop files by partition; nil: not known, and then
	// properties are not checked against them.
	Props map[string]PropFile
	// Partitions are all that stock has, those without files included; nil: not
	// known, and then boot images are not checked.
	Partitions []string
	// Apps are those of stock; nil: not known, and then keys are not compared.
	Apps []StockApp
	// Resources reads which resources an app of stock has; nil: not known, and then
	// overlays are not compared with their targets, nor linked. It may be slow for an app
	// that nobody asked about before.
	Resources func(StockApp) (*arsc.Table, error)
	// Privileged are the permissions that an app in priv-app gets only where a file
	// in etc/permissions lists it; Granted are those lists of stock's, by package.
	// nil: not known, and then not checked.
	Privileged []string
	Granted    map[string][]string
	// Policy is what the stock's SELinux policy has, where it is split; nil: not known,
	// and then added rules are not compared with it.
	Policy *cil.Names
	// Android and Fingerprint are the stock's; "": not known, and then not compared.
	Android, Fingerprint string
}

// AsRoot says whether the partition system holds the phone's root folder, with
// system/ in it, as phones since Android 9 have it.
func (v View) AsRoot() bool {
	e, ok := v.Index.Lookup("system", "system")
	return ok && e.Type == tree.Directory
}

// Path is where a path lies in its partition. On phones whose partition system is
// no root folder, "system/app" means app in it, so that one layer does for both.
func (v View) Path(partition, p string) string {
	if partition != "system" || v.AsRoot() {
		return p
	}
	if p == "system" {
		return ""
	}
	return strings.TrimPrefix(p, "system/")
}

// OnPhone is a path of a partition as the running phone has it, without the /.
func (v View) OnPhone(partition, p string) string {
	if partition == "system" && v.AsRoot() {
		return p
	}
	return path.Join(partition, p)
}

// PropFile is the build.prop of a partition.
type PropFile struct {
	Path string `json:"path"`
	Text []byte `json:"text"`
}

// PropPaths are the places where a partition's build.prop may lie, the first
// that exists counts: system-as-root, then plain, then Android 11 and newer.
var PropPaths = []string{"system/build.prop", "build.prop", "etc/build.prop"}

// Plan is what the layers of one device do to one stock, all resolved.
type Plan struct {
	OS     OS
	Device *Device
	Layers []*Layer
	// Removed are the paths that go, those below a removed folder included.
	Removed []Removed
	// Placed are the paths that come or change, folders before what they hold.
	Placed []Placed
	// Props are the edits of build.prop files.
	Props []PropEdit
	// Apps are those that layers bring.
	Apps []PlannedApp
	// Overlays are the resource overlays that layers bring; they are in Placed too.
	Overlays []PlannedOverlay
	// Policy is what comes behind the system's SELinux policy, in order.
	Policy []Policy
	// Boot are the changes of boot images, in the order of the layers.
	Boot []PlannedBoot
}

// Removed is one path that goes.
type Removed struct{ Layer, Partition, Path string }

// Placed is one path that a layer writes.
type Placed struct {
	Layer, Partition, Path string
	Type                   tree.Type // Regular, Directory or Symlink
	Perm                   uint16
	UID, GID               uint32
	Label                  string // "": none
	// Capability is the value of security.capability; nil with Replaces: as the
	// stock's file has it.
	Capability []byte
	Replaces   bool             // the stock has this path
	File       *File            // nil for a folder, and for an overlay
	Overlay    *overlay.Overlay // what the file is made of; nil: File
}

// PropOp is what an edit does.
type PropOp string

// The ways of editing a property.
const (
	PropSet    PropOp = "set"
	PropAppend PropOp = "append"
	PropDelete PropOp = "delete"
)

// PropEdit is one property that a layer changes. Value may hold variables.
type PropEdit struct {
	Layer, Partition string
	Op               PropOp
	Key, Value       string
}

// PlannedBoot is what a layer does to a boot image.
type PlannedBoot struct {
	Layer, Partition string
	Files            []Placed // Path is in the ramdisk; folders before what they hold
	Append, Remove   []string // words of the command line
}

// Policy is CIL that a layer adds to the system's SELinux policy.
type Policy struct {
	Layer string
	File  *File
}

// PolicyFile is the CIL of the system's policy, and PolicyHash what init compares
// with the hash beside the vendor's precompiled policy: as long as they are the
// same, CIL is not read.
const (
	PolicyFile = "system/etc/selinux/plat_sepolicy.cil"
	PolicyHash = "system/etc/selinux/plat_sepolicy_and_mapping.sha256"
)

// IsBootImage says whether stock has a partition that may be a boot image.
func (v View) IsBootImage(name string) bool {
	return v.Partitions == nil || slices.Contains(v.Partitions, name) && bootprofile.IsPartition(name)
}
