package scrub

import (
	"bytes"
)

// roots are where shared storage is mounted; a # stands for a number, a * for any
// one name. The order is from long to short.
var roots = [][]string{
	{"storage", "emulated", "#"}, {"storage", "self", "primary"}, {"storage", "emulated", "legacy"}, {"storage", "*"},
	{"mnt", "user", "#", "emulated", "#"}, {"mnt", "user", "#", "*"}, {"mnt", "shell", "emulated", "#"}, {"mnt", "media_rw", "*"}, {"mnt", "sdcard"}, {"mnt", "sdcard-ext"}, {"mnt", "extsd"}, {"mnt", "external_sd"},
	{"mnt", "runtime", "*", "emulated", "#"}, {"mnt", "runtime", "*", "*"}, {"mnt", "pass_through", "#", "emulated", "#"}, {"mnt", "pass_through", "#", "*"}, {"mnt", "installer", "#", "emulated", "#"}, {"mnt", "androidwritable", "#", "emulated", "#"},
	{"mnt", "expand", "*", "media", "#"}, {"data", "media", "#"}, {"data", "media"}, {"sdcard"}, {"sdcard0"}, {"sdcard1"}, {"sdcard2"}, {"extsdcard"}, {"external_sd"}, {"external_storage"},
	{"storage", "sdcard0"},
}

// kept are folders that every phone has.
var kept = func() map[string]bool {
	m := map[string]bool{}
	for _, n := range []string{"dcim", "camera", "download", "downloads", "pictures", "screenshots", "movies", "music", "documents", "android", "data", "obb", "media", "sandbox", "ringtones", "alarms", "notifications", "podcasts",
		"audiobooks", "recordings", "whatsapp", "telegram", "bluetooth", "thumbnails", ".thumbnails", ".nomedia", ".android_secure", "lost.dir", "files", "cache", "code_cache", "no_backup", "databases", "shared_prefs", "miui", "tencent", "backup", "backups", "logs", "log", "bugreports", "debug_log", "emulated", "0", "screenrecorder", "videos", "video", "images", "audio", "sounds", "books", "fonts", "themes", "wallpaper", "wallpapers", "voice recorder", "sound_recorder", "call_rec", "system", "external_files", "external", "root", "my_images", "my_files", "tmp", "temp", "trash", ".trash", "mipushlog", "legacy", "primary"} {
		m[n] = true
	}
	return m
}()

// slash measures a path's separator at i, plain or encoded in a URL.
func slash(b []byte, i int) int {
	switch {
	case at(b, i) == '/':
		return 1
	case at(b, i) == '%' && i+2 < len(b) && b[i+1] == '2' && b[i+2]|0x20 == 'f':
		return 3
	case at(b, i) == '\\' && at(b, i+1) == '/': // as JSON escapes it
		return 2
	case at(b, i) == '%' && i+4 < len(b) && b[i+1] == '2' && b[i+2] == '5' && b[i+3] == '2' && b[i+4]|0x20 == 'f':
		return 5
	}
	return 0
}

// paths finds files in shared storage, below each root.
func (s *Scrubber) paths() {
	for i := s.from; i < len(s.b); i++ {
		if c := s.b[i]; c != '/' && c != '%' && c != '\\' {
			continue
		}
		n := slash(s.b, i)
		if n == 0 {
			continue
		}
		if p := at(s.b, i-1); p == '/' && at(s.b, i-2) != '/' {
			continue
		}
		if end := s.rootAt(i); end > 0 {
			i = s.names_(end) - 1
		} else {
			i += n - 1
		}
	}
	s.after("primary:", func(i int) int { return s.names_(i - 1) })
	s.after("primary%3a", func(i int) int { return s.names_(i - 3) })
	s.after("raw%3a", func(i int) int { return i })
}

