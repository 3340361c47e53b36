package release

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/secret"
)

// open opens a file that the publishing policy names.
func (j *job) open(name string) (io.ReadCloser, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(j.published.Directory, name)
	}
	return os.Open(name)
}

// promise is a digest of what the publishing policy promises, its hierarchies
// included: a release goes on under the policy that it began with.
func (j *job) promise() ([]byte, error) {
	p := *j.published.Policy
	p.Effort, p.Seed = 0, nil // how well it is kept is another matter
	text, err := json.Marshal(&p)
	if err != nil {
		return nil, err
	}
	fields := [][]byte{text}
	for _, a := range p.Attributes {
		if a.Hierarchy == nil || a.Hierarchy.File == "" {
			continue
		}
		f, err := j.open(a.Hierarchy.File)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(f)
		if err := cmp.Or(err, f.Close()); err != nil {
			return nil, err
		}
		fields = append(fields, text)
	}
	sum := sha256.Sum256(secret.Fields(fields...))
	return sum[:], nil
}

// store is where the state is kept: sealed, on this side.
func (j *job) store(ctx context.Context) living.Store {
	of := secret.Fields([]byte(j.db.Name), binary.BigEndian.AppendUint32(nil, j.db.Number), []byte(j.original.Schema), []byte(j.original.Table))
	sum := sha256.Sum256(of)
	return &sealedStore{context.WithoutCancel(ctx), j, string(of), living.File(filepath.Join(j.db.State, hex.EncodeToString(sum[:16])+".sealed"))}
}

// A sealedStore keeps a state, behind the digest of its promise, in a file that
// only this Clarus can read.
type sealedStore struct {
	ctx  context.Context
	job  *job
	name string
	file living.File
}

func (s *sealedStore) Save(state []byte) error {
	promise, err := s.job.promise()
	if err != nil {
		return err
	}
	sealed, err := s.job.db.Seal(s.ctx, s.name, append(promise, state...))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(string(s.file)), 0o700); err != nil {
		return err
	}
	return s.file.Save(sealed)
}

func (s *sealedStore) Load() ([]byte, error) {
	sealed, err := s.file.Load()
	if err != nil || sealed == nil {
		return nil, err
	}
	text, err := s.job.db.Open(s.ctx, s.name, sealed)
	if err != nil {
		return nil, err
	}
	promise, err := s.job.promise()
	if err != nil {
		return nil, err
	}
	state, ok := bytes.CutPrefix(text, promise)
	if !ok {
		return nil, &clarus.Error{Op: "release", Attr: s.job.name.String(), Kind: clarus.Misconfigured, Msg: "the publishing policy, or a hierarchy that it names, is not what the release was made with",
			Hint: "Put it back. Another policy needs another release: docs/publish.md says how one is withdrawn."}
	}
	return state, nil
}
