package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member/oidc"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// mailConfig is "mail" in friday.yaml.
type mailConfig struct {
	Host         string `yaml:"host"`
	Port         int    `yaml:"port"`     // 0: the usual one
	Security     string `yaml:"security"` // starttls, tls, none
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"` // relative to DIR
	From         string `yaml:"from"`
}

// signInConfig is one of "sign_in" in friday.yaml.
type signInConfig struct {
	Name             string `yaml:"name"` // on the button
	Issuer           string `yaml:"issuer"`
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"` // relative to DIR; none for a public client
}

// checkMembers notes what is wrong with mail and sign_in, but for the secrets.
func (c *config) checkMembers(doc *strict.Document) {
	if doc.Has("mail") {
		m := c.Mail.plain()
		if (m.User == "") != (c.Mail.PasswordFile == "") {
			doc.Add("mail", "", "mail has one of user and password_file, expected both or none")
		}
		m.User = ""
		if err := m.Check(); err != nil {
			doc.Add("mail", "", "%v", err)
		}
	}
	for i, s := range c.SignIn {
		if err := s.plain().Check(); err != nil {
			doc.Add(fmt.Sprintf("sign_in[%d]", i), "", "%v", err)
		}
	}
}

func (c mailConfig) plain() mail.Config {
	return mail.Config{Host: c.Host, Port: c.Port, Security: c.Security, User: c.User, From: c.From}
}

func (c signInConfig) plain() oidc.Config {
	return oidc.Config{Name: c.Name, Issuer: c.Issuer, ClientID: c.ClientID}
}

// sender makes what mail is sent with; nil if friday.yaml names no server.
func (s *installation) sender() (*mail.Sender, error) {
	if s.Mail == (mailConfig{}) {
		return nil, nil
	}
	c := s.Mail.plain()
	if s.Mail.PasswordFile != "" {
		secret, err := s.secret(s.Mail.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("cannot set up mail: %w", err)
		}
		c.Password = secret
	}
	return mail.New(c)
}

// services makes what members may sign in by beside passwords and passkeys.
func (s *installation) services() (*oidc.Services, error) {
	var all []oidc.Config
	for _, one := range s.SignIn {
		c := one.plain()
		if one.ClientSecretFile != "" {
			secret, err := s.secret(one.ClientSecretFile)
			if err != nil {
				return nil, fmt.Errorf("cannot use sign-in service %s: %w", one.Name, err)
			}
			c.ClientSecret = secret
		}
		all = append(all, c)
	}
	return oidc.New(all, s.BaseURL)
}

// secret reads a secret from a file, which others on the machine may not read.
func (s *installation) secret(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot read secret: %w", err)
	}
	if info.Mode().Perm()&0o004 != 0 {
		return "", fmt.Errorf("cannot read secret: everyone on this machine may read %s; chmod 600 it", path)
	}
	const longest = 4096
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || len(secret) > longest {
		return "", fmt.Errorf("cannot read secret: %s has %d bytes, expected one line", path, len(secret))
	}
	return secret, nil
}
