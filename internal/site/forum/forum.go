// Package forum is the pages where people speak: the front page, lists of
// threads, one thread, a new one. Its rules are package feedback's.
package forum

import "embed"

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS
