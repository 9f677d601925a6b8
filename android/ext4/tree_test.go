package ext4_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

const buildTime = 1764000000

type generator struct{ *rand.Rand }

// randomTree makes a tree that has a bit of everything, the same for the same
// seed. Everything in it can also be made on a disk.
func randomTree(seed uint64, files int) *tree.Node {
	g := &generator{rand.New(rand.NewPCG(seed, 11))}
	root := tree.NewDir(0o755, 0, 0)
	g.dress(root)
	dirs := []*tree.Node{root}
	var links []*tree.Node
	for i := range files {
		dir := dirs[g.IntN(len(dirs))]
		var n *tree.Node
		switch k := g.IntN(20); {
		case k < 3:
			n = tree.NewDir(uint16(g.IntN(0o10000)), 0, 0)
			dirs = append(dirs, n)
		case k < 5:
			n = tree.NewSymlink(strings.Repeat("x", 1+g.IntN(120)), 0, 0)
			if g.IntN(20) == 0 {
				n.Target = strings.Repeat("deep/", 819)[:4094-g.IntN(20)] // the kernel's own limit
			}
		case k == 5:
			n = &tree.Node{Type: tree.CharDevice, Perm: 0o600, Major: uint32(g.IntN(4096)), Minor: uint32(g.IntN(1 << 20))}
			if g.IntN(2) == 0 {
				n.Major, n.Minor = n.Major&0xff, n.Minor&0xff
			}
		case k == 6:
			n = &tree.Node{Type: []tree.Type{tree.FIFO, tree.Socket, tree.BlockDevice}[g.IntN(3)], Perm: 0o644}
		case k == 7 && len(links) > 0:
			dir.Set(g.name(i), links[g.IntN(len(links))])
			continue
		default:
			n = tree.NewFile(uint16(g.IntN(0o10000)), 0, 0, g.content())
			links = append(links, n)
		}
		g.dress(n)
		dir.Set(g.name(i), n)
	}
	return root
}

func (g *generator) name(i int) string {
	switch g.IntN(12) {
	case 0:
		return fmt.Sprintf("%d-%s", i, strings.Repeat("long", 70))[:255]
	case 1:
		return fmt.Sprintf("!before-dot-%d", i)
	case 2:
		return fmt.Sprintf("\xff\xfe\x80-%d", i)
	}
	return fmt.Sprintf("file-%d", i)
}

// dress gives a node an owner, a time and xattrs.
func (g *generator) dress(n *tree.Node) {
	n.MTime = buildTime
	if g.IntN(3) == 0 {
		n.MTime, n.MTimeNsec = g.Int64N(1<<33), uint32(g.IntN(1e9))
	}
	n.UID, n.GID = uint32(g.IntN(3000)), uint32(g.IntN(3000))
	if g.IntN(10) == 0 {
		n.UID = 1<<16 + uint32(g.IntN(1<<20))
	}
	label := []string{"u:object_r:system_file:s0", "u:object_r:vendor_file:s0", "u:object_r:system_lib_file:s0"}[g.IntN(3)]
	n.SetXattr("security.selinux", append([]byte(label), 0))
	if n.Type == tree.Regular && g.IntN(5) == 0 {
		b := make([]byte, 20) // a file capability, version 2
		binary.LittleEndian.PutUint32(b, 0x02000001)
		binary.LittleEndian.PutUint32(b[4:], uint32(1)<<g.IntN(4))
		n.SetXattr("security.capability", b)
	}
	if (n.Type == tree.Regular || n.Type == tree.Directory) && g.IntN(5) == 0 {
		n.SetXattr(fmt.Sprintf("user.note%d", g.IntN(5)), bytes.Repeat([]byte("v"), g.IntN(300)))
	}
	if g.IntN(12) == 0 {
		n.SetXattr("trusted.own", binary.BigEndian.AppendUint64(nil, g.Uint64()))
	}
	if n.Type == tree.Regular && g.IntN(20) == 0 {
		le := binary.LittleEndian
		acl := le.AppendUint32(nil, 2)
		for _, e := range []struct {
			tag, perm uint16
			id        uint32
		}{{1, 6, ^uint32(0)}, {2, 5, 1000}, {4, 4, ^uint32(0)}, {16, 5, ^uint32(0)}, {32, 4, ^uint32(0)}} {
			acl = le.AppendUint32(le.AppendUint16(le.AppendUint16(acl, e.tag), e.perm), e.id)
		}
		n.Perm = n.Perm&^0o777 | 0o654
		n.SetXattr("system.posix_acl_access", acl)
	}
}

func (g *generator) content() []byte {
	n := []int{0, 1, g.IntN(60), g.IntN(300), 2048, 4095, 4096, 4097, g.IntN(9000), g.IntN(60000), g.IntN(400000)}[g.IntN(11)]
	b := make([]byte, n)
	if g.IntN(4) > 0 { // else zeros
		for i := range b {
			b[i] = byte(g.Uint32())
		}
	}
	return b
}
