package main

import (
	"log/slog"
	"net"
	"net/http"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/limit/crowd"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// connectionsConfig is "connections" in friday.yaml: how many may be open. What is
// left out follows from how many files the process may open (crowd.Default).
type connectionsConfig struct {
	Most       int `yaml:"most"`
	PerAddress int `yaml:"per_address"`
}

func (c *config) checkConnections(doc *strict.Document) {
	n := &c.Connections
	if n.Most != 0 && n.Most < crowd.Least || n.Most > 1_000_000 {
		doc.Add("connections.most", "", "connections.most is %d, expected %d to 1000000", n.Most, crowd.Least)
	}
	if n.PerAddress < 0 || n.PerAddress > 1_000_000 || n.Most > 0 && n.PerAddress > n.Most {
		doc.Add("connections.per_address", "", "connections.per_address is %d, expected 1 to connections.most", n.PerAddress)
	}
}

// crowd bounds the connections to the site and the update API.
func (s *installation) crowd(registry prometheus.Registerer, log *slog.Logger) *crowd.Crowd {
	var files syscall.Rlimit // Go has raised it to what the process may have
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		log.Warn("how many files may be open is not known", "error", err)
	}
	o := crowd.Options{Most: s.Connections.Most, PerAddress: s.Connections.PerAddress, Trusted: s.proxies}
	if o.Most == 0 {
		o.Most = crowd.Default(files.Cur)
	}
	if room := crowd.Default(files.Cur); o.Most > 2*room && room < crowd.MostDefault {
		log.Warn("connections.most is more than there are files to open; raise that (ulimit -n, LimitNOFILE=)", "most", o.Most, "files", files.Cur)
	}
	c := crowd.New(o)
	gauge := func(name, help string, of func(crowd.Counts) int64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "friday", Name: name, Help: help}, func() float64 { return float64(of(c.Counts())) }))
	}
	gauge("connections_open", "Connections to the site and the update API.", func(n crowd.Counts) int64 { return n.Open })
	gauge("connections_most", "How many of them may be open.", func(crowd.Counts) int64 { return int64(o.Most) })
	counter := func(name, help string, of func(crowd.Counts) int64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "friday", Name: name, Help: help}, func() float64 { return float64(of(c.Counts())) }))
	}
	counter("connections_evicted_total", "Connections without a request that were closed to make room.", func(n crowd.Counts) int64 { return n.Evicted })
	counter("connections_refused_total", "Connections that were turned away: there was no room.", func(n crowd.Counts) int64 { return n.Refused })
	return c
}

// bounded is a server whose connections are those of a crowd.
func bounded(srv *http.Server, l net.Listener, c *crowd.Crowd) (*http.Server, net.Listener) {
	srv.ConnState = c.State
	return srv, c.Listener(l)
}
