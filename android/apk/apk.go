// Package apk reads what an Android app says of itself: its manifest, and who
// signed it.
//
// It neither installs nor changes apps, and reads no resources: a version's name or
// a label that is a reference to one stays unknown. Package pack makes and signs
// APKs, and overlay what resource overlays hold. Of signatures it
// verifies schemes 2 and 3 (the whole file); of the older scheme 1 it says only
// whose certificate it carries.
//
// The formats are described in AOSP: frameworks/base,
// libs/androidfw/include/androidfw/ResourceTypes.h (binary XML), and
// source.android.com, "APK signature scheme v2" and "v3".
package apk

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
)

// Limits of what is read.
const (
	maxManifest = 16 << 20 // bytes
	maxBlock    = 64 << 20 // bytes of an APK signing block
	maxElements = 1 << 20
)

// Manifest is what AndroidManifest.xml says, as far as a system's maker asks.
type Manifest struct {
	Package      string // "com.android.systemui"
	VersionCode  int64  // with versionCodeMajor as its upper 32 bits
	VersionName  string // "" if it is a resource
	SharedUserID string // "android.uid.system"; "": none
	MinSDK       int
	TargetSDK    int
	Uses         []string     // permissions that it asks for, in order
	Declares     []Permission // permissions that it defines
	Overlay      string       // the package that it lays resources over; "": it is no overlay
}

// Permission is one that an app defines.
type Permission struct {
	Name string
	// Level is android:protectionLevel: in the low four bits 0 normal, 1 dangerous,
	// 2 signature, 3 signature|privileged (old); flags above, 0x10 privileged.
	Level uint32
}

// Privileged says whether only the platform's signature or a listing in
// privapp-permissions gives the permission.
func (p Permission) Privileged() bool {
	return p.Level&0xf == 3 || p.Level&0xf == 2 && p.Level&0x10 != 0
}

// ErrNoManifest is wrapped by the errors for a zip without AndroidManifest.xml.
var ErrNoManifest = errors.New("it holds no AndroidManifest.xml")

// Open reads the manifest of an app.
func Open(r io.ReaderAt, size int64) (*Manifest, error) {
	m, err := open(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot read app: %w", err)
	}
	return m, nil
}

func open(r io.ReaderAt, size int64) (*Manifest, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		if f.Name != "AndroidManifest.xml" {
			continue
		}
		e, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("AndroidManifest.xml: %w", err)
		}
		defer e.Close()
		b, err := io.ReadAll(io.LimitReader(e, maxManifest+1))
		if err != nil {
			return nil, fmt.Errorf("AndroidManifest.xml: %w", err)
		}
		if len(b) > maxManifest {
			return nil, fmt.Errorf("AndroidManifest.xml has more than %d bytes", maxManifest)
		}
		m, err := parseManifest(b)
		if err != nil {
			return nil, fmt.Errorf("AndroidManifest.xml: %w", err)
		}
		return m, nil
	}
	return nil, ErrNoManifest
}

// Attributes by their number in the framework's resources, which is what counts:
// their names may be stripped.
const (
	attrName             = 0x01010003
	attrProtectionLevel  = 0x01010009
	attrSharedUserID     = 0x0101000b
	attrTargetPackage    = 0x01010021
	attrMinSDK           = 0x0101020c
	attrVersionCode      = 0x0101021b
	attrVersionName      = 0x0101021c
	attrTargetSDK        = 0x01010270
	attrVersionCodeMajor = 0x01010576
)

func parseManifest(b []byte) (*Manifest, error) {
	m := &Manifest{}
	depth, found := 0, false
	err := walkXML(b, func(e element) error {
		if e.end {
			depth--
			return nil
		}
		depth++
		switch {
		case depth == 1 && e.name == "manifest":
			found = true
			m.Package = e.text(0, "package")
			m.VersionCode = int64(e.number(attrVersionCode, 0)) | int64(e.number(attrVersionCodeMajor, 0))<<32
			m.VersionName = e.text(attrVersionName, "")
			m.SharedUserID = e.text(attrSharedUserID, "")
		case depth == 1:
			return fmt.Errorf("the first element is %q, expected manifest", e.name)
		case depth == 2 && e.name == "uses-sdk":
			m.MinSDK, m.TargetSDK = int(e.number(attrMinSDK, 1)), int(e.number(attrTargetSDK, 0))
		case depth == 2 && (e.name == "uses-permission" || e.name == "uses-permission-sdk-23"):
			if name := e.text(attrName, ""); name != "" {
				m.Uses = append(m.Uses, name)
			}
		case depth == 2 && e.name == "permission":
			if name := e.text(attrName, ""); name != "" {
				m.Declares = append(m.Declares, Permission{name, e.number(attrProtectionLevel, 0)})
			}
		case depth == 2 && e.name == "overlay":
			m.Overlay = e.text(attrTargetPackage, "")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !found || m.Package == "" {
		return nil, errors.New("it names no package")
	}
	return m, nil
}
