package demo

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// person uses the site as a browser does: cookies, forms, redirects.
type person struct {
	name string
	base string
	http *http.Client
}

func newPerson(name, base string) (*person, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &person{name: name, base: base, http: &http.Client{Jar: jar, Timeout: 2 * time.Minute}}, nil
}

// maxPage bounds what is read of a page.
const maxPage = 1 << 20

func (p *person) do(req *http.Request) (page string, at *url.URL, err error) {
	resp, err := p.http.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return "", nil, err
	}
	page = string(b)
	if resp.StatusCode != http.StatusOK {
		return page, nil, fmt.Errorf("cannot %s %s as %s: %s: %s", req.Method, req.URL.Path, p.name, resp.Status, text(page))
	}
	return page, resp.Request.URL, nil
}

// get opens a page.
func (p *person) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return "", err
	}
	page, _, err := p.do(req)
	return page, err
}

// post sends a form and follows where it leads.
func (p *person) post(ctx context.Context, path string, form url.Values) (page string, at *url.URL, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(req)
}

var (
	mainPart = regexp.MustCompile(`(?s)<main.*</main>`)
	tags     = regexp.MustCompile(`<[^>]*>`)
)

// text is what a person reads on a page, short enough for an error.
func text(page string) string {
	if m := mainPart.FindString(page); m != "" {
		page = m
	}
	words := strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
	return words[:min(len(words), 300)]
}
