package nest

import (
	"context"
	"fmt"

	"github.com/fridayos/friday/android/vb1"
)

// verity says what Verified Boot 1 keeps behind a file system of fs bytes; false: it
// keeps nothing there.
func verity(f File, o *Opened, fs int64) bool {
	m, err := vb1.Find(f.R, fs, f.Size)
	if m == nil && err == nil {
		return false
	}
	o.Facts["followed_by"] = "verity metadata of Verified Boot 1"
	if err != nil {
		o.Problems = append(o.Problems, err.Error())
		return true
	}
	t := m.Table
	facts := map[string]any{"device": t.Device, "blocks": t.Blocks, "tree_offset": t.TreeOffset, "root": fmt.Sprintf("%x", t.Root), "salt": fmt.Sprintf("%x", t.Salt), "metadata_offset": m.At}
	if m.Disabled {
		facts["disabled"] = true
	}
	if m.FEC.Roots > 0 {
		facts["fec_offset"], facts["fec_roots"] = m.FEC.At, m.FEC.Roots
	}
	o.Facts["verity"] = facts
	also(o, func(ctx context.Context, report func(string, error)) {
		report("verity: every block by the hash tree; the key that signed its table lies in the boot image", m.VerifyTree(ctx, f.R, f.Size))
		if m.FEC.Roots > 0 {
			report(fmt.Sprintf("verity: the error correction, %d roots", m.FEC.Roots), m.VerifyFEC(ctx, f.R))
		}
	})
	return true
}

// signedBoot says what Verified Boot 1 keeps behind a boot image, from at on, which
// begins with b; of anything else it says nothing.
func signedBoot(f File, o *Opened, at int64, b []byte) {
	switch {
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