// rootAt returns where a root that begins at i ends, 0 when there is none.
func (s *Scrubber) rootAt(i int) int {
	switch c := at(s.low, i+slash(s.b, i)); c {
	case 's', 'm', 'd', 'e':
	default:
		return 0
	}
	if p := at(s.b, i-1); alnum(p) && slash(s.b, i) == 1 || p == '_' || p == '.' || p == '-' {
		return 0
	}
	best := 0
	for _, root := range roots {
		k := i
		ok := true
		for _, part := range root {
			n := slash(s.b, k)
			if n == 0 {
				ok = false
				break
			}
			k += n
			from := k
			for k < len(s.b) && k-from < 48 && segmentByte(s.b[k]) && slash(s.b, k) == 0 {
				k++
			}
			name := s.low[from:k]
			switch part {
			case "#":
				ok = len(name) > 0 && countDigits(name) == len(name)
			case "*":
				ok = len(name) > 0
			default:
				ok = string(name) == part
			}
			if !ok {
				break
			}
		}
		if ok && k > best {
			if slash(s.b, k) == 0 && root[len(root)-1] == "*" {
				continue // the volume itself
			}
			best = k
		}
	}
	return best
}

func segmentByte(c byte) bool {
	return c > ' ' && c != '"' && c != '\'' && c != ',' && c != ')' && c != ']' && c != '}' && c != ';' && c != ':' && c != '>' && c != '<' && c != '|' && c != '?' && c != '&' && c != '*'
}

// names_ takes the names below a root that ends at i out, and returns the path's end.
func (s *Scrubber) names_(i int) int {
	b := s.b
	n := slash(b, i)
	if n == 0 && at(b, i) == ':' {
		n = 1
	}
	if n == 0 && at(b, i) == '%' {
		n = 3
	}
	if n == 0 {
		return i + 1
	}
	end := s.pathEnd(i + n)
	depth, inApp := 0, false
	for k := i + n; k < end; depth++ {
		to := k
		for to < end && slash(b, to) == 0 {
			to++
		}
		if to > k {
			name := s.low[k:to]
			switch {
			case kept[string(name)]:
				inApp = inApp || depth == 0 && string(name) == "android"
			case inApp && depth == 2 && bytes.IndexByte(name, '.') > 0 && packageShape(name):
			case countDigits(name) == len(name) && depth == 0 && len(name) < 3:
			default:
				s.file(k, to)
			}
		}
		if to >= end {
			break
		}
		k = to + max(slash(b, to), 1)
	}
	return max(end, i+n)
}

