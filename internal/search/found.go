package search

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fridayos/friday/internal/db"
)

// Bound is how many texts of a term are looked at. A question of which one term
// stands in no more than so many texts is answered in full.
const Bound = 3000

// Question is what documents are looked for.
type Question struct {
	Terms, Without []Term

	// Among, if set, is asked when every term is common: a statement that selects the
	// numbers (id) of the only documents that count, some thousands at most, of which
	// all are looked at; empty if they are more.
	Among func() (string, error)
}

// With writes the answer as common table expressions, "WITH … found AS (…)": found
// has the columns doc and place, which is 0 when all terms stand in the title. arg
// takes an argument of the statement and returns its placeholder.
func (q Question) With(tx *db.Tx, arg func(any) string) (string, error) {
	a := answer{lite: lite(tx), arg: arg}
	terms := q.Terms
	first, edge, err := a.begin(tx, terms)
	if err != nil {
		return "", err
	}
	among := ""
	if edge != 0 && q.Among != nil {
		if among, err = q.Among(); err != nil {
			return "", err
		}
	}
	switch {
	case among != "":
		a.step(`SELECT id AS doc, 0 AS place FROM (` + among + `) among`)
	case len(terms) == 0:
		a.step(`SELECT doc, 1 AS place FROM search_texts WHERE id >= ` + arg(edge) + ` GROUP BY doc`)
	default:
		if edge != 0 {
			a.edge = arg(edge)
		}
		a.first(terms[first])
		terms = append(append([]Term(nil), terms[:first]...), terms[first+1:]...)
	}
	for _, t := range terms {
		a.narrow(t)
	}
	for _, t := range q.Without {
		a.exclude(t)
	}
	return `WITH ` + strings.Join(a.steps, `, `) + `, found AS (SELECT doc, place FROM ` + a.last() + `) `, nil
}

// answer is a chain of steps, each of which keeps some of the documents of the one
// before it.
type answer struct {
	lite  bool
	arg   func(any) string
	steps []string
	edge  string // placeholder of the least id of a text that is looked at; empty: all are
}

func (a *answer) step(sql string) {
	a.steps = append(a.steps, fmt.Sprintf(`found%d AS MATERIALIZED (%s)`, len(a.steps), sql))
}

func (a *answer) last() string { return fmt.Sprintf(`found%d`, len(a.steps)-1) }

// begin chooses the term to begin with, and the id of the first text that is
// looked at: 0 if that term has no more than Bound texts, else the beginning of the
// document that holds the last of its newest Bound ones. It begins with the term that
// reaches back furthest. Where nothing is asked for but what must not be there, all
// texts are those of one term.
func (a *answer) begin(tx *db.Tx, terms []Term) (first int, edge int64, err error) {
	if len(terms) == 0 {
		edge, err = edgeOf(tx, `SELECT id FROM search_texts ORDER BY id DESC LIMIT 1 OFFSET $1`, Bound)
		return 0, edge, err
	}
	for i, t := range terms {
		sql, query := `SELECT rowid FROM search_words WHERE search_words MATCH $1 ORDER BY rowid DESC LIMIT 1 OFFSET $2`, t.match()
		if !a.lite {
			sql, query = `SELECT id FROM search_words WHERE words @@ $1::text::tsquery ORDER BY id DESC LIMIT 1 OFFSET $2`, t.query()
		}
		at, err := edgeOf(tx, sql, query, Bound)
		if err != nil || at == 0 {
			return i, 0, err
		}
		if edge == 0 || at < edge {
			first, edge = i, at
		}
	}
	return first, edge, nil
}

// edgeOf is the beginning of the document of the text that a statement finds, 0 if
// it finds none.
func edgeOf(tx *db.Tx, sql string, args ...any) (int64, error) {
	var id int64
	err := tx.QueryRow(sql, args...).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cannot look for words: %w", err)
	}
	return id >> docBits << docBits, nil
}

// within is the condition that a text lies behind the edge.
func (a *answer) within(id string) string {
	if a.edge == "" {
		return ``
	}
	return ` AND ` + id + ` >= ` + a.edge
}

const place = docChunks - 1 // of an id: a text's place in its document

// first begins with the documents that hold a term.
func (a *answer) first(t Term) {
	if a.lite {
		a.step(fmt.Sprintf(`SELECT rowid >> %d AS doc, MIN(rowid & %d) AS place FROM search_words WHERE search_words MATCH %s%s GROUP BY rowid >> %[1]d`,
			docBits, place, a.arg(t.match()), a.within(`rowid`)))
		return
	}
	a.step(fmt.Sprintf(`SELECT id >> %d AS doc, MIN(id & %d) AS place FROM search_words WHERE words @@ %s::text::tsquery%s GROUP BY id >> %[1]d`,
		docBits, place, a.arg(t.query()), a.within(`id`)))
}

// narrow keeps the documents that hold a term too.
func (a *answer) narrow(t Term) {
	before := a.last()
	a.step(fmt.Sprintf(`SELECT p.doc, MIN(p.place) + MIN(%s & %d) AS place FROM %s GROUP BY p.doc`, a.id(), place, a.holding(t, before)))
}

// exclude leaves out the documents that hold a term.
func (a *answer) exclude(t Term) {
	before := a.last()
	a.step(fmt.Sprintf(`SELECT doc, place FROM %s WHERE doc NOT IN (SELECT p.doc FROM %s)`, before, a.holding(t, before)))
}

func (a *answer) id() string {
	if a.lite {
		return `w.rowid`
	}
	return `w.id`
}

// holding joins the documents found so far with their texts that hold a term.
// FTS5 gives all texts of a term fast, and those of one document slowly: each text is
// looked up among the documents. PostgreSQL gives a document's texts fast, and is kept
// by CASE from gathering all texts of the term first.
func (a *answer) holding(t Term, before string) string {
	if a.lite {
		return fmt.Sprintf(`search_words w CROSS JOIN %s p WHERE search_words MATCH %s%s AND p.doc = w.rowid >> %d`, before, a.arg(t.match()), a.within(`w.rowid`), docBits)
	}
	return fmt.Sprintf(`%s p JOIN search_words w ON w.id >= p.doc << %d AND w.id < (p.doc + 1) << %[2]d WHERE CASE WHEN w.words @@ %s::text::tsquery THEN TRUE ELSE FALSE END`,
		before, docBits, a.arg(t.query()))
}
