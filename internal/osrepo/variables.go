package osrepo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/osrepo/strict"
)

// Variables are the names that values may use as ${name}; there is no other
// templating.
var Variables = []string{"version", "os.name", "device.codename", "device.name", "device.vendor", "channel", "update_url", "stock.fingerprint", "stock.incremental"}

// Ours are the properties that Friday sets in each build; no layer may.
var Ours = []string{
	"ro.build.version.incremental", "ro.build.date.utc", "ro.build.date", "ro.friday.version", "ro.friday.channel", "ro.friday.update_url",
}

var variable = regexp.MustCompile(`\$\{[^}]*\}?`)

func checkVariables(value string) error {
	for _, v := range variable.FindAllString(value, -1) {
		name, ok := strings.CutSuffix(v, "}")
		if name = strings.TrimPrefix(name, "${"); !ok {
			return fmt.Errorf("%q is not closed with }", v)
		}
		if !slices.Contains(Variables, name) {
			return fmt.Errorf("unknown variable %s", v)
		}
	}
	return nil
}

// meantVariable is the hint that goes with checkVariables' error.
func meantVariable(value string) string {
	for _, v := range variable.FindAllString(value, -1) {
		name := strings.Trim(v, "${}")
		if near := strict.Nearest(name, Variables); !slices.Contains(Variables, name) && near != "" {
			return fmt.Sprintf("did you mean ${%s}?", near)
		}
	}
	return "there are ${" + strings.Join(Variables, "}, ${") + "}"
}

// Expand puts values in the place of variables.
func Expand(text string, values map[string]string) (string, error) {
	var err error
	out := variable.ReplaceAllStringFunc(text, func(v string) string {
		value, ok := values[strings.Trim(v, "${}")]
		if !ok && err == nil {
			err = fmt.Errorf("cannot expand %q: there is no value for %s", text, v)
		}
		return value
	})
	return out, err
}
