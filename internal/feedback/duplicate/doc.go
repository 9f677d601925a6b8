// Package duplicate finds the earlier reports that a new one may repeat: while
// its title is typed, when it is sent, and for moderators afterwards.
//
// It is an index in memory: documents are put in, candidates come out. It reads
// no database, no clock and no file, and decides nothing; what is a duplicate,
// people say. Whoever owns the documents fills it and keeps it up to date.
//
// A candidate's score fuses what is known about two reports:
//
//   - BM25F over the words of title and text (Robertson, Zaragoza, Taylor 2004),
//     as package words cuts them, with the title three times the text;
//   - the runs of four characters that the titles share, weighed by how rare
//     they are: they see through inflections, typing mistakes and words that are
//     only half typed, in any script;
//   - crashes with the same fingerprint, which say the same in any language.
//
// The first two are each divided by the best that any document reached and
// added up; a shared crash adds as much as being best in both. Reports of
// one fault come close together in time, so a report of the same day counts half
// as much again, and that half fades within some months; the same part of the
// system adds a tenth. The constants are the textbook's (k1 = 1.5, b = 0.75,
// b = 0.5 for titles) or round numbers, and no result hangs on them: 'friday
// bench duplicates' measures it on any set of linked reports.
package duplicate

import "time"

// Document is one report as the index takes it in.
type Document struct {
	ID      int64
	Title   string
	Body    string   // the first MaxBody bytes count
	Part    string   // app or part of the system; empty: none
	Crashes []string // fingerprints; the first MaxCrashes count
	At      time.Time
}

// What of a document is read at most, so that one does not fill the memory.
const (
	MaxTitle   = 1_000 // bytes
	MaxBody    = 8_000 // bytes
	MaxCrashes = 16
)

// Query is what a report is compared with. Its fields may be as unfinished as a
// form that is being filled in.
type Query struct {
	Title, Body string
	Part        string
	Crashes     []string
	At          time.Time           // of the report; zero: age does not count
	Limit       int                 // how many candidates; 0: 10
	Keep        func(id int64) bool // nil: all; asked of the best first; it must not change the index
}

// Candidate is a document that the query may repeat.
type Candidate struct {
	ID    int64
	Score float64 // orders the candidates of one query; says nothing beside another's
	Alike float64 // 0 to 1: how much of the query it covers, by the better of words and characters; 1 with the same crash
	Crash bool    // both have a crash of the same fingerprint
}

// Worth is the Alike below which a candidate shares little more than a common
// word with the query: nobody should be asked to look at it.
const Worth = 0.3
