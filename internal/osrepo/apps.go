package osrepo

import (
	"fmt"
	"path"
)

// App is an app that a layer brings: the APK, its folder, and the file that lists
// its permissions.
type App struct {
	APK         string `yaml:"apk"`         // beside layer.yaml
	To          string `yaml:"to"`          // folder: "system:system/priv-app/Camera"
	Permissions string `yaml:"permissions"` // an XML file for etc/permissions; may be left out
}

// PlannedApp is an app as it comes.
type PlannedApp struct {
	Layer       string `json:"layer"`
	Partition   string `json:"partition"`
	Path        string `json:"path"`
	Package     string `json:"package"`
	VersionCode int64  `json:"version_code"`
	VersionName string `json:"version_name"`
	Signer      string `json:"signer"`            // SHA-256 of the certificate, in hex; "": it is not signed
	Scheme      int    `json:"scheme"`            // of the signature: 1 to 3
	Overlay     string `json:"overlay,omitempty"` // the package that it lays resources over
}

// StockApp is an app of stock.
type StockApp struct {
	Partition   string `json:"partition"`
	Path        string `json:"path"`
	Package     string `json:"package"`
	VersionCode int64  `json:"version_code"`
	VersionName string `json:"version_name,omitempty"`
	SharedUser  string `json:"shared_user,omitempty"`
	Signer      string `json:"signer,omitempty"` // SHA-256 of the certificate, in hex
	// Uses are the permissions that it asks for; of listings made before they were kept,
	// no app has any.
	Uses []string `json:"uses,omitempty"`
}

func (l *Layer) checkApps() {
	d := l.doc
	for i, a := range l.Apps {
		at := fmt.Sprintf("apps[%d]", i)
		d.Require(at+".apk", at+".to")
		if d.Has(at + ".apk") {
			l.checkFile(at+".apk", a.APK, ".apk")
		}
		if d.Has(at + ".permissions") {
			l.checkFile(at+".permissions", a.Permissions, ".xml")
		}
		if d.Has(at + ".to") {
			if _, p, err := SplitPlace(a.To); err != nil {
				d.Add(at+".to", "", "cannot add to %q: %v", a.To, err)
			} else if parent := path.Base(path.Dir(p)); parent != "app" && parent != "priv-app" {
				d.Add(at+".to", "", "to is %q, expected a folder of its own in app or priv-app, such as system:system/app/Camera", a.To)
			}
		}
	}
}
