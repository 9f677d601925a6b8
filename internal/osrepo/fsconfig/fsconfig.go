// Package fsconfig says what a new file of a system gets where nobody says it:
// mode and owner as AOSP's fs_config has them for its place, and the label that
// its neighbours of the same type have most often. It knows the names of
// Android's users, groups and capabilities too.
//
// It reads no file_contexts: what a vendor's say shows in the vendor's own files.
// See AOSP, system/core: libcutils/fs_config.cpp and
// libcutils/include/private/android_filesystem_config.h.
package fsconfig

import (
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

var label = regexp.MustCompile(`^u:object_r:[A-Za-z_][A-Za-z0-9_]*:s0(:c[0-9]+(,c[0-9]+)*)?$`)

// IsLabel says whether a text is the label of a file, such as
// u:object_r:system_file:s0.
func IsLabel(s string) bool { return label.MatchString(s) }

// ids are Android's names of users and groups that files of a system have
// (system/core: android_filesystem_config.h).
var ids = map[string]uint32{
	"root": 0, "daemon": 1, "bin": 2, "system": 1000, "radio": 1001, "bluetooth": 1002, "graphics": 1003,
	"input": 1004, "audio": 1005, "camera": 1006, "log": 1007, "compass": 1008, "mount": 1009, "wifi": 1010,
	"adb": 1011, "install": 1012, "media": 1013, "dhcp": 1014, "sdcard_rw": 1015, "vpn": 1016, "keystore": 1017,
	"usb": 1018, "drm": 1019, "gps": 1021, "media_rw": 1023, "mtp": 1024, "drmrpc": 1026, "nfc": 1027,
	"sdcard_r": 1028, "loop_radio": 1030, "mediadrm": 1031, "package_info": 1032, "logd": 1036, "net_raw": 3004,
	"shell": 2000, "cache": 2001, "diag": 2002, "net_bt_admin": 3001, "net_bt": 3002, "inet": 3003,
	"net_admin": 3005, "net_bw_stats": 3006, "net_bw_acct": 3007, "readproc": 3009, "wakelock": 3010,
	"uhid": 3011, "misc": 9998, "nobody": 9999,
}

// IDNames are the names that ID reads, sorted.
func IDNames() []string { return slices.Sorted(maps.Keys(ids)) }

// ID reads a user or a group: a name or a number.
func ID(s string) (uint32, bool) {
	if id, ok := ids[s]; ok {
		return id, true
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// ParseMode reads an octal mode of at most four digits: "0755", "0o644".
func ParseMode(s string) (uint16, error) {
	m, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil || m > 0o7777 {
		return 0, fmt.Errorf("mode is %q, expected an octal number such as 0755", s)
	}
	return uint16(m), nil
}

// Capabilities in the order of their bits (linux/capability.h).
var Capabilities = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}

// EncodeCapabilities makes the value of security.capability that AOSP's image
// tools write: revision 2, permitted and effective. Names that Capabilities does not
// have are passed over.
func EncodeCapabilities(names []string) []byte {
	if len(names) == 0 {
		return nil
	}
	var bits uint64
	for _, n := range names {
		if i := slices.Index(Capabilities, n); i >= 0 {
			bits |= 1 << i
		}
	}
	b := make([]byte, 20)
	binary.LittleEndian.PutUint32(b, 0x02000001)
	binary.LittleEndian.PutUint32(b[4:], uint32(bits))
	binary.LittleEndian.PutUint32(b[12:], uint32(bits>>32))
	return b
}

// DecodeCapabilities reads a value of security.capability of revision 2 or 3: the
// names of what is permitted. It is false for what it cannot read.
func DecodeCapabilities(value []byte) (names []string, ok bool) {
	if len(value) < 20 || value[3] != 2 && value[3] != 3 {
		return nil, false
	}
	bits := uint64(binary.LittleEndian.Uint32(value[4:])) | uint64(binary.LittleEndian.Uint32(value[12:]))<<32
	for i, n := range Capabilities {
		if bits>>i&1 != 0 {
			names = append(names, n)
		}
	}
	return names, bits>>len(Capabilities) == 0
}

// Usual is mode and owner of what has no counterpart in stock.
type Usual struct {
	Perm     uint16
	UID, GID uint32
}

// rule gives what matches a pattern its mode and owner.
type rule struct {
	pattern string
	Usual
}

// As AOSP's fs_config has them; the first match wins. Paths are those of the
// running phone.
var (
	usualDirs = []rule{
		{"system/bin", Usual{0o751, 0, 2000}}, {"system/xbin", Usual{0o755, 0, 2000}}, {"*/bin", Usual{0o751, 0, 2000}},
		{"system/vendor", Usual{0o755, 0, 2000}}, {"system/apex/*/bin", Usual{0o751, 0, 2000}},
		{"vendor", Usual{0o755, 0, 2000}}, {"**", Usual{0o755, 0, 0}},
	}
	usualFiles = []rule{
		{"system/bin/**", Usual{0o755, 0, 2000}}, {"system/xbin/**", Usual{0o755, 0, 2000}}, {"*/bin/**", Usual{0o755, 0, 2000}},
		{"bin/**", Usual{0o755, 0, 2000}}, {"sbin/**", Usual{0o750, 0, 2000}}, {"init*", Usual{0o750, 0, 2000}},
		{"*/build.prop", Usual{0o600, 0, 0}}, {"*/etc/build.prop", Usual{0o600, 0, 0}}, {"build.prop", Usual{0o600, 0, 0}},
		{"*/etc/fs_config_*", Usual{0o444, 0, 0}}, {"**", Usual{0o644, 0, 0}},
	}
)

// For returns mode and owner for a new path of the running phone.
func For(p string, t tree.Type) Usual {
	if t == tree.Symlink {
		return Usual{Perm: 0o777}
	}
	table := usualFiles
	if t == tree.Directory {
		table = usualDirs
	}
	for _, u := range table {
		if tree.Match(u.pattern, p) {
			return u.Usual
		}
	}
	return Usual{Perm: 0o644}
}

// Labels guesses the label of a new path from its neighbours.
type Labels struct {
	index *tree.Index
	known map[string]string
}

// Label is the one that things of the same type have most often in the nearest
// folder that stock has and that holds some; failing that, the folder's own.
func (l *Labels) Label(partition, p string, t tree.Type) string {
	for dir := p; dir != ""; {
		dir = path.Dir(dir)
		if dir == "." {
			dir = ""
		}
		here, ok := l.index.Lookup(partition, dir)
		if !ok || here.Type != tree.Directory {
			continue
		}
		key := fmt.Sprintf("%s:%s:%s", partition, dir, t)
		label, ok := l.known[key]
		if !ok {
			if label = l.common(partition, dir, t); label == "" && dir != "" {
				label = here.Label
			}
			l.known[key] = label
		}
		if label != "" || dir == "" {
			return label
		}
	}
	return ""
}

// NewLabels looks at the files of index.
func NewLabels(index *tree.Index) *Labels {
	return &Labels{index: index, known: map[string]string{}}
}

func (l *Labels) common(partition, dir string, t tree.Type) string {
	beside, below := map[string]int{}, map[string]int{}
	for _, e := range l.index.Below(partition, dir) {
		if e.Type != t || e.Label == "" {
			continue
		}
		if below[e.Label]++; path.Dir(e.Path) == dir || dir == "" && !strings.Contains(e.Path, "/") {
			beside[e.Label]++
		}
	}
	if len(beside) > 0 {
		return most(beside)
	}
	return most(below)
}

func most(counts map[string]int) string {
	best := ""
	for label, n := range counts {
		if best == "" || n > counts[best] || n == counts[best] && label < best {
			best = label
		}
	}
	return best
}
