package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// config is DIR/friday.yaml: what one installation is, as opposed to what its
// OS is (that lies in the OS repository). Every key may be left out.
type config struct {
	// BaseURL is where people and handsets reach the server, without a slash at
	// the end. https makes cookies Secure.
	BaseURL string `yaml:"base_url"`
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

	proxies []netip.Prefix
}

// configText is what friday init writes.
const configText = `# This installation of Friday. The OS itself is described in its git repository.

# Where people and handsets reach the server.
base_url: http://127.0.0.1:8017
listen: 127.0.0.1:8017

# Prometheus metrics, /healthz and /readyz, on an address of their own; "" for none.
metrics: 127.0.0.1:9017

# Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8.
trusted_proxies: []

# The OS repository, relative to this folder.
repository: ..

# "" for SQLite in this folder, or postgres://user@host/name.
database: ""
`

func defaultConfig() config {
	return config{BaseURL: "http://127.0.0.1:8017", Listen: "127.0.0.1:8017", Repository: ".."}
}

// readConfig reads dir/friday.yaml; a missing file means the defaults.
func readConfig(dir string) (config, error) {
	c := defaultConfig()
	path := filepath.Join(dir, "friday.yaml")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, c.check(path)
	}
	if err != nil {
		return c, fmt.Errorf("cannot read configuration: %w", err)
	}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("cannot read configuration %s:\n%s", path, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	return c, c.check(path)
}

func (c *config) check(path string) error {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("cannot use configuration %s: base_url is %q, expected an address such as https://os.example.org", path, c.BaseURL)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	c.proxies = nil
	for _, s := range c.TrustedProxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("cannot use configuration %s: trusted_proxies has %q, expected a network such as 10.0.0.0/8", path, s)
		}
		c.proxies = append(c.proxies, p)
	}
	return nil
}
