package ring

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/fridayos/friday/internal/wire"
)

// One file a language, with the same keys in each.
//
//go:embed quiz/*.yaml
var quizFiles embed.FS

// question is what all languages share.
type question struct {
	key, right string
	must       bool // about losing the phone or its data: it may not be wrong
}

// papers are the questions of each channel.
var papers = map[string][]question{
	wire.Beta: {
		{"backup", "a", true}, {"brick", "b", true}, {"rollback", "c", true},
		{"only", "b", false}, {"report", "a", false}, {"told", "c", false},
	},
	wire.Alpha: {
		{"backup", "a", true}, {"rollback", "c", true}, {"daily", "a", true}, {"tools", "b", true},
		{"second", "a", false}, {"silence", "c", false},
	},
}

// MaxWrong is how many answers may be wrong, none of them to a question about
// losing the phone or its data.
const MaxWrong = 1

// Question is one question as a page shows it.
type Question struct {
	Key, Ask, Why string
	Must          bool
	Options       []Option
}

// Option is one answer to choose.
type Option struct{ Key, Text string }

type words struct {
	Ask string `yaml:"ask"`
	A   string `yaml:"a"`
	B   string `yaml:"b"`
	C   string `yaml:"c"`
	Why string `yaml:"why"`
}

var readQuiz = sync.OnceValues(func() (map[string]map[string]words, error) {
	all := map[string]map[string]words{}
	files, err := quizFiles.ReadDir("quiz")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := quizFiles.ReadFile(path.Join("quiz", f.Name()))
		if err != nil {
			return nil, err
		}
		var one map[string]words
		if err := yaml.UnmarshalWithOptions(text, &one, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("cannot read quiz %s: %w", f.Name(), err)
		}
		all[strings.TrimSuffix(f.Name(), ".yaml")] = one
	}
	return all, nil
})

// Quiz is a channel's questions in a language, English if there is no other.
// The answers stand in an order that follows from seed alone.
func Quiz(channel, language string, seed uint64) ([]Question, error) {
	all, err := readQuiz()
	if err != nil {
		return nil, err
	}
	texts := all[language]
	if texts == nil {
		texts = all["en"]
	}
	paper, ok := papers[channel]
	if !ok {
		return nil, fmt.Errorf("cannot ask about channel %.20q: there is no quiz for it", channel)
	}
	order := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // an order of answers, no secret
	out := make([]Question, len(paper))
	for i, q := range paper {
		w := texts[q.key]
		out[i] = Question{q.key, w.Ask, w.Why, q.must, []Option{{"a", w.A}, {"b", w.B}, {"c", w.C}}}
		order.Shuffle(3, func(j, k int) { o := out[i].Options; o[j], o[k] = o[k], o[j] })
	}
	return out, nil
}

// Result is how a quiz went.
type Result struct {
	Passed bool
	Right  int
	Of     int
	Wrong  []string // keys of questions
}

// Grade judges the answers to a channel's quiz, by question; what is missing is wrong.
func Grade(channel string, answers map[string]string) Result {
	paper := papers[channel]
	r := Result{Of: len(paper), Passed: len(paper) > 0}
	for _, q := range paper {
		if answers[q.key] == q.right {
			r.Right++
			continue
		}
		r.Wrong = append(r.Wrong, q.key)
		r.Passed = r.Passed && !q.must
	}
	r.Passed = r.Passed && len(r.Wrong) <= MaxWrong
	return r
}

// Channels are those that have a test ring, in order of risk.
func Channels() []string { return []string{wire.Beta, wire.Alpha} }

func known(channel string) bool { return slices.Contains(Channels(), channel) }
