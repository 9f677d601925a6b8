// Package account is the pages about members: signing in, one's own page, others',
// and the roles that administrators give. Its rules are package member's.
package account

import "embed"

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS
