package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/handset/crowd"
)

func newHandsetFleet() *cobra.Command {
	o := crowd.Options{}
	var asJSON bool
	c := &cobra.Command{
		Use:     "fleet --count N --device CODENAME",
		Short:   "Simulate many handsets against a running server",
		Long:    `Lets many handsets check in at a server: each draws its device, channel, region, time zone and bucket once, and the same ones again with the same seed. Whoever is offered a build takes it, reports how that went, and runs it from then on. No package is downloaded. Add 127.0.0.1/32 to trusted_proxies in friday.yaml, so that the server takes each for an address of its own; else it takes all outcomes for one address's, and refuses most.`,
		Example: "  friday handset fleet --count 1000000 --device umi --region IN,DE\n  friday handset fleet --count 1000 --device umi --rolls-back 0.01",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Note = func(s crowd.Sums) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d check-ins in %.0f s, %.0f a second; %d offers\n", s.CheckIns, s.Seconds, s.PerS, s.Offers)
			}
			f, err := crowd.New(o)
			if err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			s, err := f.Run(cmd.Context())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, s)
			}
			fmt.Fprintf(out, "%d handsets checked in %d times in %.1f s, %.0f a second; %d were offers\n", s.Handsets, s.CheckIns, s.Seconds, s.PerS, s.Offers)
			for _, list := range []struct {
				what string
				n    map[string]int
			}{{"reported", s.Events}, {"refused", s.Refused}, {"run", s.Versions}} {
				for _, name := range slices.Sorted(maps.Keys(list.n)) {
					fmt.Fprintf(out, "%-9s %s: %d\n", list.what, name, list.n[name])
				}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Server, "server", "http://127.0.0.1:8017", "`address` of the update server")
	f.IntVar(&o.Count, "count", 1000, "handsets")
	f.StringSliceVar(&o.Devices, "device", nil, "`codenames`")
	f.StringSliceVar(&o.Channels, "channel", nil, "`names` (default weekly and stable)")
	f.StringSliceVar(&o.Regions, "region", nil, "`regions` such as IN (default not told)")
	f.StringSliceVar(&o.Versions, "version", []string{"stock"}, "what they run at first, `INCREMENTAL[@SECONDS]`, as many of each")
	f.Int64Var(&o.Timestamp, "timestamp", 1, "of versions without one, `seconds` since 1970")
	f.StringVar(&o.PatchLevel, "patch-level", "2010-01-01", "of all versions, `YYYY-MM-DD`")
	f.Float64Var(&o.Early, "early", 0.02, "`share` whose owners want releases early")
	f.Float64Var(&o.Modified, "modified", 0.01, "`share` whose owners changed the system")
	f.Float64Var(&o.Fails, "fails", 0.005, "`share` of the updates that fail while applying")
	f.Float64Var(&o.RollsBack, "rolls-back", 0.005, "`share` that roll back at the restart")
	f.Float64Var(&o.Silent, "silent", 0.001, "`share` that are not heard of after applying")
	f.IntVar(&o.Rounds, "rounds", 1, "how often each checks in")
	f.IntVar(&o.Connections, "connections", 32, "at once")
	f.Uint64Var(&o.Seed, "seed", 1, "what chance begins from")
	f.BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}
