package stocktest

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// fileTime is the time of every file, as AOSP sets it: 2009-01-01.
const fileTime = 1230768000

// group is a kind of files that a system has many of.
type group struct {
	names string  // pattern with %s for a name that is made up
	share int     // of 3,000 files
	bytes float64 // share of all bytes
	kind  kind
}

// groups follow the listing of a vendor's system of Android 13.
var groups = []group{
	{"system/app/%[1]s/%[1]s.apk", 60, 14, mixed},
	{"system/app/%[1]s/oat/arm64/%[1]s.odex", 60, 4, code},
	{"system/app/%[1]s/oat/arm64/%[1]s.vdex", 60, 2, code},
	{"system/priv-app/%[1]s/%[1]s.apk", 45, 18, mixed},
	{"system/priv-app/%[1]s/oat/arm64/%[1]s.odex", 45, 5, code},
	{"system/framework/%s.jar", 55, 9, mixed},
	{"system/framework/arm64/boot-%s.oat", 20, 8, code},
	{"system/framework/arm64/boot-%s.art", 20, 2, code},
	{"system/lib64/lib%s.so", 520, 17, code},
	{"system/lib/lib%s.so", 260, 6, code},
	{"system/lib64/hw/%s.default.so", 30, 0.5, code},
	{"system/bin/%s", 170, 4, code},
	{"system/etc/permissions/%s.xml", 140, 0.4, text},
	{"system/etc/init/%s.rc", 130, 0.1, text},
	{"system/etc/security/cacerts/%.8s.0", 135, 0.3, text},
	{"system/etc/vintf/manifest/%s.xml", 40, 0.1, text},
	{"system/etc/%s.conf", 60, 0.2, text},
	{"system/fonts/NotoSans%s-Regular.ttf", 190, 6, noise},
	{"system/media/audio/ringtones/%s.ogg", 60, 1.5, noise},
	{"system/media/audio/ui/%s.ogg", 60, 0.4, noise},
	{"system/usr/keylayout/%s.kl", 60, 0.1, text},
	{"system/usr/hyphen-data/hyph-%s.hyb", 60, 0.4, code},
	{"system/usr/share/zoneinfo/%s", 90, 0.2, text},
	{"system/media/theme/default/%s.png", 470, 1, noise},
	{"system/overlay/%[1]s/%[1]s.apk", 130, 0.6, mixed},
	{"system/etc/compatconfig/%s.xml", 30, 0.1, text},
}

// Syllables of made-up names.
var syllables = strings.Fields("an ar ba bi ca com con cor da dev di en er fi ga graph in io ka la lo ma me mi mo na net no o ra re ri sa sec ser si so sta ta te ti to u va ver vi wi x ya ze")

// labelsOf are the types that file_contexts gives; the longest prefix wins.
var labelsOf = map[string]string{
	"": "rootfs", "init": "init_exec", "system": "system_file", "system/bin": "system_file", "system/bin/init": "init_exec",
	"system/bin/sh": "shell_exec", "system/bin/toybox": "toolbox_exec", "system/bin/run-as": "runas_exec",
	"system/bin/surfaceflinger": "surfaceflinger_exec", "system/bin/netd": "netd_exec", "system/bin/vold": "vold_exec",
	"system/bin/uncrypt": "uncrypt_exec", "system/bin/update_engine": "update_engine_exec",
	"system/lib": "system_lib_file", "system/lib64": "system_lib_file", "system/etc/selinux": "sepolicy_file",
	"system/etc/security/cacerts": "system_security_cacerts_file", "system/usr/share/zoneinfo": "system_zoneinfo_file",
	"system/etc/seccomp_policy": "system_seccomp_policy_file", "dev": "device", "proc": "proc", "sys": "sysfs", "data": "system_data_root_file",
	"mnt": "tmpfs", "cache": "cache_file", "metadata": "metadata_file", "vendor": "vendor_file", "system/vendor": "vendor_file",
}

