package upload

import (
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// MaxPixels of a picture, by its header and before a pixel of it is decoded. One
// picture at a time is decoded in a process: at worst, a progressive JPEG without
// subsampling, it needs 16 bytes for each of its pixels.
const MaxPixels = 25_000_000

// smallSide is the longer side of the copy that pages show of a larger picture,
// in pixels.
const smallSide = 1280

const quality = 88

var errPixels = errors.New("too many pixels")

// decode reads the first picture of a file and turns it upright. opaque says that
// it was sent as a photo is, so that it may be kept as one.
func decode(r io.ReaderAt, size int64, mime string) (m image.Image, photo bool, err error) {
	whole := func() io.Reader { return io.NewSectionReader(r, 0, size) }
	codec := map[string]struct {
		config func(io.Reader) (image.Config, error)
		decode func(io.Reader) (image.Image, error)
	}{
		PNG: {png.DecodeConfig, png.Decode}, JPEG: {jpeg.DecodeConfig, jpeg.Decode}, gifType: {gif.DecodeConfig, gif.Decode}, webpType: {webp.DecodeConfig, webp.Decode},
	}[mime]
	if codec.decode == nil {
		return nil, false, fmt.Errorf("%s is no picture", mime)
	}
	config, err := codec.config(whole())
	if err != nil {
		return nil, false, err
	}
	if config.Width <= 0 || config.Height <= 0 {
		return nil, false, errors.New("it has no pixels")
	}
	if int64(config.Width)*int64(config.Height) > MaxPixels {
		return nil, false, errPixels
	}
	orientation := 1
	switch mime {
	case JPEG:
		facts, err := walkJPEG(whole())
		if err != nil {
			return nil, false, err
		}
		orientation = facts.orientation
	case PNG:
		orientation = pngOrientation(r, size)
	case webpType:
		orientation = riffOrientation(r, size)
	}
	m, err = codec.decode(whole())
	if err != nil {
		return nil, false, err
	}
	_, lossy := m.(*image.YCbCr)
	return upright(m, orientation), mime == JPEG || lossy, nil
}

// upright applies an EXIF orientation.
func upright(m image.Image, orientation int) image.Image {
	if orientation <= 1 || orientation > 8 {
		return m
	}
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	// Where the pixel at x, y of the file belongs.
	to := [9]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return h - 1 - y, x },
		7: func(x, y int) (int, int) { return h - 1 - y, w - 1 - x },
		8: func(x, y int) (int, int) { return y, w - 1 - x },
	}[orientation]
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	// A row at a time through the fast conversions of package draw.
	row, turned := image.NewNRGBA(image.Rect(0, 0, w, 1)), image.NewNRGBA(size)
	for y := range h {
		draw.Draw(row, row.Bounds(), m, image.Pt(b.Min.X, b.Min.Y+y), draw.Src)
		for x := range w {
			tx, ty := to(x, y)
			copy(turned.Pix[turned.PixOffset(tx, ty):][:4], row.Pix[4*x:])
		}
	}
	return turned
}

// encode writes a picture as a JPEG, if it is a photo, or a PNG, and says which.
func encode(w io.Writer, m image.Image, photo bool) (mime string, err error) {
	if photo {
		return JPEG, jpeg.Encode(w, m, &jpeg.Options{Quality: quality})
	}
	return PNG, (&png.Encoder{CompressionLevel: png.DefaultCompression}).Encode(w, m)
}

// smaller makes the copy that pages show; nil where the picture is small enough.
func smaller(m image.Image) image.Image {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	if max(w, h) <= smallSide {
		return nil
	}
	w, h = scaled(w, h)
	small := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.BiLinear.Scale(small, small.Bounds(), m, m.Bounds(), draw.Src, nil)
	return small
}

// scaled is the size of the smaller copy of a picture that needs one.
func scaled(w, h int) (int, int) {
	long := max(w, h)
	return max(1, w*smallSide/long), max(1, h*smallSide/long)
}

// opaque says whether a scaled picture can be a JPEG.
func opaque(m image.Image) bool {
	o, ok := m.(interface{ Opaque() bool })
	return ok && o.Opaque()
}
