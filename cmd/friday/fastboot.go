package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/internal/handset/bootloader"
)

func newHandsetFastboot() *cobra.Command {
	var listen string
	var phone bootloader.HTC
	var says map[string]string
	c := &cobra.Command{
		Use:     "fastboot PHONE",
		Short:   "Hold a phone in its boot loader, for fastboot",
		Long:    "Switches the phone on into its boot loader, which answers fastboot over TCP: getvar, flash (sparse too), erase, set_active, reboot. After a reboot the phone starts its system, unless the reboot leads back to the boot loader, or to fastbootd, which a phone with virtual A/B has.\n\nAn HTC (--model) knows 'oem rebootRUU' too, and in that mode 'flash zip', if --s-off says that its radio's security is off.\n\nFrom another terminal: fastboot -s tcp:127.0.0.1:5554 getvar all",
		Example: "  friday handset fastboot my-umi\n  friday handset fastboot my-m8 --model 0P6B10000 --cid HTC__001 --s-off\n  friday handset fastboot my-umi --say battery-soc-ok=no",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, port, err := net.SplitHostPort(listen); err != nil || port == "" {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--listen is %q, expected HOST:PORT such as 127.0.0.1:5554", listen)}
			}
			p, err := openPhone(cmd, args[0])
			if err != nil {
				return err
			}
			if phone.Model == "" && (phone.CID != "" || phone.SOff) {
				return &usageError{cmd.CommandPath(), errors.New("--cid and --s-off are of an HTC; name its model with --model")}
			}
			mode := &bootloader.Mode{Handset: p, Says: says, Log: func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }}
			if phone.Model != "" {
				mode.HTC = &phone
			}
			for {
				l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
				if err != nil {
					return fmt.Errorf("cannot listen for fastboot: %w; choose another address with --listen", err)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "The boot loader waits: fastboot -s tcp:%s getvar all\n", l.Addr())
				target, err := (&fastboot.Server{Phone: mode}).Serve(cmd.Context(), l)
				if cmd.Context().Err() != nil {
					return nil // told to end, which a boot loader bears
				}
				if err != nil {
					return err
				}
				if mode.Restarted(*target) {
					continue
				}
				started, err := p.Boot(cmd.Context())
				if err != nil {
					return err
				}
				printStarted(cmd, started)
				return nil
			}
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:"+fastboot.DefaultPort, "`HOST:PORT` to answer at; anyone who reaches it can flash the phone")
	c.Flags().StringVar(&phone.Model, "model", "", "the phone is an HTC with this `modelid`, as android-info.txt has it: it knows oem rebootRUU")
	c.Flags().StringVar(&phone.CID, "cid", "", "`cidnum` of an HTC")
	c.Flags().BoolVar(&phone.SOff, "s-off", false, "the HTC takes zips that HTC did not sign")
	c.Flags().StringToStringVar(&says, "say", nil, "answer getvar `NAME=VALUE`, whatever the phone would say")
	return c
}