// label is the value of security.selinux for a path, with the NUL that
// Android's images have behind it.
func label(path string) []byte {
	for p := path; ; p = p[:max(strings.LastIndexByte(p, '/'), 0)] {
		if t, ok := labelsOf[p]; ok {
			return []byte("u:object_r:" + t + ":s0\x00")
		}
	}
}

// at returns the directory at path and makes what lacks.
func at(root *tree.Node, path string, dir func(path string) *tree.Node) *tree.Node {
	if path == "" {
		return root
	}
	n, done := root, ""
	for name := range strings.SplitSeq(path, "/") {
		done = strings.TrimPrefix(done+"/"+name, "/")
		next := n.Entry(name)
		if next == nil {
			next = dir(done)
			n.Set(name, next)
		}
		n = next
	}
	return n
}

// file makes a regular file of made-up content. One in fifty differs from
// version to version.
func (s Spec) file(path string, k kind, size int64) *tree.Node {
	seed := seedOf(s.Seed, path)
	if seed%50 == 0 {
		seed = seedOf(seed, s.Version)
	}
	n := &tree.Node{Type: tree.Regular, Perm: 0o644, MTime: fileTime, Size: size}
	if size > 0 {
		n.Content = &synthetic{k, seed, size}
	}
	return n
}

// builder puts a system together.
type builder struct {
	Spec
	root *tree.Node
}

func (b *builder) dir(path string) *tree.Node {
	n := tree.NewDir(0o755, 0, 0)
	if path == "system/bin" {
		n.Perm, n.GID = 0o751, 2000
	}
	n.MTime = fileTime
	n.SetXattr("security.selinux", label(path))
	return n
}

// put sets a path; owner and mode of programs are those of AOSP's fs_config.
func (b *builder) put(path string, n *tree.Node) *tree.Node {
	parent, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	n.MTime = fileTime
	if n.Type == tree.Regular && strings.HasPrefix(path, "system/bin/") {
		n.Perm, n.GID = 0o755, 2000
	}
	if n.Type != tree.Directory || b.root.Lookup(path) == nil {
		n.SetXattr("security.selinux", label(path))
		at(b.root, parent, b.dir).Set(name, n)
	}
	return n
}

func (b *builder) text(path, content string) *tree.Node {
	return b.put(path, tree.NewFile(0o644, 0, 0, []byte(content)))
}

func (s Spec) systemTree(certs []byte) (*tree.Node, error) {
	b := &builder{Spec: s}
	b.root = b.dir("")
	b.skeleton(certs)
	b.many()
	b.oddities()
	if s.Extra != nil {
		if s.Extra.Type != tree.Directory {
			return nil, fmt.Errorf("extra files: expected a directory, found a %s", s.Extra.Type)
		}
		b.lay("", s.Extra, b.root)
	}
	if !s.of.asRoot {
		return b.root.Lookup("system"), nil
	}
	return b.root, nil
}

