package bootprofile_test

import (
	"fmt"

	"github.com/fridayos/friday/android/bootprofile"
)

func ExampleProfile_Check() {
	p := bootprofile.Profile{
		Trust: bootprofile.CustomKey, Slots: bootprofile.AB, Flash: bootprofile.Fastboot, Kernel: "5.10", PayloadMinor: 6,
		UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"},
	}
	fmt.Println(p.Check(), p.KeyEnforced())
	p.UpdateCertificates = nil
	fmt.Println(p.Check())
	// Output:
	// <nil> true
	// cannot use boot profile: update_certificates is empty; without a place for otacerts.zip the second update would not be trusted
}
