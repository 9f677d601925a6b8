package fleet

import (
	"strings"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
)

// Described is a package with what describes it to Custota.
type Described struct {
	Package *catalog.Package
	Csig    blob.Ref
	From    string // incremental of the build that an incremental package starts from
}

// CsigFile is under which name the description of a package is served, beside
// the digest of its own bytes.
func CsigFile(p *catalog.Package) string { return p.File + ".csig" }

// describe notes what describes p, and that it may be fetched when p may.
func (l *line) describe(s *Snapshot, p *catalog.Package, csigs map[blob.Digest]catalog.Csig) {
	c, ok := csigs[p.Digest]
	if !ok || c.Why != "" {
		return
	}
	if l.csigs == nil {
		l.csigs = map[blob.Digest]blob.Ref{}
	}
	l.csigs[p.Digest] = c.Ref
	s.serve(&catalog.Package{Digest: c.Ref.Digest, Size: c.Ref.Size, Kind: KindCsig, Device: p.Device, From: p.From, To: p.To, File: CsigFile(p)}, l.rollout.State)
}

// KindCsig is the kind of what Package finds when it is no package, but what
// describes one.
const KindCsig = "csig"

// Custota is what Custota's clients may have, which say nothing about themselves:
// the full package of the newest release that is complete and unrestricted, and
// the incremental ones to it by the vbmeta digest that a phone has which they are
// for. ok is false if there is none, or none that is described.
func (s *Snapshot) Custota(device, channel string) (full Described, incremental map[string]Described, ok bool) {
	for _, l := range s.lines[lineKey{device, channel}] {
		if !l.forAll() {
			continue
		}
		ref, described := l.csigs[l.full.Digest]
		if !described {
			return Described{}, nil, false
		}
		incremental = map[string]Described{}
		for from, src := range l.from {
			digest := strings.ToLower(src.build.VBMetaDigest)
			if ref, described := l.csigs[src.pkg.Digest]; described && digest != "" {
				incremental[digest] = Described{src.pkg, ref, from}
			}
		}
		return Described{l.full, ref, ""}, incremental, true
	}
	return Described{}, nil, false
}