// skeleton is what every system has, by name.
func (b *builder) skeleton(certs []byte) {
	for _, d := range strings.Fields("acct apex bootstrap-apex config data data_mirror debug_ramdisk dev linkerconfig metadata mnt odm odm_dlkm oem postinstall proc second_stage_resources storage sys system_ext product vendor vendor_dlkm") {
		at(b.root, d, b.dir)
	}
	for name, target := range map[string]string{
		"init": "/system/bin/init", "bin": "/system/bin", "etc": "/system/etc", "d": "/sys/kernel/debug", "sdcard": "/storage/self/primary",
		"bugreports": "/data/user_de/0/com.android.shell/files/bugreports", "cache": "/data/cache",
		"system/vendor": "/vendor", "system/product": "/product", "system/system_ext": "/system_ext",
	} {
		b.put(name, tree.NewSymlink(target, 0, 0))
	}
	b.text("system/build.prop", b.buildProp()).Perm = 0o600
	b.put("system/etc/security/otacerts.zip", tree.NewFile(0o644, 0, 0, certs))
	b.text("system/etc/hosts", "127.0.0.1       localhost\n::1             ip6-localhost\n")
	b.text("system/etc/selinux/plat_file_contexts", "/system(/.*)?		u:object_r:system_file:s0\n/system/bin/init	u:object_r:init_exec:s0\n")
	b.text("system/etc/selinux/plat_sepolicy_and_mapping.sha256", fmt.Sprintf("%064x\n", seedOf(b.Seed, "policy")))
	b.put("system/etc/selinux/plat_sepolicy.cil", b.file("system/etc/selinux/plat_sepolicy.cil", text, 900<<10))
	b.put("system/etc/selinux/mapping/33.0.cil", b.file("system/etc/selinux/mapping/33.0.cil", text, 90<<10))
	b.text("system/etc/selinux/plat_sepolicy_and_mapping.sha256", strings.Repeat("0123456789abcdef", 4)+"\n")
	for name, size := range map[string]int64{"init": 900 << 10, "sh": 300 << 10, "toybox": 420 << 10, "netd": 200 << 10, "vold": 300 << 10, "surfaceflinger": 500 << 10, "update_engine": 700 << 10, "app_process64": 40 << 10, "linker64": 500 << 10} {
		b.put("system/bin/"+name, b.file("system/bin/"+name, code, b.scaled(size)))
	}
	for _, name := range strings.Fields("ls cat cp mv rm ln ps top df du mount umount chmod chown chcon getprop setprop stat sleep sed sort tar tee touch uname uniq wc which xargs id kill dd date dirname basename cut cmp diff find grep head tail md5sum sha256sum mkdir rmdir") {
		b.put("system/bin/"+name, tree.NewSymlink("toybox", 0, 2000))
	}
	for name, caps := range map[string]uint64{"run-as": 1<<6 | 1<<7, "simpleperf_app_runner": 1<<6 | 1<<7, "uncrypt": 1 << 1, "dnsmasq": 1<<10 | 1<<12 | 1<<13, "logd_helper": 1<<34 | 1<<30} {
		n := b.put("system/bin/"+name, b.file("system/bin/"+name, code, 24<<10))
		n.SetXattr("security.capability", capability(caps))
		if n.Perm = 0o755; name == "run-as" || name == "simpleperf_app_runner" {
			n.Perm = 0o750
		}
	}
	for _, app := range []string{"app/MSA", "app/AnalyticsCore", "app/Calculator", "priv-app/Settings", "priv-app/SystemUI", "priv-app/MiuiCamera"} {
		name := app[strings.LastIndexByte(app, '/')+1:]
		b.put("system/"+app+"/"+name+".apk", b.file("system/"+app+"/"+name+".apk", mixed, b.scaled(700<<10)))
		b.put("system/"+app+"/oat/arm64/"+name+".odex", b.file("system/"+app+"/oat/arm64/"+name+".odex", code, b.scaled(200<<10)))
	}
	for _, jar := range []string{"framework", "services", "telephony-common"} {
		b.put("system/framework/"+jar+".jar", b.file("system/framework/"+jar+".jar", mixed, b.scaled(2<<20)))
	}
	b.put("system/framework/framework-res.apk", b.file("system/framework/framework-res.apk", mixed, b.scaled(3<<20)))
}

// scaled fits a size of the full-sized firmware to a smaller one.
func (b *builder) scaled(size int64) int64 {
	return max(int64(float64(size)*min(1, float64(b.Bytes)/float64(Default().Bytes))), 512)
}

// many fills the groups: as many files and bytes as the Spec says.
func (b *builder) many() {
	total, shares := 0.0, 0
	for _, g := range groups {
		total += g.bytes
		shares += g.share
	}
	budget := max(float64(b.Bytes)*0.82, 0)
	for _, g := range groups {
		count := max(g.share*b.Files/shares, 1)
		r := random(seedOf(b.Seed, g.names))
		sizes, sum := make([]float64, count), 0.0
		for i := range sizes {
			// Sizes spread as those of systems do: most are small, few make the bulk.
			u := float64(r.next()>>11) / (1 << 53)
			sizes[i] = math.Pow(2, 9*u*u)
			sum += sizes[i]
		}
		names := map[string]bool{}
		stem := strings.SplitN(g.names, "/oat/", 2)[0] // an app's name is its odex's too
		if i := strings.LastIndexByte(stem, '/'); strings.Contains(g.names, "[1]") && !strings.Contains(g.names, "/oat/") {
			stem = stem[:i]
		}
		made := random(seedOf(b.Seed, stem))
		for i := range count {
			path := fmt.Sprintf(g.names, name(&made, names))
			size := int64(budget * g.bytes / total * sizes[i] / sum)
			b.put(path, b.file(path, g.kind, size))
		}
	}
}

