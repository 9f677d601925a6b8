// Package upload keeps the pictures and attachments of posts: taken in by their
// content and not by what they are called, pictures encoded anew so that nothing
// of the sender's file is left in them (EXIF, positions, other formats within),
// all else kept as it is and served only as downloads that cannot run.
//
// It knows neither members nor posts, only their numbers: who may see a file
// follows from what it is attached to, and that is the caller's to decide.
// Archives are never unpacked. Bytes lie in a blob store of their own, by
// SHA-256; the table is uploads.
package upload

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/blob"
)

// The types that are kept. All text is one type: what a browser makes of HTML
// is none of a forum's business.
const (
	PNG  = "image/png"
	JPEG = "image/jpeg"
	Text = "text/plain; charset=utf-8"
	Zip  = "application/zip"

	gifType, webpType = "image/gif", "image/webp" // become PNG or JPEG
)

// Ref names what a file is attached to: {"post", 41}.
type Ref struct {
	Kind string
	ID   int64
}

// IsZero says whether it names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// File is one upload.
type File struct {
	ID            int64
	MemberID      int64
	Name          string // safe to show and to save by; ends as Type asks
	Type          string // PNG, JPEG, Text or Zip
	Blob          blob.Ref
	Width, Height int      // pixels; 0: not a picture
	Small         blob.Ref // a smaller copy of a large picture, a JPEG or a PNG; zero: there is none
	SmallType     string
	Subject       Ref // zero: not attached yet
	At            time.Time
	RemovedAt     time.Time // zero: it is there
	secret        string
}

// Picture says whether a page may show the file; all else is a download.
func (f File) Picture() bool { return f.Type == PNG || f.Type == JPEG }

// Limits are what one member may send.
type Limits struct {
	Files     int   // with one post
	FileBytes int64 // of one file, as it is sent
	DayFiles  int   // within 24 hours
	DayBytes  int64 // within 24 hours, as kept
	AllBytes  int64 // ever, as kept; what was swept or removed does not count
}

const mega = 1 << 20

// Reason says why a file was not taken.
type Reason string

// The reasons.
const (
	TooLarge  Reason = "too-large"  // Limit: bytes
	TooMany   Reason = "too-many"   // Limit: files with one post
	TooOften  Reason = "too-often"  // Limit: files a day
	DayFull   Reason = "day-full"   // Limit: bytes a day
	AllFull   Reason = "all-full"   // Limit: bytes ever
	WrongType Reason = "wrong-type" // neither picture nor text nor zip
	Empty     Reason = "empty"
	Damaged   Reason = "damaged" // a picture that cannot be read
	TooWide   Reason = "too-wide"
)

// Refused is a file that was not taken: for the member to mend.
type Refused struct {
	Reason Reason
	Name   string // safe
	Limit  int64
	Cause  error // of Damaged
}

func (e *Refused) Unwrap() error { return e.Cause }

func (e *Refused) Error() string {
	why := map[Reason]string{
		TooLarge:  fmt.Sprintf("it has more than %d MB, the most one file may have", e.Limit/mega),
		TooMany:   fmt.Sprintf("one post may have %d files", e.Limit),
		TooOften:  fmt.Sprintf("%d files were sent within a day, the most for now", e.Limit),
		DayFull:   fmt.Sprintf("more than %d MB within a day", e.Limit/mega),
		AllFull:   fmt.Sprintf("your files would take more than %d MB; remove some", e.Limit/mega),
		WrongType: "expected a PNG, JPEG, GIF or WebP picture, text, or a zip",
		Empty:     "it is empty",
		Damaged:   "the picture cannot be read",
		TooWide:   fmt.Sprintf("the picture has more than %d million pixels; make it smaller", e.Limit/1_000_000),
	}[e.Reason]
	if e.Cause != nil {
		why += ": " + e.Cause.Error()
	}
	return fmt.Sprintf("cannot take %q: %s", e.Name, why)
}

// SmallBounds is the size of the smaller copy, or of the picture where there is none.
func (f File) SmallBounds() (width, height int) {
	if f.Small.Digest.IsZero() {
		return f.Width, f.Height
	}
	return scaled(f.Width, f.Height)
}
