package rom

import (
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/rom/report"
)

// wipes says what each way of installing the build does to the data on the phone.
func (b *builder) wipes() []report.Wipe {
	stock := report.Wipe{From: "stock " + b.in.Stock.Incremental, Wipes: true, Why: "unlocking the boot loader wipes the phone"}
	switch b.plan.Device.Boot.Trust {
	case bootprofile.CustomKey:
		stock.Why = "unlocking the boot loader, storing the OS's AVB key and locking it again wipe the phone"
	case bootprofile.VerifiedBoot1:
		stock.Why = "unlocking the boot loader wipes the phone, and so does locking it again, after which it starts what the OS's verity key signed"
	case bootprofile.None:
		stock.Why = "the vendor's data is encrypted and labelled for the vendor's system"
	}
	if b.plan.Device.Boot.Slots == bootprofile.Single {
		return []report.Wipe{
			stock,
			{From: "an older build of this OS", Why: "recovery writes over the system and leaves userdata alone"},
			{From: "a newer build of this OS", Why: "recovery refuses the package, by its time; flashed otherwise, Android may not start on the data of a newer one, and then they must be erased by hand"},
		}
	}
	return []report.Wipe{
		stock,
		{From: "a build of this OS with the same or an older patch level", Why: "same key, and the patch level does not go down"},
		{From: "a build of this OS with a patch level newer than " + b.patchLevel, Wipes: true, Why: "phones that are not locked with the vendor's key install an older patch level and wipe the data"},
	}
}
