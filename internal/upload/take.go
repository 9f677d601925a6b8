package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"

	"github.com/fridayos/friday/internal/blob"
)

// Store takes files in and gives them out. It is safe for use by many
// goroutines and processes.
type Store struct {
	blobs    *blob.Store
	decoding chan struct{} // holds who decodes a picture
}

// NewStore makes a store over a blob store that holds nothing else: Sweep
// removes from it whatever no upload needs.
func NewStore(blobs *blob.Store) *Store {
	return &Store{blobs, make(chan struct{}, 1)}
}

// Draft is a file that was taken in and belongs to nobody yet: see Put.
type Draft struct {
	Name, Type    string
	Blob, Small   blob.Ref
	SmallType     string
	Width, Height int
}

// Take reads a file, as a form sends it, and keeps what may be kept of it. A
// *Refused is the sender's to mend; of any other error nothing is kept either.
// Memory is bounded, whatever the file's size: see MaxPixels.
func (s *Store) Take(ctx context.Context, name string, r io.Reader, l Limits) (Draft, error) {
	d := Draft{Name: SafeName(name, Text)} // until more is known
	raw, err := s.blobs.Create(ctx)
	if err != nil {
		return Draft{}, err
	}
	defer raw.Abort()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Draft{}, fmt.Errorf("cannot read %q: %w", d.Name, err)
	}
	head = head[:n]
	if n == 0 {
		return Draft{}, &Refused{Reason: Empty, Name: d.Name}
	}
	d.Type = sniff(head)
	check := &textCheck{}
	size, err := io.CopyBuffer(io.MultiWriter(raw, check), io.LimitReader(io.MultiReader(bytes.NewReader(head), r), l.FileBytes+1), make([]byte, 64<<10))
	switch {
	case err != nil:
		return Draft{}, fmt.Errorf("cannot read %q: %w", d.Name, err)
	case size > l.FileBytes:
		return Draft{}, &Refused{Reason: TooLarge, Name: d.Name, Limit: l.FileBytes}
	case d.Type == Text && !check.text():
		return Draft{}, &Refused{Reason: WrongType, Name: d.Name}
	case d.Type == Text || d.Type == Zip:
		d.Name = SafeName(name, d.Type)
		d.Blob, err = raw.Commit()
		return d, err
	}
	return s.takePicture(ctx, name, raw, size, d)
}

func (s *Store) takePicture(ctx context.Context, name string, raw io.ReaderAt, size int64, d Draft) (Draft, error) {
	select {
	case s.decoding <- struct{}{}:
		defer func() { <-s.decoding }()
	case <-ctx.Done():
		return Draft{}, ctx.Err()
	}
	m, photo, err := decode(raw, size, d.Type)
	switch {
	case errors.Is(err, errPixels):
		return Draft{}, &Refused{Reason: TooWide, Name: d.Name, Limit: MaxPixels}
	case ctx.Err() != nil:
		return Draft{}, ctx.Err()
	case err != nil:
		return Draft{}, &Refused{Reason: Damaged, Name: d.Name, Cause: err}
	}
	d.Width, d.Height = m.Bounds().Dx(), m.Bounds().Dy()
	if d.Blob, d.Type, err = s.keep(ctx, m, photo); err != nil {
		return Draft{}, err
	}
	if small := smaller(m); small != nil {
		if d.Small, d.SmallType, err = s.keep(ctx, small, opaque(small)); err != nil {
			return Draft{}, err
		}
	}
	d.Name = SafeName(name, d.Type)
	return d, nil
}

func (s *Store) keep(ctx context.Context, m image.Image, photo bool) (blob.Ref, string, error) {
	w, err := s.blobs.Create(ctx)
	if err != nil {
		return blob.Ref{}, "", err
	}
	defer w.Abort()
	mime, err := encode(w, m, photo)
	if err != nil {
		return blob.Ref{}, "", fmt.Errorf("cannot encode picture: %w", err)
	}
	ref, err := w.Commit()
	return ref, mime, err
}
