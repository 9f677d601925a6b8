package osrepo

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

var labels = regexp.MustCompile(`^u:object_r:[A-Za-z_][A-Za-z0-9_]*:s0(:c[0-9]+(,c[0-9]+)*)?$`)

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

func idNames() []string { return slices.Sorted(maps.Keys(ids)) }

// idOf reads a user or a group: a name or a number.
func idOf(s string) (uint32, bool) {
	if id, ok := ids[s]; ok {
		return id, true
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

func parseMode(s string) (uint16, error) {
	m, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil || m > 0o7777 {
		return 0, fmt.Errorf("mode is %q, expected an octal number such as 0755", s)
	}
	return uint16(m), nil
}

// capabilities in the order of their bits (linux/capability.h).
var capabilities = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}

// encodeCapabilities makes the value of security.capability that AOSP's image
// tools write: revision 2, permitted and effective.
func encodeCapabilities(names []string) []byte {
	if len(names) == 0 {
		return nil
	}
	var bits uint64
	for _, n := range names {
		bits |= 1 << slices.Index(capabilities, n)
	}
	b := make([]byte, 20)
	binary.LittleEndian.PutUint32(b, 0x02000001)
	binary.LittleEndian.PutUint32(b[4:], uint32(bits))
	binary.LittleEndian.PutUint32(b[12:], uint32(bits>>32))
	return b
}

// usual is mode and owner of what has no counterpart in stock.
type usual struct {
	pattern  string
	perm     uint16
	uid, gid uint32
}

// As AOSP's fs_config has them; the first match wins. Paths are those of the
// running phone.
var (
	usualDirs = []usual{
		{"system/bin", 0o751, 0, 2000}, {"system/xbin", 0o755, 0, 2000}, {"*/bin", 0o751, 0, 2000},
		{"system/vendor", 0o755, 0, 2000}, {"system/apex/*/bin", 0o751, 0, 2000},
		{"vendor", 0o755, 0, 2000}, {"**", 0o755, 0, 0},
	}
	usualFiles = []usual{
		{"system/bin/**", 0o755, 0, 2000}, {"system/xbin/**", 0o755, 0, 2000}, {"*/bin/**", 0o755, 0, 2000},
		{"bin/**", 0o755, 0, 2000}, {"sbin/**", 0o750, 0, 2000}, {"init*", 0o750, 0, 2000},
		{"*/build.prop", 0o600, 0, 0}, {"*/etc/build.prop", 0o600, 0, 0}, {"build.prop", 0o600, 0, 0},
		{"*/etc/fs_config_*", 0o444, 0, 0}, {"**", 0o644, 0, 0},
	}
)

// usualFor returns mode and owner for a new path of the running phone.
func usualFor(p string, t tree.Type) usual {
	if t == tree.Symlink {
		return usual{perm: 0o777}
	}
	table := usualFiles
	if t == tree.Directory {
		table = usualDirs
	}
	for _, u := range table {
		if matches(u.pattern, p) {
			return u
		}
	}
	return usual{perm: 0o644}
}

// matches is a path against a pattern, as tree.Index.Glob has it.
func matches(pattern, p string) bool {
	one := tree.Index{Files: []tree.IndexEntry{{Path: p}}}
	return len(one.Glob("", pattern)) > 0
}

// labeller guesses the label of a new path from its neighbours.
type labeller struct {
	index *tree.Index
	known map[string]string
}

// label is the one that things of the same type have most often in the nearest
// folder that stock has and that holds some; failing that, the folder's own.
func (l *labeller) label(partition, p string, t tree.Type) string {
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

func (l *labeller) common(partition, dir string, t tree.Type) string {
	beside, below := map[string]int{}, map[string]int{}
	for _, e := range subtree(l.index, partition, dir) {
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

// subtree lists what lies under a folder of a partition, without itself.
func subtree(ix *tree.Index, partition, dir string) []tree.IndexEntry {
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	i, _ := slices.BinarySearchFunc(ix.Files, prefix, func(e tree.IndexEntry, p string) int {
		if e.Partition != partition {
			return strings.Compare(e.Partition, partition)
		}
		return strings.Compare(e.Path, p)
	})
	j := i
	for j < len(ix.Files) && ix.Files[j].Partition == partition && strings.HasPrefix(ix.Files[j].Path, prefix) {
		j++
	}
	if dir == "" && i < j && ix.Files[i].Path == "" {
		i++
	}
	return ix.Files[i:j]
}
