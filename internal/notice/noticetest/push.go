// Package noticetest is a push service and a browser on loopback: what it is sent
// it decrypts with the browser's keys (RFC 8291, RFC 8188) and checks who signed it
// (RFC 8292). For tests of whatever pushes.
package noticetest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fridayos/friday/internal/outward"
)

// Service is a push service with one browser.
type Service struct {
	server *httptest.Server
	key    *ecdh.PrivateKey
	auth   []byte

	mu     sync.Mutex
	status int
	got    []Push
}

// Push is what it was sent.
type Push struct {
	Plain  []byte // decrypted
	Sealed []byte
	Header http.Header
	Key    string // of the server that signed it, base64url
}

// Start starts a service over TLS that takes everything.
func Start(t *testing.T) *Service {
	t.Helper()
	s := &Service{status: http.StatusCreated, auth: make([]byte, 16)}
	rand.Read(s.auth) // never fails
	var err error
	if s.key, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 4097))
		if err == nil && len(body) > 4096 {
			err = errors.New("it has more than 4096 bytes, which services may refuse")
		}
		p := Push{Sealed: body, Header: r.Header.Clone()}
		if err == nil {
			p.Plain, err = Decrypt(body, s.key, s.auth)
		}
		if err == nil {
			p.Key, err = signer(r.Header.Get("Authorization"), s.server.URL)
		}
		if err != nil {
			t.Errorf("a push is wrong: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, p)
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.server.Close)
	return s
}

// Answer sets the status of the answers to come.
func (s *Service) Answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Got is what came so far.
func (s *Service) Got() []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Push(nil), s.got...)
}

// Subscription is what the browser gives the site (PushSubscription.toJSON()).
func (s *Service) Subscription() string {
	text, err := json.Marshal(map[string]any{"endpoint": s.server.URL + "/push/secret", "expirationTime": nil, "keys": map[string]string{
		"p256dh": base64.RawURLEncoding.EncodeToString(s.key.PublicKey().Bytes()), "auth": base64.RawURLEncoding.EncodeToString(s.auth)}})
	if err != nil {
		panic(err) // strings alone
	}
	return string(text)
}

// Certificate is what a caller must believe, as PEM.
func (s *Service) Certificate() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw}))
}

// Policy lets the service be called.
func (s *Service) Policy() outward.Policy {
	at := netip.MustParseAddrPort(s.server.Listener.Addr().String())
	return outward.Policy{Ports: []uint16{at.Port()}, Inside: []netip.Prefix{netip.PrefixFrom(at.Addr(), 32)},
		TLS: &tls.Config{RootCAs: s.server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}
}

// Decrypt reads a push as RFC 8291 and RFC 8188 say, with the browser's keys.
func Decrypt(body []byte, key *ecdh.PrivateKey, auth []byte) ([]byte, error) {
	if len(body) < 21 || len(body) < 21+int(body[20]) {
		return nil, fmt.Errorf("cannot decrypt a push: it has %d bytes, too few for its header", len(body))
	}
	salt, size, n := body[:16], binary.BigEndian.Uint32(body[16:20]), int(body[20])
	server, sealed := body[21:21+n], body[21+n:]
	if int64(size) < int64(len(sealed)) {
		return nil, fmt.Errorf("cannot decrypt a push: the record has %d bytes, its header says %d", len(sealed), size)
	}
	point, err := ecdh.P256().NewPublicKey(server)
	if err != nil {
		return nil, err
	}
	shared, err := key.ECDH(point)
	if err != nil {
		return nil, err
	}
	ikm, err := hkdf.Key(sha256.New, shared, auth, "WebPush: info\x00"+string(key.PublicKey().Bytes())+string(server), 32)
	if err != nil {
		return nil, err
	}
	secret, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot decrypt a push: %w", err)
	}
	plain = []byte(strings.TrimRight(string(plain), "\x00"))
	if len(plain) == 0 || plain[len(plain)-1] != 2 {
		return nil, errors.New("cannot decrypt a push: the record is not the last")
	}
	return plain[:len(plain)-1], nil
}

// signer has another library check what a service must, and returns the key.
func signer(header, origin string) (string, error) {
	rest, ok := strings.CutPrefix(header, "vapid t=")
	token, public, ok2 := strings.Cut(rest, ",")
	public = strings.TrimPrefix(strings.TrimSpace(public), "k=")
	raw, err := base64.RawURLEncoding.DecodeString(public)
	if !ok || !ok2 || err != nil || len(raw) != 65 {
		return "", fmt.Errorf("Authorization is %q, expected vapid t=…, k=…", header)
	}
	key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(raw[1:33]), Y: new(big.Int).SetBytes(raw[33:])}
	_, err = jwt.Parse(token, func(*jwt.Token) (any, error) { return key, nil }, jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(origin), jwt.WithExpirationRequired())
	return public, err
}
