package osrepo

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPath is the longest path in bytes that Linux opens.
const maxPath = 4095

// maxSecret is the most bytes of a file in which a private key is looked for.
const maxSecret = 64 << 10

var secret = regexp.MustCompile(`-----BEGIN ([A-Z]+ )?PRIVATE KEY-----`)

// reserved are the names that Windows keeps for devices, whatever their ending.
var reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$`)

// checkName says whether a file can have a path: on a phone, and in everybody's checkout
// of the repository.
func checkName(p string) error {
	if len(p) > maxPath {
		return fmt.Errorf("the path has %d bytes, expected at most %d", len(p), maxPath)
	}
	if !utf8.ValidString(p) {
		return errors.New("the name is not UTF-8")
	}
	for _, name := range strings.Split(p, "/") {
		switch i := strings.IndexFunc(name, unicode.IsControl); {
		case i >= 0:
			return fmt.Errorf("there is %q in the name %q; lists of files have one a line", name[i:i+1], name)
		case len(name) > 255:
			return fmt.Errorf("a name has %d bytes, expected at most 255", len(name))
		case strings.ContainsAny(name, `<>:"|?*\`):
			return fmt.Errorf("Windows takes no name with %q, and nobody there could check the repository out", name[strings.IndexAny(name, `<>:"|?*\`)])
		case reserved.MatchString(name):
			return fmt.Errorf("Windows keeps the name %s for a device, and nobody there could check the repository out", name)
		case name != "" && slices.Contains([]byte(". "), name[len(name)-1]):
			return fmt.Errorf("Windows takes no name that ends in %q, and nobody there could check the repository out", name[len(name)-1])
		}
	}
	return nil
}
