// Package fingerprint reads and writes Android build fingerprints
// (ro.build.fingerprint). It does not say which build one names: vendors and
// custom systems reuse them. The form is described in the Android Compatibility
// Definition Document, section 3.2.2, Build Parameters.
package fingerprint

// Fingerprint is brand/product/device:release/id/incremental:type/tags.
type Fingerprint struct {
	Brand, Product, Device   string
	Release, ID, Incremental string
	Type, Tags               string
}

// Parse reads a fingerprint.
func Parse(s string) (Fingerprint, error) { panic("unwritten") }

// String writes f as Android does.
func (f Fingerprint) String() string { panic("unwritten") }
