package tongue

import "strings"

// Language is one that people may say a thread is in.
type Language struct {
	Tag  string // as HTML's lang has it
	Name string // what its readers call it
	RTL  bool   // it runs from right to left
}

// languages in the order of their tags.
var languages = []Language{
	{"ar", "العربية", true}, {"bn", "বাংলা", false}, {"cs", "Čeština", false}, {"de", "Deutsch", false}, {"el", "Ελληνικά", false},
	{"en", "English", false}, {"es", "Español", false}, {"fa", "فارسی", true}, {"fr", "Français", false}, {"he", "עברית", true},
	{"hi", "हिन्दी", false}, {"hu", "Magyar", false}, {"id", "Bahasa Indonesia", false}, {"it", "Italiano", false}, {"ja", "日本語", false},
	{"ko", "한국어", false}, {"ms", "Bahasa Melayu", false}, {"nl", "Nederlands", false}, {"pl", "Polski", false}, {"pt", "Português", false},
	{"ro", "Română", false}, {"ru", "Русский", false}, {"sv", "Svenska", false}, {"ta", "தமிழ்", false}, {"te", "తెలుగు", false},
	{"th", "ไทย", false}, {"tr", "Türkçe", false}, {"uk", "Українська", false}, {"ur", "اردو", true}, {"vi", "Tiếng Việt", false}, {"zh", "中文", false},
}

// Languages lists those that a form offers.
func Languages() []Language { return languages }

// Base is a tag without its script and region: "zh" of "zh-Hant-TW".
func Base(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return strings.ToLower(base)
}

// Name is what a language's readers call it; of one that is not in the list, its tag.
func Name(tag string) string {
	for _, l := range languages {
		if l.Tag == Base(tag) {
			return l.Name
		}
	}
	return tag
}
