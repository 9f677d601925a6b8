// Package outward calls addresses that strangers gave: a webhook, a browser's
// push service. Whoever may name an address could otherwise have the server
// fetch what only the server can reach (SSRF): its own ports, its neighbours, a
// cloud's metadata. So the address that a name resolved to is judged at the
// moment of connecting, after every resolving; redirects are not followed; no
// proxy stands between; bodies, headers and time are bounded.
//
// It is no general HTTP client and knows nothing of what is sent. The ranges are
// IANA's special-purpose registries for IPv4 and IPv6.
package outward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Policy says what may be called beyond the public internet on ports 80 and 443.
// The zero value allows nothing more.
type Policy struct {
	// Ports may be connected to; none: 80 and 443.
	Ports []uint16
	// Inside lists networks of the operator's own that may be called although
	// they are private, such as 10.1.2.0/24 with the team's build server.
	Inside []netip.Prefix
	// PlainHTTP lets http:// pass; without it only https:// does.
	PlainHTTP bool
	// Resolver looks names up; nil: the machine's.
	Resolver *net.Resolver
	// TLS has the certificates that are believed; nil: the machine's.
	TLS *tls.Config
}

// Refused says that an address may not be called. It is fit to be shown to who gave it.
type Refused struct{ Address, Why string }

func (e *Refused) Error() string { return "cannot call " + e.Address + ": " + e.Why }

const (
	maxAddress = 2048 // bytes of a URL
	maxHeader  = 16 << 10
	dialTime   = 10 * time.Second
)

// CheckURL tells before any connection what can be told from the text: whether
// it is an address of the web that Policy lets pass. Names are judged when they
// are resolved, at each call.
func (p Policy) CheckURL(address string) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) {
		return nil, &Refused{strconv.Quote(address[:min(len(address), 100)]), why}
	}
	if len(address) > maxAddress {
		return refuse(fmt.Sprintf("it has %d bytes, at most %d fit", len(address), maxAddress))
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return refuse("expected an address such as https://hooks.example.org/friday")
	case u.Scheme != "https" && (u.Scheme != "http" || !p.PlainHTTP):
		return refuse("expected https://")
	case u.User != nil:
		return refuse("it names a user; use a secret in the path, or check the signature")
	case u.Fragment != "":
		return refuse("it has a fragment (#), which is never sent")
	}
	port := uint64(443)
	if u.Scheme == "http" {
		port = 80
	}
	if text := u.Port(); text != "" {
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return refuse("its port is no number below 65536")
		}
	}
	if !p.port(uint16(port)) {
		return refuse(fmt.Sprintf("port %d is not allowed, expected %s", port, p.portWords()))
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		if why := p.judge(ip); why != "" {
			return refuse(why)
		}
	} else if len(p.Inside) == 0 && (host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".local") || !strings.Contains(host, ".")) {
		return refuse("the name is one of an inside network")
	}
	return u, nil
}

func (p Policy) ports() []uint16 {
	if len(p.Ports) == 0 {
		return []uint16{80, 443}
	}
	return p.Ports
}

func (p Policy) port(n uint16) bool { return slices.Contains(p.ports(), n) }

func (p Policy) portWords() string {
	var words []string
	for _, n := range p.ports() {
		words = append(words, strconv.Itoa(int(n)))
	}
	return strings.Join(words, " or ")
}

// Special networks of IPv4 (IANA iana-ipv4-special-registry, and what clouds
// serve to their machines from public space).
var special4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32") // Azure's wire server

// IPv6: only global unicast, without what carries IPv4 inside or is for documents.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// judge says why an address may not be called, or "".
func (p Policy) judge(ip netip.Addr) string {
	if ip.Zone() != "" {
		return "its address has a zone, which only this machine's links have"
	}
	ip = ip.Unmap()
	in := func(n netip.Prefix) bool { return n.Contains(ip) }
	switch {
	case slices.ContainsFunc(p.Inside, in):
		return ""
	case ip.Is4() && slices.ContainsFunc(special4, in):
	case ip.Is6() && (!global6.Contains(ip) || slices.ContainsFunc(special6, in)):
	default:
		return ""
	}
	return "its address is not on the public internet"
}

// control runs after resolving and before connecting, for every address tried:
// a name that resolves differently the second time gains nothing.
func (p Policy) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil || network != "tcp4" && network != "tcp6":
		return &Refused{address, "expected TCP to an IP address"}
	case !p.port(at.Port()):
		return &Refused{address, "the port is not allowed, expected " + p.portWords()}
	}
	if why := p.judge(at.Addr()); why != "" {
		return &Refused{address, why}
	}
	return nil
}

// ErrRedirect says that the other side sent the caller elsewhere.
var ErrRedirect = errors.New("it answered with a redirect, which is not followed")

// Client makes a client that calls only what p allows. timeout bounds a whole
// call, the reading of its answer included. Connections are not kept.
func (p Policy) Client(timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: dialTime, ControlContext: p.control, Resolver: p.Resolver}
	return &http.Client{
		Timeout: timeout,
		Transport: &guarded{policy: p, next: &http.Transport{
			Proxy:                  nil, // it would connect for us, unjudged
			DialContext:            dialer.DialContext,
			TLSClientConfig:        p.TLS.Clone(),
			TLSHandshakeTimeout:    dialTime,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect },
	}
}

// MaxAnswer is how much of an answer's body can be read, in bytes.
const MaxAnswer = 64 << 10

// guarded judges each request's text as CheckURL does, and bounds the answer.
type guarded struct {
	policy Policy
	next   http.RoundTripper
}

func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := g.policy.CheckURL(r.URL.String()); err != nil {
		return nil, err
	}
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{io.LimitReader(resp.Body, MaxAnswer), resp.Body}
	return resp, nil
}

type bounded struct {
	io.Reader
	io.Closer
}
