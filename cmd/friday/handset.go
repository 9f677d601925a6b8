package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/ota"
	"github.com/fridayos/friday/internal/wire"
)

func newHandset() *cobra.Command {
	return group("handset", "A virtual phone", newHandsetFlash(), newHandsetFastboot(), newHandsetRun(), newHandsetSideload(), newHandsetStatus(), newHandsetWish(), newHandsetFleet())
}

func newHandsetFlash() *cobra.Command {
	var f stateFlags
	var phone, channel, keyDir, region string
	var bucket int
	var free int64
	c := &cobra.Command{
		Use:     "flash DEVICE VERSION --phone DIR",
		Short:   "Make a phone in a folder and flash a build onto it",
		Long:    "Makes a virtual phone of a device, as its boot profile says it behaves, fuses the OS's AVB key, or the certificate of its verity key, where the profile trusts one, flashes a build, and switches it on.",
		Example: "  friday handset flash umi 26.11.27 --phone my-umi",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if phone == "" {
				return &usageError{cmd.CommandPath(), errors.New("name the phone's folder with --phone DIR")}
			}
			if !slices.Contains(wire.Channels(), channel) {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--channel is %q, expected one of %s", channel, strings.Join(wire.Channels(), ", "))}
			}
			if bucket < 0 || bucket >= wire.Buckets {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--bucket is %d, expected 0 to %d", bucket, wire.Buckets-1)}
			}
			if !cmd.Flags().Changed("bucket") {
				bucket = rand.IntN(wire.Buckets)
			}
			if free < 0 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--free is %d, expected bytes", free)}
			}
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			build, profile, err := s.buildOf(cmd, args[0], args[1])
			if err != nil {
				return err
			}
			key, err := s.fusedKey(keyDir, profile)
			if err != nil {
				return err
			}
			super, err := s.superOf(cmd.Context(), profile, build, free)
			if err != nil {
				return err
			}
			started, err := s.makePhone(cmd.Context(), phone, handset.Identity{
				Device: args[0], Profile: profile, Channel: channel, Region: region, Bucket: bucket, Super: super,
			}, key, build)
			if err != nil {
				return err
			}
			printStarted(cmd, started)
			return nil
		},
	}
	f.register(c)
	c.Flags().StringVar(&phone, "phone", "", "`folder` of the phone")
	c.Flags().StringVar(&channel, "channel", wire.Weekly, "`name` of the channel that the phone follows")
	c.Flags().StringVar(&region, "region", "", "region of the phone")
	c.Flags().Int64Var(&free, "free", 4<<30, "`bytes` that user data leave for snapshots, of a phone with virtual A/B")
	c.Flags().IntVar(&bucket, "bucket", 0, "rollout bucket, 0 to 9999 (default drawn)")
	c.Flags().StringVar(&keyDir, "keys", "", "`folder` of the release keys, for the public AVB key (default what os.yaml says)")
	return c
}

// superOf is the super of a phone with virtual A/B: as large as its groups, with the
// build's partitions that they name; nil for other phones.
func (s *installation) superOf(ctx context.Context, profile bootprofile.Profile, b catalog.Build, free int64) (*handset.Super, error) {
	if profile.Slots != bootprofile.VirtualAB && profile.Slots != bootprofile.VirtualABCompressed {
		return nil, nil
	}
	var o ota.Options
	if err := s.packaged(ctx, b, &o); err != nil {
		return nil, err
	}
	d := o.Dynamic
	if d == nil {
		return nil, fmt.Errorf("cannot make handset: the build of %s is of no repository that says what lies in super", b.Device)
	}
	super := &handset.Super{Data: free}
	for _, g := range d.Groups {
		super.Size += int64(g.Size)
		for _, name := range g.Partitions {
			if _, ok := b.Image(name); ok {
				super.Partitions = append(super.Partitions, name)
			}
		}
	}
	return super, nil
}