func packageShape(v []byte) bool {
	for _, c := range v {
		if !alnum(c) && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// file takes a file's name out and leaves its ending, which says what it is.
func (s *Scrubber) file(from, to int) {
	dot := bytes.LastIndexByte(s.b[from:to], '.')
	if dot > 0 && to-from-dot <= 6 && to-from-dot > 1 && plain(s.b[from+dot+1:to]) && named(s.b[from+dot+1:to]) {
		s.add(File, from, from+dot)
		return
	}
	s.add(File, from, to)
}

// endings tell that a name with blanks ends here.
var endings = func() map[string]bool {
	m := map[string]bool{}
	for _, n := range []string{"jpg", "jpeg", "png", "gif", "webp", "heic", "bmp", "svg", "dng", "mp4", "mkv", "3gp", "avi", "mov", "webm", "mp3", "m4a", "ogg", "opus", "wav", "flac", "aac", "amr", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "md", "csv", "zip", "rar", "7z", "tar", "gz", "apk", "apks", "vcf", "ics", "epub", "html", "htm", "json", "xml", "db", "bak", "log", "torrent", "odt", "ods", "key", "kdbx", "img", "iso", "tmp"} {
		m[n] = true
	}
	return m
}()

// pathEnd finds where a path ends whose names may hold blanks: at the quote
// that encloses it, at the ending of a file, or where the text goes on.
func (s *Scrubber) pathEnd(i int) int {
	b := s.b
	limit := min(len(b), i+1024)
	// The byte before the path tells whether it is enclosed.
	for k := i; k > max(0, i-96); k-- {
		if c := b[k-1]; c == '"' || c == '\'' {
			if n := bytes.IndexByte(b[i:limit], c); n >= 0 {
				end := i + n
				if b[end-1] == '\\' {
					end--
				}
				return end
			}
			break
		} else if c == ' ' || c == '=' {
			break
		}
	}
	end := i
	for end < limit && (segmentByte(b[end]) || slash(b, end) > 0 || b[end] == '\'' && letter(at(b, end+1)) || b[end] == '*') {
		end++
	}
	for end > i && b[end-1] == '.' {
		end--
	}
	if at(b, end) != ' ' || ended(b[i:end]) {
		return s.unmark(i, end)
	}
	// Words that follow: up to a file's ending within eight of them, or up to
	// the colon or comma that ends a name, if that is near.
	k, words := end, 0
	for k < limit && words < 8 {
		k++
		from := k
		for k < limit && (segmentByte(b[k]) || b[k] == ')' && bytes.IndexByte(b[i:k], '(') >= 0 || b[k] == '\'') {
			k++
		}
		words++
		if from == k || bytes.IndexByte(b[from:k], '=') >= 0 || b[from] == '/' || b[from] == '-' && at(b, from+1) == '>' {
			break
		}
		if ended(b[i:k]) {
			return k
		}
		c := at(b, k)
		if c == ' ' {
			continue
		}
		if (c == ':' && (at(b, k+1) == ' ' || k+1 == len(b)) || c == ',' || c == ']' || c == '}' || c == 0) && (words <= 4 && c != 0 || s.keyed(i)) {
			return k
		}
		break
	}
	return s.unmark(i, end)
}

// unmark leaves out a mark that belongs to the text: "…/a.jpg." or "…/a.jpg)".
func (s *Scrubber) unmark(from, end int) int {
	for end > from && bytes.IndexByte([]byte(".!\\"), s.b[end-1]) >= 0 {
		end--
	}
	return end
}

// keyed: the path is a field's value, so that a blank does not end it.
func (s *Scrubber) keyed(i int) bool {
	for k := i; k > max(0, i-64); k-- {
		if s.b[k-1] == '=' {
			return true
		}
		if s.b[k-1] == ' ' {
			return false
		}
	}
	return false
}

func ended(v []byte) bool {
	dot := bytes.LastIndexByte(v, '.')
	return dot > 0 && len(v)-dot <= 8 && endings[string(bytes.ToLower(v[dot+1:]))]
}

// uris finds names in addresses of content providers.
func (s *Scrubber) uris() {
	s.after("content://", func(i int) int {
		end := i
		for end < len(s.b) && (segmentByte(s.b[end]) || s.b[end] == '\'') {
			end++
		}
		uri := s.low[i:end]
		for _, mark := range providerMarks {
			if k := bytes.Index(uri, mark.path); k >= 0 {
				from, to := i+k+len(mark.path), i+k+len(mark.path)
				for to < end && s.b[to] != '/' {
					to++
				}
				if v := s.b[from:to]; len(v) > 0 && !(mark.kind == Phone && len(v) < 4) {
					kind := mark.kind
					if kind == Contact && dialable(v) {
						kind = Phone
					}
					s.add(kind, from, to)
				}
				return end
			}
		}
		if k := bytes.IndexByte(uri, '/'); k > 0 && (bytes.Contains(uri[:k], []byte("provider")) || bytes.Contains(uri[:k], []byte("documents"))) {
			if last := bytes.LastIndexByte(uri, '/'); ended(uri[last+1:]) && bytes.Index(uri, []byte("%2f")) < 0 {
				s.names_(i + k)
				return end
			}
		}
		return i
	})
}

var providerMarks = []struct {
	path []byte
	kind Kind
}{
	{[]byte("contacts/lookup/"), Contact}, {[]byte("phone_lookup/"), Phone}, {[]byte("/filter/"), Contact}, {[]byte("groups/title/"), Contact}, {[]byte("as_vcard/"), Contact}, {[]byte("/by_phone/"), Phone}, {[]byte("blocked_number/"), Phone}, {[]byte("/enterprise_lookup/"), Phone},
}

// dialable: nothing but a telephone number.
func dialable(v []byte) bool {
	n, count := dialled(v)
	return n == len(v) && count >= 4
}
