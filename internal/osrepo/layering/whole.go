package layering

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/cil"
	"github.com/fridayos/friday/internal/osrepo/initrc"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// whole checks what can be told once all that comes and goes is known.
func (p *planner) whole() {
	p.services()
	p.policies()
	p.loops()
	p.cases()
}

// exists looks a path up as the layers leave it.
func (p *planner) exists(partition, name string) (t tree.Type, perm uint16, ok bool) {
	if c, is := p.placed[place(partition, name)]; is {
		return c.placed.Type, c.placed.Perm, true
	}
	e, ok := p.stock(partition, name)
	return e.Type, e.Perm, ok
}

// services compares what init is told to start with the programs that there are.
func (p *planner) services() {
	for _, name := range slices.Sorted(maps.Keys(p.placed)) {
		c := p.placed[name]
		w := c.placed
		if w.File == nil || p.ramdisks[name] || w.Type != tree.Regular || path.Ext(w.Path) != ".rc" || path.Base(path.Dir(w.Path)) != "init" {
			continue
		}
		text, err := w.File.Bytes(initrc.MaxSize)
		if err != nil {
			p.complain(c.layer, c.at, "", "%s: %v", w.File.Path, err)
			continue
		}
		services, mistakes := initrc.Parse(text)
		if !strings.HasPrefix(c.at, "init[") { // the others are told already
			for _, m := range mistakes {
				p.problems.Add(w.File.Path, strict.Pos{Line: m.Line, Col: m.Col}, strict.Meant(m.Word, m.Among), "%s", m.Message)
			}
		}
		for _, s := range services {
			p.program(w.File.Path, s)
		}
	}
}

// program says whether what a service starts is there, and can be started.
func (p *planner) program(file string, s initrc.Service) {
	partition, name, ok := p.onPartition(s.Program)
	if !ok {
		return // of an apex, of a ramdisk, or of a partition that nobody listed
	}
	at := strict.Pos{Line: s.Line, Col: s.Col}
	t, perm, ok := p.exists(partition, name)
	switch {
	case !ok:
		p.problems.Add(file, at, p.near(partition, name), "service %s starts %s, which neither stock nor a layer has", s.Name, s.Program)
	case t == tree.Directory:
		p.problems.Add(file, at, "", "service %s starts %s, which is a folder", s.Name, s.Program)
	case t == tree.Regular && perm&0o111 == 0:
		p.problems.Add(file, at, "mark it executable (git update-index --chmod=+x), or give it a mode by a rule", "service %s starts %s, which has mode %04o: nobody may run it", s.Name, s.Program, perm)
	}
}

// onPartition finds where a path of the running phone lies. ok is false where it is not
// known.
func (p *planner) onPartition(on string) (partition, name string, ok bool) {
	on = strings.TrimPrefix(path.Clean(on), "/")
	first, rest, _ := strings.Cut(on, "/")
	if first == "system" {
		name = p.view.Path("system", on)
		// system/vendor and the like lead to partitions.
		if sub, below, _ := strings.Cut(rest, "/"); slices.Contains(overlayFolders, sub) && slices.Contains(p.view.Partitions, sub) {
			return p.onPartition("/" + sub + "/" + below)
		}
		return "system", name, p.known("system")
	}
	if slices.Contains(overlayFolders, first) && p.known(first) {
		return first, rest, true
	}
	return "", "", false
}

func (p *planner) known(partition string) bool {
	_, ok := p.view.Index.Lookup(partition, "")
	return ok
}

// policies compares the rules that layers add with the stock's policy.
func (p *planner) policies() {
	if p.view.Policy == nil {
		return // not known
	}
	var own [][]byte
	var files []*osrepo.File
	for _, c := range p.plan.Policy {
		text, err := c.File.Bytes(maxPolicy)
		if err != nil {
			continue // said already
		}
		own, files = append(own, text), append(files, c.File)
	}
	for i, text := range own {
		for _, m := range cil.Check(text, p.view.Policy, own...) {
			p.problems.Add(files[i].Path, strict.Pos{Line: m.Line, Col: m.Col}, strict.Meant(m.Word, m.Among), "%s", m.Message)
		}
	}
}

// maxPolicy is the most bytes of a file of policy.
const maxPolicy = 16 << 20

// maxLinks is how many symlinks Linux follows on the way to a file.
const maxLinks = 40

// loops finds symlinks that layers add and that lead in a circle.
func (p *planner) loops() {
	for _, name := range slices.Sorted(maps.Keys(p.placed)) {
		c := p.placed[name]
		if w := c.placed; w.Type == tree.Symlink && !p.ramdisks[name] && p.circle(w.Partition, w.Path) {
			p.complain(c.layer, c.at, "", "%s is a symlink that leads in a circle", name)
		}
	}
}

// circle follows a symlink, and those on its way.
func (p *planner) circle(partition, name string) bool {
	links := 0
	// parts are what is still to be walked, done where that is on the partition.
	done, parts := "", strings.Split(name, "/")
	for len(parts) > 0 {
		next := parts[0]
		parts = parts[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			done = path.Dir("/" + done)[1:]
			continue
		}
		here := path.Join(done, next)
		target, is := p.link(partition, here)
		if !is {
			done = here
			continue
		}
		if links++; links > maxLinks {
			return true
		}
		if strings.HasPrefix(target, "/") {
			on, rest, ok := p.onPartition(target)
			if !ok {
				return false // nobody knows
			}
			partition, done, target = on, "", rest
		}
		parts = append(strings.Split(target, "/"), parts...)
		if len(parts) > 4096 {
			return true
		}
	}
	return false
}

func (p *planner) link(partition, name string) (target string, ok bool) {
	if c, is := p.placed[place(partition, name)]; is {
		if c.placed.Type != tree.Symlink || c.placed.File == nil {
			return "", false
		}
		target, err := c.placed.File.ReadLink()
		return target, err == nil
	}
	e, ok := p.stock(partition, name)
	return e.Target, ok && e.Type == tree.Symlink
}

// cases finds paths that differ from others in the case of letters alone: nearly always
// a file that was to replace another, and one that no checkout on a Mac holds.
func (p *planner) cases() {
	lower := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.placed)) {
		folded := strings.ToLower(name)
		first, clash := lower[folded]
		if !clash {
			lower[folded] = name
			continue
		}
		if c, other := p.placed[name], p.placed[first]; !c.placed.Replaces || !other.placed.Replaces {
			p.complain(c.layer, c.at, "", "%s and %s, which %s adds, differ in the case of letters alone", name, first, p.where(other))
		}
	}
	for _, e := range p.view.Index.Files {
		name := place(e.Partition, e.Path)
		added, is := lower[strings.ToLower(name)]
		if !is || added == name || p.ramdisks[added] {
			continue
		}
		_, gone := p.removed[name]
		if c := p.placed[added]; !gone && !c.placed.Replaces {
			p.complain(c.layer, c.at, fmt.Sprintf("did you mean %q?", name), "%s differs from stock's %s in the case of letters alone", added, name)
		}
	}
}
