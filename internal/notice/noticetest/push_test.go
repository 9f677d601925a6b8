package noticetest

import (
	"crypto/ecdh"
	"encoding/base64"
	"testing"
)

// The decryption opens the example of RFC 8291, appendix A, and nothing else.
func TestDecryptKnows(t *testing.T) {
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, err := ecdh.P256().NewPrivateKey(raw("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
	if err != nil {
		t.Fatal(err)
	}
	body := raw("DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
	auth := raw("BTBZMqHH6r4Tts7J_aSIgg")
	if got, err := Decrypt(body, key, auth); err != nil || string(got) != "When I grow up, I want to be a watermelon" {
		t.Errorf("it says %q, %v", got, err)
	}
	for i := range body {
		bad := append([]byte(nil), body...)
		bad[i] ^= 1
		if got, err := Decrypt(bad, key, auth); err == nil && i != 17 && i != 18 && i != 19 && i != 16 {
			t.Errorf("with byte %d changed it says %q", i, got)
		}
	}
	if _, err := Decrypt(body[:20], key, auth); err == nil {
		t.Error("a part is taken for a whole")
	}
}