// makePhone makes a phone aside, and gives it its place once it has started.
func (s *installation) makePhone(ctx context.Context, dir string, id handset.Identity, key []byte, b catalog.Build) (st handset.Started, err error) {
	dir = filepath.Clean(dir)
	if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
		return st, fmt.Errorf("cannot make handset: %s holds %s already, expected an empty folder or none", dir, left[0].Name())
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return st, fmt.Errorf("cannot make handset: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-*")
	if err != nil {
		return st, fmt.Errorf("cannot make handset: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	p, err := handset.New(tmp, id, key)
	if err != nil {
		return st, err
	}
	for _, im := range b.Images {
		if err := errors.Join(ctx.Err(), flash(p, s.blobs, im)); err != nil {
			return st, err
		}
	}
	if st, err = p.Boot(ctx); err != nil {
		return st, err
	}
	if err := errors.Join(os.Chmod(tmp, 0o755), os.Rename(tmp, dir)); err != nil {
		return st, fmt.Errorf("cannot make handset: %w", err)
	}
	return st, nil
}

// buildOf finds a build by device and version, and the device's boot profile
// at its commit.
func (s *installation) buildOf(cmd *cobra.Command, device, version string) (catalog.Build, bootprofile.Profile, error) {
	build, err := s.findBuild(cmd.Context(), device+"/"+version)
	if err != nil {
		return build, bootprofile.Profile{}, err
	}
	repo, err := s.repository()
	if err != nil {
		return build, bootprofile.Profile{}, err
	}
	snap, err := repo.Load(build.Commit)
	if err != nil {
		return build, bootprofile.Profile{}, err
	}
	d := snap.Devices[device]
	if d == nil {
		return build, bootprofile.Profile{}, fmt.Errorf("cannot find device %s in the OS repository at commit %s", device, build.Commit)
	}
	return build, d.Boot, nil
}

// fusedKey is what a phone's owner stores in it: the custom key, or the certificate of
// the verity key.
func (s *installation) fusedKey(keyDir string, profile bootprofile.Profile) ([]byte, error) {
	verity := profile.Trust == bootprofile.VerifiedBoot1
	if !profile.KeyEnforced() && !verity {
		return nil, nil
	}
	ring, err := s.keyRing(keyDir)
	if err != nil {
		return nil, err
	}
	if verity {
		_, cert, err := ring.Verity()
		if err != nil {
			return nil, err
		}
		return cert.Raw, nil
	}
	key, err := ring.AVB()
	if err != nil {
		return nil, err
	}
	return avb.EncodePublicKey(&key.PublicKey), nil
}

func flash(p *handset.Phone, blobs *blob.Store, im catalog.Partition) error {
	b, err := blobs.Open(im.Digest)
	if err != nil {
		return err
	}
	defer b.Close()
	return p.Flash(im.Name, newSection(b))
}

func newHandsetRun() *cobra.Command {
	var server, claim string
	var every time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:     "run PHONE",
		Short:   "Switch a phone on and let its agent work",
		Long:    "Boots the phone and goes one round: goes on with an update that was under way, or checks in, downloads, verifies, installs, restarts and reports. It may be killed at any moment.",
		Example: "  friday handset run my-umi --server http://127.0.0.1:8017",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := openPhone(cmd, args[0])
			if err != nil {
				return err
			}
			client := &handset.Client{Base: server}
			if claim != "" {
				if err := p.Claim(cmd.Context(), client, strings.TrimSpace(claim)); err != nil {
					return err
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "This handset is claimed.")
			}
			for {
				res, err := p.Run(cmd.Context(), client)
				switch {
				case err != nil && every == 0:
					return err
				case err != nil:
					fmt.Fprintln(cmd.ErrOrStderr(), "friday:", err)
				case asJSON:
					if err := printJSON(cmd.OutOrStdout(), res); err != nil {
						return err
					}
				default:
					printResult(cmd, res)
				}
				if every == 0 {
					return nil
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(every):
				}
			}
		},
	}
	c.Flags().StringVar(&server, "server", "http://127.0.0.1:8017", "`address` of the update server")
	c.Flags().StringVar(&claim, "claim", "", "`code` from the site that makes this handset yours")
	c.Flags().DurationVar(&every, "every", 0, "go on with a round every `duration` (default one round)")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

func newHandsetSideload() *cobra.Command {
	return &cobra.Command{
		Use:     "sideload PHONE ZIP",
		Short:   "Install a package by hand, as recovery does",
		Example: "  friday handset sideload my-umi umi-26.11.27-full.zip",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := openPhone(cmd, args[0])
			if err != nil {
				return err
			}
			res, err := p.Sideload(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			printResult(cmd, res)
			return nil
		},
	}
}

func newHandsetStatus() *cobra.Command {
	return &cobra.Command{
		Use:     "status PHONE",
		Short:   "Show a phone's slots and what it runs, as JSON",
		Example: "  friday handset status my-umi",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := openPhone(cmd, args[0])
			if err != nil {
				return err
			}
			st, err := p.Status()
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), st)
		},
	}
}

func openPhone(cmd *cobra.Command, dir string) (*handset.Phone, error) {
	p, err := handset.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot open handset: %s is none; 'friday handset flash DEVICE VERSION --phone %[1]s' makes one", dir)
	}
	if err != nil {
		return nil, err
	}
	p.SetLog(func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) })
	return p, nil
}

func printResult(cmd *cobra.Command, res handset.Result) {
	switch {
	case res.Offer == nil && !res.Updated:
		fmt.Fprintf(cmd.OutOrStdout(), "Nothing to install: %s.\n", res.Reason)
	case !res.Updated:
		fmt.Fprintf(cmd.OutOrStdout(), "The update did not start and was undone: %s.\n", res.Reason)
	}
	printStarted(cmd, res.Started)
}

func printStarted(cmd *cobra.Command, s handset.Started) {
	said := ""
	if s.State != "" {
		said += ", verified boot " + s.State
	}
	if s.VBMetaDigest != "" {
		said += fmt.Sprintf(", vbmeta %.16s…", s.VBMetaDigest)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Runs %s from slot %s%s.\n", s.System.Incremental, s.Slot, said)
}
