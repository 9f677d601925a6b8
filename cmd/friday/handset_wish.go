package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/wire"
)

func newHandsetWish() *cobra.Command {
	var w handset.Wishes
	c := &cobra.Command{
		Use:   "wish PHONE",
		Short: "Choose when a phone is offered updates, and of which channel",
		Long: `Sets what the owner of a phone wants; the phone says so in every check-in. What is not named stays as it is, and without a flag it is shown.

--early is before others; --delay, so many days after the first; --wait-good, once so many percent of the first hundred or more have fared well. Some rollouts keep to hours of the day: --utc-offset says where on earth the phone is.`,
		Example: "  friday handset wish my-umi --delay 3\n  friday handset wish my-umi --channel stable --wait-good 99 --utc-offset 330",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := openPhone(cmd, args[0])
			if err != nil {
				return err
			}
			next, named := p.Wishes(), cmd.Flags().Changed
			if named("channel") {
				next.Channel = w.Channel
			}
			if named("early") {
				next.Early = w.Early
			}
			if named("delay") {
				next.DelayDays = w.DelayDays
			}
			if named("wait-good") {
				next.WaitGood = w.WaitGood
			}
			if named("utc-offset") {
				next.UTCOffset = w.UTCOffset
			}
			if next != p.Wishes() {
				if err := p.Wish(next); err != nil {
					return &usageError{cmd.CommandPath(), err}
				}
			}
			fmt.Fprintln(cmd.OutOrStdout(), wishWords(next))
			return nil
		},
	}
	c.Flags().StringVar(&w.Channel, "channel", "", "`name`: "+strings.Join(wire.Channels(), ", ")+"; \"\" for the one that the phone came with")
	c.Flags().BoolVar(&w.Early, "early", false, "want updates before others")
	c.Flags().IntVar(&w.DelayDays, "delay", 0, fmt.Sprintf("want them so many `days` after the first, 0 to %d", wire.MaxDelayDays))
	c.Flags().IntVar(&w.WaitGood, "wait-good", 0, "want them once so many `percent` of the first fared well, 0 to 100")
	c.Flags().IntVar(&w.UTCOffset, "utc-offset", 0, "`minutes` that the phone's clock is ahead of UTC, -1440 to 1440")
	return c
}

// wishWords says what a phone's owner chose.
func wishWords(w handset.Wishes) string {
	var words []string
	if w.Channel != "" {
		words = append(words, "of channel "+w.Channel)
	}
	if w.Early {
		words = append(words, "before others")
	}
	if w.DelayDays > 0 {
		words = append(words, fmt.Sprintf("%d days after the first", w.DelayDays))
	}
	if w.WaitGood > 0 {
		words = append(words, fmt.Sprintf("once %d%% of the first fared well", w.WaitGood))
	}
	if w.UTCOffset != 0 {
		words = append(words, fmt.Sprintf("by a clock %+d minutes from UTC", w.UTCOffset))
	}
	if len(words) == 0 {
		return "Wants updates in its turn."
	}
	return "Wants updates " + strings.Join(words, ", ") + "."
}