// name makes one up that is not in use.
func name(r *random, used map[string]bool) string {
	for {
		var n strings.Builder
		for range 3 + r.below(3) {
			s := syllables[r.below(len(syllables))]
			if r.below(2) == 0 {
				s = strings.ToUpper(s[:1]) + s[1:]
			}
			n.WriteString(s)
		}
		short := n.String()[:min(8, n.Len())] // cacerts cut names to eight letters
		if n.Len() >= 8 && !used[short] {
			used[short] = true
			return n.String()
		}
	}
}

// oddities are what codecs stumble over.
func (b *builder) oddities() {
	long := "system/etc/" + strings.Repeat("a-very-long-name-", 13) + "end.xml" // 228 bytes
	b.put(long, b.file(long, text, 900))
	b.text("system/media/theme/小米主题-默认.xml", "<theme name=\"默认\"/>\n")
	b.text("system/media/audio/ringtones/Ünïcödé Größe.txt", "ringtone\n")
	b.text("system/etc/name with spaces & $igns.conf", "x\n")
	b.text("system/etc/empty.conf", "")
	b.text("system/etc/permissions/.keep", "")
	at(b.root, "system/etc/empty/deep/er", b.dir)
	b.put("system/etc/self", tree.NewSymlink("self", 0, 0))
	b.put("system/etc/dangling", tree.NewSymlink(strings.Repeat("../", 60)+"nowhere", 0, 0))
	linked := b.put("system/usr/share/zoneinfo/tzdata", b.file("system/usr/share/zoneinfo/tzdata", noise, 100<<10))
	at(b.root, "system/apex/com.android.tzdata/etc/tz", b.dir).Set("tzdata", linked)
	tiny := b.text("system/etc/permissions/platform.xml", "<permissions/>\n")
	at(b.root, "system/etc/permissions", b.dir).Set("platform-copy.xml", tiny)
	owned := b.text("system/etc/wifi/wpa_supplicant.conf", "update_config=1\n")
	owned.UID, owned.GID, owned.Perm = 1010, 1010, 0o660
	zeros := &tree.Node{Type: tree.Regular, Perm: 0o444, Size: 300_001, Content: zeroReader{}}
	b.put("system/etc/zeros.bin", zeros)
	for i, size := range []int64{1, 2047, 2048, 2049, 4095, 4096, 4097, 8192} {
		path := fmt.Sprintf("system/etc/sizes/%d.bin", i)
		b.put(path, b.file(path, noise, size))
	}
}

type zeroReader struct{}

func (zeroReader) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	return len(p), nil
}

// lay puts the extra files over the system.
func (b *builder) lay(path string, from, to *tree.Node) {
	for _, e := range from.Entries {
		full := strings.TrimPrefix(path+"/"+e.Name, "/")
		have := to.Entry(e.Name)
		if e.Node.Type == tree.Directory {
			if have == nil || have.Type != tree.Directory {
				have = b.dir(full)
				to.Set(e.Name, have)
			}
			b.lay(full, e.Node, have)
			continue
		}
		n := *e.Node
		n.Xattrs = slices.Clone(n.Xattrs)
		if n.Label() == "" {
			n.SetXattr("security.selinux", label(full))
		}
		n.MTime, n.MTimeNsec = fileTime, 0
		to.Set(e.Name, &n)
	}
}

// capability is the value of security.capability: revision 2, effective.
func capability(bits uint64) []byte {
	v := make([]byte, 20)
	binary.LittleEndian.PutUint32(v, 0x02000001)
	binary.LittleEndian.PutUint32(v[4:], uint32(bits))
	binary.LittleEndian.PutUint32(v[12:], uint32(bits>>32))
	return v
}
