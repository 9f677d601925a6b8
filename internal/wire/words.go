package wire

import (
	"net/url"
	"strings"
)

// Channels, from the team's daily to everyone's monthly.
const (
	Alpha  = "alpha"
	Beta   = "beta"
	Weekly = "weekly"
	Stable = "stable"
)

// Channels returns all there are, the fastest first.
func Channels() []string { return []string{Alpha, Beta, Weekly, Stable} }

// OpenChannel says whether any handset may follow a channel. The others are the
// test ring: a handset needs a ticket for them.
func OpenChannel(channel string) bool { return channel == Weekly || channel == Stable }

// IsCodename says whether s can name a device or a variant: a letter or digit,
// then up to 63 letters, digits, dots, underscores and hyphens.
func IsCodename(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || i > 0 && strings.IndexByte("_.-", c) >= 0) {
			return false
		}
	}
	return true
}

// IsPatchLevel says whether s is written as Android writes a security patch
// level, YYYY-MM-DD, so that of two of them the lesser text is the older one.
// Compare no others: what is not known may be newer, and a phone may wipe
// itself over an older one.
func IsPatchLevel(s string) bool {
	if len(s) != len("2026-11-05") {
		return false
	}
	for i, c := range []byte(s) {
		if dash := i == 4 || i == 7; dash != (c == '-') || !dash && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// PackagePath is where a server has the package of a SHA-256, in hex, and a
// file name.
func PackagePath(sha256, file string) string {
	return PathPackages + sha256 + "/" + url.PathEscape(file)
}
