package nest

import (
	"context"
	"fmt"

	"github.com/fridayos/friday/android/vb1"
)

// verifiedBoot1 says what Verified Boot 1 keeps behind an image, from at on, which
// begins with b; of anything else it says nothing.
func verifiedBoot1(f File, o *Opened, at int64, b []byte) {
	switch {
	case isOne(b, "\x01\xb0\x01\xb0"):
		m, err := vb1.ReadMetadata(f.R, at)
		if err != nil {
			o.Problems = append(o.Problems, err.Error())
			return
		}
		t := m.Table
		o.Facts["verity"] = map[string]any{"device": t.Device, "blocks": t.Blocks, "tree_offset": t.TreeOffset, "root": fmt.Sprintf("%x", t.Root), "salt": fmt.Sprintf("%x", t.Salt)}
		also(o, func(ctx context.Context, report func(string, error)) {
			report("verity: every block by the hash tree; the key that signed its table lies in the boot image", m.VerifyTree(ctx, f.R, f.Size))
		})
	case isOne(b, "\x30\x82"):
		s, err := vb1.ParseSignature(b)
		if err != nil { // some vendors have signatures of their own there
			o.Facts["followed_by"] = "signature of an unknown kind"
			return
		}
		o.Facts["boot_signature"] = map[string]any{"target": s.Target, "signer": s.Certificate.Subject.String()}
		also(o, func(ctx context.Context, report func(string, error)) {
			report("boot signature: by "+s.Certificate.Subject.String(), s.Verify(f.R, at, s.Target))
		})
	}
}

// also verifies more of what was opened.
func also(o *Opened, check func(ctx context.Context, report func(string, error))) {
	before := o.Verify
	o.Verify = func(ctx context.Context, report func(string, error)) error {
		if before != nil {
			if err := before(ctx, report); err != nil {
				return err
			}
		}
		check(ctx, report)
		return ctx.Err()
	}
}
