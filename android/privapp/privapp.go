// Package privapp reads the files in etc/permissions that say which privileged
// permissions an app in priv-app gets: the allowlists of Android 8 and newer.
//
// What other lists stand in such files (features, libraries) it passes over. See
// source.android.com, "Privileged permission allowlist".
package privapp

import (
	"encoding/xml"
	"fmt"
)

// file is what lies in etc/permissions.
type file struct {
	XMLName xml.Name
	Lists   []struct {
		Package string `xml:"package,attr"`
		Granted []struct {
			Name string `xml:"name,attr"`
		} `xml:"permission"`
		Denied []struct {
			Name string `xml:"name,attr"`
		} `xml:"deny-permission"`
	} `xml:"privapp-permissions"`
}

// Parse reads the privapp-permissions of a file in etc/permissions: the
// names that are granted, or denied, to each package. Other lists in it are
// passed over.
func Parse(text []byte) (map[string][]string, error) {
	var f file
	if err := xml.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("cannot read permissions: %w", err)
	}
	if name := f.XMLName.Local; name != "permissions" && name != "config" {
		return nil, fmt.Errorf("cannot read permissions: the first element is %q, expected permissions", name)
	}
	out := map[string][]string{}
	for _, l := range f.Lists {
		for _, g := range append(l.Granted, l.Denied...) {
			out[l.Package] = append(out[l.Package], g.Name)
		}
	}
	return out, nil
}
