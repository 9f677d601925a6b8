// Package search finds texts by their words, on SQLite (FTS5) and PostgreSQL
// (tsvector), and finds the same on both: package words cuts what is kept and
// what is asked, and the databases only compare. It is put inside the transaction
// that writes the text, so that nothing is found too late or after it is gone.
//
// A document (a thread) has texts: its title, posts, the build it names, crashes.
// A document is found when each term of a question stands in one of its texts.
// A term is a word or a phrase; a name of several parts (CameraService) is asked
// for as the phrase of its parts or in one piece, and Chinese as the phrase of its
// pairs, which finds just the texts that hold those characters in a row.
//
// Texts are kept in chunks of 255 words, of which 31 repeat the end of the chunk
// before: PostgreSQL keeps no more than 255 places of one word in a text, and a
// phrase has at most 32 words, so that none falls between two chunks.
//
// What is asked for in common words is not looked for in every text. If one term of
// the question stands in no more than Bound texts, all documents that answer it are
// found, however common its other words are. If each stands in more, the answer is
// found among the newest documents alone, by their numbers: in those that hold the
// newest Bound texts of the term that reaches back furthest. Both databases take the
// same ones. A caller who knows that few documents count names them, and is answered
// in full (Question.Among).
//
// It ranks nothing but titles above other texts, and knows nothing of who may see
// what: the statement that its answer becomes a part of says that.
package search

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/search/words"
)

// Of is a condition that a row of search_texts, by its alias, is of the document in a
// column: by its id, which is what there is an index for.
func Of(alias, column string) string {
	return fmt.Sprintf(`%[1]s.id >= %[2]s * %[3]d AND %[1]s.id < (%[2]s + 1) * %[3]d`, alias, column, docChunks)
}

// Kind is what a text is to its document.
type Kind string

// Kinds of text.
const (
	Title Kind = "title" // at most one a document; its first 255 words count
	Post  Kind = "post"
	Once  Kind = "once" // the title of a document that went into this one; ref: its number
	Build Kind = "build"
	Crash Kind = "crash"
)

// Source names a text: its kind and a number that is one text's alone among
// those of its kind, as a post's ID is.
type Source struct {
	Doc  int64 // 1 to MaxDoc
	Kind Kind
	Ref  int64
}

const (
	chunkWords   = 255
	phraseWords  = 32
	chunkOverlap = phraseWords - 1
	docBits      = 20 // of a row's id: the number of a chunk within its document
	docChunks    = 1 << docBits

	// MaxDoc is the highest number of a document.
	MaxDoc = 1<<(63-docBits) - 1
	// MaxText is how many bytes of one text are kept; the rest is not found.
	MaxText = 1 << 20
)

// Put keeps the words of a text in place of those that its source had before,
// be it in another document. An empty text leaves none.
func Put(tx *db.Tx, s Source, text string) error {
	if s.Doc < 1 || s.Doc > MaxDoc {
		return fmt.Errorf("cannot keep words of %s %d: its document is %d, expected 1 to %d", s.Kind, s.Ref, s.Doc, int64(MaxDoc))
	}
	err := remove(tx, s.Kind, s.Ref)
	if err == nil {
		err = put(tx, s, text)
	}
	if err != nil {
		return fmt.Errorf("cannot keep words of %s %d: %w", s.Kind, s.Ref, err)
	}
	return nil
}

// Remove forgets the words of a text, whatever its document.
func Remove(tx *db.Tx, kind Kind, ref int64) error {
	if err := remove(tx, kind, ref); err != nil {
		return fmt.Errorf("cannot forget words of %s %d: %w", kind, ref, err)
	}
	return nil
}

func remove(tx *db.Tx, kind Kind, ref int64) error {
	ids, err := db.All(tx, func(s db.Scanner) (id int64, err error) { err = s.Scan(&id); return id, err },
		`SELECT id FROM search_texts WHERE kind = $1 AND ref = $2`, string(kind), ref)
	for _, id := range ids {
		if err == nil {
			_, err = tx.Exec(`DELETE FROM search_words WHERE `+rowID(tx)+` = $1`, id)
		}
		if err == nil {
			_, err = tx.Exec(`DELETE FROM search_texts WHERE id = $1`, id)
		}
	}
	return err
}

// rowID is what search_words calls its key.
func rowID(tx *db.Tx) string {
	if lite(tx) {
		return "rowid"
	}
	return "id"
}

// lite says whether tx is on SQLite.
func lite(tx *db.Tx) bool { return tx.SQL() != nil }

func put(tx *db.Tx, s Source, text string) error {
	chunks := cut(text)
	if len(chunks) == 0 {
		return nil
	}
	id := s.Doc << docBits
	if s.Kind == Title {
		chunks = chunks[:1]
	} else {
		if err := tx.QueryRow(`SELECT COALESCE(MAX(id), $1) + 1 FROM search_texts WHERE id BETWEEN $1 AND $2`, id, id+docChunks-1).Scan(&id); err != nil {
			return err
		}
	}
	for i, c := range chunks {
		if (id+int64(i))>>docBits != s.Doc {
			return fmt.Errorf("document %d has more than %d chunks of text", s.Doc, docChunks)
		}
		if _, err := tx.Exec(`INSERT INTO search_texts (id, doc, kind, ref) VALUES ($1, $2, $3, $4)`, id+int64(i), s.Doc, string(s.Kind), s.Ref); err != nil {
			return err
		}
		if err := c.insert(tx, id+int64(i)); err != nil {
			return err
		}
	}
	return nil
}

// chunk is a piece of a text: its words in their order, and the extra ones.
type chunk struct{ words, extra []string }

func cut(text string) []chunk {
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "")
	}
	var chunks []chunk
	var c chunk
	fresh := 0 // words and extra ones that no chunk before has
	for w := range words.All(text) {
		if w.Extra {
			c.extra = append(c.extra, w.Text)
			fresh++
			continue
		}
		if len(c.words) == chunkWords {
			chunks = append(chunks, c)
			c = chunk{words: append(make([]string, 0, chunkWords), c.words[chunkWords-chunkOverlap:]...)}
			fresh = 0
		}
		c.words = append(c.words, w.Text)
		fresh++
	}
	if fresh > 0 {
		chunks = append(chunks, c)
	}
	return chunks
}

func (c chunk) insert(tx *db.Tx, id int64) (err error) {
	if lite(tx) {
		_, err = tx.Exec(`INSERT INTO search_words (rowid, words, extra) VALUES ($1, $2, $3)`, id, strings.Join(c.words, " "), strings.Join(c.extra, " "))
	} else {
		_, err = tx.Exec(`INSERT INTO search_words (id, words) VALUES ($1, $2::text::tsvector)`, id, c.vector())
	}
	return err
}

// vector is the chunk as PostgreSQL reads a tsvector.
func (c chunk) vector() string {
	var b strings.Builder
	for i, w := range c.words {
		b.WriteString("'" + w + "':" + strconv.Itoa(i+1) + " ")
	}
	for _, w := range c.extra {
		b.WriteString("'" + w + "' ")
	}
	return b.String()
}
