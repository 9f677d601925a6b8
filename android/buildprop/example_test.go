package buildprop_test

import (
	"fmt"

	"github.com/fridayos/friday/android/buildprop"
)

func Example() {
	f, err := buildprop.Parse([]byte("# begin build properties\nro.build.id=LRX21V\nro.product.device = hlte\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	device, _ := f.Get("ro.product.device")
	fmt.Println("for", device)
	if err := f.Set("ro.build.display.id", "26.11.27"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", f.Bytes())
	// Output:
	// for hlte
	// # begin build properties
	// ro.build.id=LRX21V
	// ro.product.device = hlte
	// ro.build.display.id=26.11.27
}
