// Package office is the pages about what is shipped: devices, releases and the
// train's console. Its rules are package train's.
package office

import "embed"

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS
