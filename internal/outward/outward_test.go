package outward

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestAddressesThatAreNotPublic(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.18.0.1", "198.19.255.255",
		"192.0.2.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
		"192.88.99.1",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1", "fd00:ec2::254",
		"fe80::1", "fec0::1", "ff02::1", "4000::1",
	} {
		if (Policy{}).judge(netip.MustParseAddr(text)) == "" {
			t.Errorf("%s may be called", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "198.17.0.1",
		"198.20.0.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1"} {
		if why := (Policy{}).judge(netip.MustParseAddr(text)); why != "" {
			t.Errorf("%s may not be called: %s", text, why)
		}
	}
	inside := Policy{Inside: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	if inside.judge(netip.MustParseAddr("10.1.2.3")) != "" || inside.judge(netip.MustParseAddr("10.2.2.3")) == "" {
		t.Error("the operator's own network is not what is allowed")
	}
}

func TestCheckURL(t *testing.T) {
	for _, c := range []struct {
		address string
		ok      bool
	}{
		{"https://hooks.example.org/friday?x=1", true},
		{"https://hooks.example.org:443/", true},
		{"https://1.1.1.1/", true},
		{"https://[2606:4700:4700::1111]/", true},
		{"http://hooks.example.org/", false},
		{"https://hooks.example.org:8443/", false},
		{"https://hooks.example.org:0/", false},
		{"https://hooks.example.org:99999/", false},
		{"https://user:word@hooks.example.org/", false},
		{"https://hooks.example.org/#x", false},
		{"https://localhost/", false},
		{"https://LOCALHOST./", false},
		{"https://a.localhost/", false},
		{"https://metadata.google.internal/", false},
		{"https://printer.local/", false},
		{"https://intranet/", false},
		{"https://127.0.0.1/", false},
		{"https://[::1]/", false},
		{"https://[::ffff:127.0.0.1]/", false},
		{"https://[fe80::1%25eth0]/", false},
		{"https://169.254.169.254/latest/meta-data/", false},
		{"ftp://hooks.example.org/", false},
		{"file:///etc/passwd", false},
		{"gopher://hooks.example.org/", false},
		{"https:hooks.example.org", false},
		{"//hooks.example.org/", false},
		{"https://", false},
		{"https://hooks.example.org\\@127.0.0.1/", false},
		{"https://hooks.example.org/\nx", false},
		{"https://hooks.example.org/" + strings.Repeat("a", maxAddress), false},
		{"", false},
	} {
		_, err := (Policy{}).CheckURL(c.address)
		if (err == nil) != c.ok {
			t.Errorf("CheckURL(%.60q) says %v, expected ok %v", c.address, err, c.ok)
		}
		var refused *Refused
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("CheckURL(%.60q) says %v, expected a Refused", c.address, err)
		}
	}
	// Ways to write 127.0.0.1 that some resolvers take: they are names here, and
	// what they resolve to is judged when connecting.
	for _, address := range []string{"https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://017700000001/"} {
		resp, err := (Policy{}).Client(2 * time.Second).Get(address)
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s was called", address)
		}
	}
}

// nameServer answers the n-th question for an A record with the n-th address,
// and all later ones with the last.
func nameServer(t *testing.T, asked *atomic.Int32, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if q.Type == dnsmessage.TypeA {
				i := min(int(asked.Add(1))-1, len(addresses)-1)
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addresses[i]).As4()},
				}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// target is a server that must not be reached, and its port.
func target(t *testing.T) (reached *atomic.Int32, port uint16) {
	t.Helper()
	reached = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(s.Close)
	return reached, netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
}

// TestRebinding: a name that is public when looked at and loopback when
// connected to is refused at the connecting.
func TestRebinding(t *testing.T) {
	reached, port := target(t)
	var asked atomic.Int32
	resolver := nameServer(t, &asked, "1.1.1.1", "127.0.0.1")
	p := Policy{Ports: []uint16{port}, PlainHTTP: true, Resolver: resolver}
	seen, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.example.org")
	if err != nil || len(seen) != 1 || p.judge(seen[0]) != "" {
		t.Fatalf("the first look gives %v, %v; expected a public address", seen, err)
	}
	u := "http://rebind.example.org:" + portText(port)
	if _, err := p.CheckURL(u); err != nil {
		t.Fatal(err)
	}
	resp, err := p.Client(5 * time.Second).Get(u)
	if err == nil {
		resp.Body.Close()
	}
	var refused *Refused
	if !errors.As(err, &refused) || reached.Load() != 0 {
		t.Errorf("the call ended with %v and reached the target %d times; expected it to be refused", err, reached.Load())
	}
	if asked.Load() < 2 {
		t.Errorf("the name was resolved %d times, expected twice", asked.Load())
	}
	// The same client reaches it once the operator allows that network: the
	// refusal above was the guard's, not a broken set-up.
	p.Inside = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	resp, err = p.Client(5 * time.Second).Get(u)
	if err != nil || reached.Load() != 1 {
		t.Fatalf("allowed, and the call ended with %v, reached %d times", err, reached.Load())
	}
	resp.Body.Close()
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	reached, inner := target(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+portText(inner)+"/", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	p := Policy{Ports: []uint16{at.Port(), inner}, PlainHTTP: true, Inside: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	resp, err := p.Client(5*time.Second).Post(s.URL, "text/plain", strings.NewReader("x"))
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, ErrRedirect) || reached.Load() != 0 {
		t.Errorf("the call ended with %v and reached the target %d times", err, reached.Load())
	}
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	reached, port := target(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+portText(port))
	t.Setenv("http_proxy", "http://127.0.0.1:"+portText(port))
	var asked atomic.Int32
	p := Policy{PlainHTTP: true, Resolver: nameServer(t, &asked, "127.0.0.1")}
	resp, err := p.Client(2 * time.Second).Get("http://hooks.example.org/")
	if err == nil {
		resp.Body.Close()
		t.Error("it was answered")
	}
	if reached.Load() != 0 || asked.Load() == 0 {
		t.Errorf("the proxy was reached %d times, the name resolved %d times", reached.Load(), asked.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/header" {
			w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
		}
		_, _ = w.Write(make([]byte, 4*MaxAnswer))
	}))
	defer s.Close()
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	p := Policy{Ports: []uint16{at.Port()}, PlainHTTP: true, Inside: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	resp, err := p.Client(5 * time.Second).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || n != MaxAnswer {
		t.Errorf("%d bytes were read, %v; expected %d", n, err, MaxAnswer)
	}
	if resp, err := p.Client(5 * time.Second).Get(s.URL + "/header"); err == nil {
		resp.Body.Close()
		t.Error("an answer with endless headers was taken")
	}
}

func portText(n uint16) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), n).String()[len("0.0.0.0:"):]
}

func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://a.example/", "http://[::1]:80/", "https://127.1/", "https://a@b/", "https://1.1.1.1:443/?q#f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := (Policy{}).CheckURL(s)
		if err != nil {
			return
		}
		if u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" && u.Port() != "80" {
			// A port may be written with zeros before it.
			if strings.TrimLeft(u.Port(), "0") != "443" && strings.TrimLeft(u.Port(), "0") != "80" {
				t.Errorf("%q is let through as %v", s, u)
			}
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsMulticast()) {
			t.Errorf("%q is let through to %v", s, ip)
		}
	})
}
