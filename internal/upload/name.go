package upload

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxName is how many bytes a name may have: file systems take 255, and a
// browser adds " (1)".
const maxName = 120

// textEndings are those of text that no desktop runs or renders when it is opened.
var textEndings = map[string]bool{
	".txt": true, ".log": true, ".md": true, ".json": true, ".csv": true, ".patch": true, ".diff": true,
	".prop": true, ".conf": true, ".yaml": true, ".yml": true,
}

// reserved are the names that Windows keeps for devices, whatever follows the dot.
var reserved = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true, "conin$": true, "conout$": true}

// SafeName makes of what a sender calls a file a name that says no more than it
// shows: no path, no controls (those that turn the direction of writing above
// all), of bounded length, and with the ending of what the file is.
func SafeName(name, mime string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"|?*%`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r):
			return -1
		}
		return r
	}, name)
	ending := path.Ext(strings.TrimRight(name, ". "))
	stem := strings.TrimSuffix(strings.TrimRight(name, ". "), ending)
	lower := strings.ToLower(ending)
	switch {
	case mime == PNG && lower == ".png", mime == JPEG && (lower == ".jpg" || lower == ".jpeg"), mime == Zip && lower == ".zip",
		mime == Text && textEndings[lower]:
		ending = lower
	case mime == PNG || mime == JPEG: // a GIF that became a PNG
		if lower != ".gif" && lower != ".webp" && lower != ".png" && lower != ".jpg" && lower != ".jpeg" {
			stem += ending
		}
		ending = map[string]string{PNG: ".png", JPEG: ".jpg"}[mime]
	default: // the old ending stays visible in the stem, and acts no more
		stem += ending
		ending = map[string]string{Text: ".txt", Zip: ".zip"}[mime]
	}
	stem = cut(strings.Trim(strings.Join(strings.Fields(stem), " "), ". -"), maxName-len(ending))
	first, _, _ := strings.Cut(strings.ToLower(stem), ".")
	if isDevice(strings.TrimSpace(first)) {
		stem = "_" + stem
	}
	if stem == "" {
		stem = "file"
	}
	return stem + ending
}

func isDevice(name string) bool {
	if reserved[name] {
		return true
	}
	rest, ok := strings.CutPrefix(name, "com")
	if !ok {
		rest, ok = strings.CutPrefix(name, "lpt")
	}
	return ok && utf8.RuneCountInString(rest) == 1 && strings.ContainsAny(rest, "0123456789¹²³")
}

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], ". -")
}
