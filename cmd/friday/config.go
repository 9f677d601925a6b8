package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/fridayos/friday/internal/outward"
)

// config is DIR/friday.yaml: what one installation is, as opposed to what its
// OS is (that lies in the OS repository). Every key may be left out.
type config struct {
	// BaseURL is where people and handsets reach the server, without a slash at
	// the end. https makes cookies Secure.
	BaseURL string `yaml:"base_url"`
	// UploadsURL is another address that reaches the same server, from which files
	// of posts are served; empty: BaseURL.
	UploadsURL string `yaml:"uploads_url"`
	// PackagesURL is where a CDN has what lies under /packages/ here; empty: none.
	PackagesURL string `yaml:"packages_url"`
	// Listen is the address of site and update API, HOST:PORT.
	Listen string `yaml:"listen"`
	// Metrics is the address of /metrics, /healthz and /readyz; empty: none.
	Metrics string `yaml:"metrics"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Repository is the OS repository's folder, relative to DIR.
	Repository string `yaml:"repository"`
	// Database is sqlite:PATH or postgres://…; empty: DIR/friday.db.
	Database string `yaml:"database"`
	// Mail is the server that mail leaves by; without it none is sent.
	Mail mailConfig `yaml:"mail"`
	// SignIn are services that members may sign in by (OpenID Connect).
	SignIn []signInConfig `yaml:"sign_in"`
	// Fleet says how this node answers handsets.
	Fleet fleetConfig `yaml:"fleet"`
	// Connections says how many may be open at once.
	Connections connectionsConfig `yaml:"connections"`
	// Outward says what webhooks and push services may be called beside the public
	// internet over https.
	Outward outwardConfig `yaml:"outward"`

	proxies []netip.Prefix
	outward outward.Policy
}

// configText is what friday init writes; %q is where people reach the server.
const configText = `# This installation of Friday. The OS itself is described in its git repository.

# Where people and handsets reach the server.
base_url: %q
listen: 127.0.0.1:8017

# Another host name that leads to this server, such as https://files.example.org,
# from which pictures and attachments of posts are served; "" for base_url.
uploads_url: ""

# A CDN that fetches from base_url what lies under /packages/ here, and says so by
# CDN-Loop (RFC 8586): handsets are sent there, such as https://cdn.example.org.
packages_url: ""

# Prometheus metrics, /healthz and /readyz, on an address of their own; "" for none.
metrics: 127.0.0.1:9017

# Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8.
trusted_proxies: []

# The OS repository, relative to this folder.
repository: ..

# "" for SQLite in this folder, or postgres://user@host/name.
database: ""

# How handsets are answered. A server that has heard nothing of the rollouts for
# the length of the lease offers nothing: what is pulled is gone everywhere by then.
# A longer one rides out a longer absence of the database. What handsets report is
# written every flush; a server that is killed loses one flush of it at most.
# fleet:
#   lease: 5s             # 2s to 1h
#   flush: 1s             # 100ms to 1m
#   check_every: 6h       # how often handsets should ask: 1m to 168h
#   lineage_channel: weekly   # what LineageOS's updater gets: weekly or stable

# How many connections may be open at once. Without it: half of the files that the
# process may open (ulimit -n, LimitNOFILE=), less 256, and 50000 at most; and half of
# them for one address, as a carrier has thousands of handsets behind one. One that
# is idle makes room for one that comes; proxies in trusted_proxies share most.
# connections:
#   most: 20000
#   per_address: 10000

# The server that mail leaves by. Secrets lie in files of their own, relative to
# this folder. security is starttls, tls, or none for a relay on this machine.
# mail:
#   host: smtp.example.org
#   security: starttls
#   user: friday
#   password_file: mail.password
#   from: Friday <friday@example.org>

# Services that members may sign in by (OpenID Connect); each is told the
# callback address BASE_URL/signin/with/callback.
# sign_in:
#   - name: Example
#     issuer: https://id.example.org
#     client_id: friday
#     client_secret_file: example.secret

# Webhooks and push services are called on the public internet alone, over https,
# at the usual ports. What may be called beside that:
# outward:
#   inside: [10.1.2.0/24]   # networks of your own
#   ports: [443, 8443]      # instead of 80 and 443
#   plain_http: true        # http:// too
`

func defaultConfig() config {
	return config{BaseURL: "http://127.0.0.1:8017", Listen: "127.0.0.1:8017", Repository: ".."}
}

// readConfig reads dir/friday.yaml, which makes a folder an installation.
func readConfig(dir string) (config, error) {
	c := defaultConfig()
	path := filepath.Join(dir, "friday.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("cannot open installation: there is no %s; run this inside an OS repository made by 'friday init', or name its folder .friday with --dir", path)
	}
	if err != nil {
		return c, fmt.Errorf("cannot read configuration: %w", err)
	}
	if blank(text) {
		return c, nil
	}
	var problems strict.Problems
	doc := strict.Decode(path, text, &c, &problems)
	if len(problems) == 0 {
		c.check(doc)
	}
	if err := problems.Err(); err != nil {
		return c, fmt.Errorf("cannot use configuration: %w", err)
	}
	return c, nil
}

// blank tells a file of nothing but comments, which leaves every key out.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// check notes what is written well and cannot be meant.
func (c *config) check(doc *strict.Document) {
	if err := checkURL(c.BaseURL); err != nil {
		doc.Add("base_url", "", "base_url is %v", err)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if c.UploadsURL != "" {
		base, _ := url.Parse(c.BaseURL)
		other, _ := url.Parse(c.UploadsURL)
		if err := checkURL(c.UploadsURL); err != nil {
			doc.Add("uploads_url", "", "uploads_url is %v", err)
		} else if base != nil && base.Host == other.Host || strings.Trim(other.Path, "/") != "" {
			doc.Add("uploads_url", "", "uploads_url is %q, expected another host than base_url's, without a path", c.UploadsURL)
		}
		c.UploadsURL = strings.TrimRight(c.UploadsURL, "/")
	}
	if c.PackagesURL != "" {
		if err := checkURL(c.PackagesURL); err != nil {
			doc.Add("packages_url", "", "packages_url is %v", err)
		} else if strings.HasPrefix(c.BaseURL, "https:") != strings.HasPrefix(c.PackagesURL, "https:") {
			doc.Add("packages_url", "", "packages_url is %q, expected the protocol of base_url: handsets follow no redirect to another one", c.PackagesURL)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		doc.Add("listen", "", "listen is %q, expected HOST:PORT", c.Listen)
	}
	if _, _, err := net.SplitHostPort(c.Metrics); c.Metrics != "" && err != nil {
		doc.Add("metrics", "", "metrics is %q, expected HOST:PORT, or \"\" for none", c.Metrics)
	}
	c.proxies = nil
	for i, text := range c.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			doc.Add(fmt.Sprintf("trusted_proxies[%d]", i), "", "trusted_proxies has %q, expected a network such as 10.0.0.0/8", text)
		}
		c.proxies = append(c.proxies, p)
	}
	doc.NotEmpty("repository", c.Repository)
	c.checkFleet(doc)
	c.checkConnections(doc)
	c.checkMembers(doc)
	c.checkOutward(doc)
	if err := checkDatabase(c.Database); c.Database != "" && err != nil {
		doc.Add("database", "", "database is %v", err)
	}
}

// checkURL knows the addresses that a server may be reached at.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q, expected an address such as https://os.example.org", text)
	}
	return nil
}

// checkDatabase knows the addresses that a person may write.
func checkDatabase(address string) error {
	kind, rest, _ := strings.Cut(address, ":")
	if rest != "" && slices.Contains([]string{"sqlite", "postgres", "postgresql"}, kind) {
		return nil
	}
	return fmt.Errorf("%q, expected sqlite:PATH or postgres://…", address)
}
