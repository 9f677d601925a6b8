package intake

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/privapp"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

// maxList is the most bytes of a file in etc/permissions that are read.
const maxList = 4 << 20

// addApps adds to a view what the apps of a partition say of themselves, which
// permissions the framework keeps for privileged ones, and whom stock gives them.
// What cannot be read as an app is none.
func addApps(partition string, root *tree.Node, v *osrepo.View) error {
	return tree.Walk(root, func(name string, n *tree.Node) error {
		switch {
		case n.Type != tree.Regular || n.Size == 0:
		case path.Ext(name) == ".apk":
			addApp(partition, name, n, v)
		case path.Base(path.Dir(name)) == "permissions" && strings.HasPrefix(path.Base(name), "privapp-permissions") && n.Size <= maxList:
			text, err := io.ReadAll(n.Open())
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			lists, err := privapp.Parse(text)
			if err != nil {
				return nil // Android passes it over too
			}
			for pkg, names := range lists {
				if v.Granted == nil {
					v.Granted = map[string][]string{}
				}
				v.Granted[pkg] = append(v.Granted[pkg], names...)
			}
		}
		return nil
	})
}

func addApp(partition, name string, n *tree.Node, v *osrepo.View) {
	m, err := apk.Open(n.Content, n.Size)
	if err != nil {
		return
	}
	app := osrepo.StockApp{Partition: partition, Path: name, Package: m.Package, VersionCode: m.VersionCode, VersionName: m.VersionName, SharedUser: m.SharedUserID, Uses: m.Uses}
	if signers, err := apk.Certificates(n.Content, n.Size); err == nil {
		app.Signer = fmt.Sprintf("%x", signers[0].SHA256())
	}
	v.Apps = append(v.Apps, app)
	if m.Package != "android" {
		return
	}
	for _, p := range m.Declares {
		if p.Privileged() && !slices.Contains(v.Privileged, p.Name) {
			v.Privileged = append(v.Privileged, p.Name)
		}
	}
}
