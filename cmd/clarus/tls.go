package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/policy"
)

// A renewable is what was read from files, and is read again once they change:
// certificates are renewed while Clarus runs. Files that cannot be used, half
// written ones say, leave in force what was read before.
type renewable[T any] struct {
	read  func() (T, error)
	files []string
	log   *slog.Logger

	mu    sync.Mutex
	stamp string // of the files as they were read last
	value T
}

// load reads the files for the first time.
func (r *renewable[T]) load() (err error) {
	r.stamp = stamp(r.files)
	r.value, err = r.read()
	return err
}

// get returns what the files hold now.
func (r *renewable[T]) get() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := stamp(r.files); now != r.stamp {
		r.stamp = now
		if v, err := r.read(); err != nil {
			r.log.Error("renewed certificates cannot be used; those before stay in force", "files", r.files, "error", err)
		} else {
			r.value = v
			r.log.Info("certificates were read again", "files", r.files)
		}
	}
	return r.value
}

// stamp changes when a file does.
func stamp(files []string) string {
	var text string
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			text += fmt.Sprintln(info.ModTime().UnixNano(), info.Size())
		}
	}
	return text
}

// clientTLS says how a provider at host is verified.
func clientTLS(c policy.ClientTLS, host string, log *slog.Logger) (func() *tls.Config, error) {
	if c.CA == "" {
		return func() *tls.Config { return verifying(c.Mode, host, nil) }, nil
	}
	r := &renewable[*x509.CertPool]{files: []string{c.CA}, log: log, read: func() (*x509.CertPool, error) { return authorities(c.CA) }}
	if err := r.load(); err != nil {
		return nil, err
	}
	return func() *tls.Config { return verifying(c.Mode, host, r.get()) }, nil
}

func authorities(file string) (*x509.CertPool, error) {
	wrong := &clarus.Error{Op: "tls", Attr: file, Kind: clarus.Misconfigured, Hint: "Give a PEM file with the authority's certificate as tls.ca of the provider."}
	pem, err := os.ReadFile(file)
	if err != nil {
		wrong.Msg = "the authority's certificate cannot be read: " + errors.Unwrap(err).Error()
		return nil, wrong
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		wrong.Msg = "the file holds no certificate"
		return nil, wrong
	}
	return pool, nil
}

// verifying is TLS to a host whose certificate is signed by one of roots; nil:
// by one of the system's authorities.
func verifying(mode, host string, roots *x509.CertPool) *tls.Config {
	conf := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: roots}
	if mode != "verify-ca" {
		return conf
	}
	conf.InsecureSkipVerify = true // the chain is verified below, the host name is not
	conf.VerifyConnection = func(cs tls.ConnectionState) error {
		o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, cert := range cs.PeerCertificates[1:] {
			o.Intermediates.AddCert(cert)
		}
		_, err := cs.PeerCertificates[0].Verify(o)
		return err
	}
	return conf
}

// serverTLS is what clients get.
func serverTLS(c policy.ServerTLS, log *slog.Logger) (*tls.Config, error) {
	r := &renewable[*tls.Certificate]{files: []string{c.Certificate, c.Key}, log: log, read: func() (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		return &cert, err
	}}
	if err := r.load(); err != nil {
		return nil, &clarus.Error{Op: "tls", Attr: c.Certificate, Kind: clarus.Misconfigured, Msg: "the certificate cannot be used: " + err.Error(),
			Hint: "Check listen.tls in the configuration."}
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.get(), nil }}, nil
}
