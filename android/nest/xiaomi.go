package nest

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/xiaomi"
)

// addCRCLists lets Verify compare the images of Xiaomi's fastboot firmware with
// its lists of CRCs.
func addCRCLists(o *Opened) {
	dir := o.Root
	if dir.Entry("images") == nil && len(dir.Entries) == 1 { // the folder named as the firmware
		dir = dir.Entries[0].Node
	}
	images := dir.Entry("images")
	if images == nil || images.Type != tree.Directory {
		return
	}
	lists := map[string]*tree.Node{}
	for _, name := range []string{xiaomi.CRCList, xiaomi.SparseCRCList} {
		if n := images.Entry(name); n != nil && n.Type == tree.Regular {
			lists[name] = n
		}
	}
	if len(lists) == 0 {
		return
	}
	files := scriptFiles(dir)
	before := o.Verify
	o.Verify = func(ctx context.Context, report func(string, error)) error {
		if before != nil {
			if err := before(ctx, report); err != nil {
				return err
			}
		}
		for _, name := range []string{xiaomi.CRCList, xiaomi.SparseCRCList} {
			list, ok := lists[name]
			if !ok {
				continue
			}
			crcs, err := xiaomi.ParseCRCs(list.Open())
			if err != nil {
				report(name, err)
				continue
			}
			for _, c := range crcs {
				file := files[c.Partition]
				if file == "" {
					file = c.Partition + ".img"
				}
				im := images.Entry(file)
				if im == nil || im.Type != tree.Regular {
					continue // vendors list what a region's firmware lacks
				}
				err := c.Verify(ctx, im.Open(), im.Size)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				report(fmt.Sprintf("%s: CRC-32 of %s", name, file), err)
			}
		}
		return nil
	}
}

// scriptFiles tells which file the scripts of a firmware flash to which
// partition.
func scriptFiles(dir *tree.Node) map[string]string {
	files := map[string]string{}
	for _, e := range dir.Entries {
		if e.Node.Type != tree.Regular || !strings.HasPrefix(e.Name, "flash_all") || path.Ext(e.Name) != ".sh" {
			continue
		}
		s, err := xiaomi.ParseScript(e.Node.Open())
		if err != nil {
			continue // then files are looked for by the partitions' names
		}
		for _, step := range s.Steps {
			if step.Verb == "flash" && step.File != "" {
				files[step.Partition] = step.File
			}
		}
	}
	return files
}
