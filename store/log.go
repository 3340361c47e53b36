package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/twin"
)

// A Digest stands for a database's log up to one version. Whoever knows it
// knows every entry, and their order; it tells nothing of them.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String writes.
func ParseDigest(text string) (d Digest, ok bool) {
	b, err := hex.DecodeString(text)
	return d, err == nil && copy(d[:], b) == len(d) && len(b) == len(d)
}

// then is the digest of a log that goes on with an entry.
func (d Digest) then(text []byte) Digest {
	return sha256.Sum256(append(append([]byte("clarus catalog\x00"), d[:]...), text...))
}

// A Statement is one DDL statement of the log, as it ran on the twin.
type Statement struct {
	User       string
	SearchPath string
	SQL        string
}

// An entry is one version in the log at the provider.
type entry struct {
	Statements  []Statement
	Tables      []*catalog.Table
	NextDataset clarus.DatasetID
	Enums       []*catalog.Enum `json:",omitempty"`
	NextLabel   uint32          `json:",omitempty"`
	Previous    []byte          `json:",omitempty"` // digest of the version before; entries of old have none
	OIDs        twin.OIDs       `json:",omitempty"` // after the statements; likewise
}

// A history is the log as it was read.
type history struct {
	entries []entry
	digests []Digest // of each version from 0 on
}

func newHistory() *history { return &history{digests: make([]Digest, 1)} }

// version is the number of the newest version.
func (h *history) version() int64 { return int64(len(h.entries)) }

// digest is the digest of the newest version.
func (h *history) digest() Digest { return h.digests[h.version()] }

// head is the newest entry, or an empty one.
func (h *history) head() entry {
	if len(h.entries) == 0 {
		return entry{}
	}
	return h.entries[len(h.entries)-1]
}

// add takes the text of the next entry. It says what is wrong with it, or "".
func (h *history) add(text []byte) (wrong string) {
	var e entry
	if json.Unmarshal(text, &e) != nil {
		return "is not well formed"
	}
	last := h.digest()
	chained := len(e.Previous) > 0 || len(h.head().Previous) > 0
	if chained && !bytes.Equal(e.Previous, last[:]) {
		return "does not follow the one before it"
	}
	h.entries, h.digests = append(h.entries, e), append(h.digests, last.then(text))
	return ""
}

const (
	createSQL = `CREATE SCHEMA IF NOT EXISTS clarus;
CREATE TABLE IF NOT EXISTS clarus.catalog (version bigint PRIMARY KEY, entry bytea NOT NULL)`
	lockSQL   = "LOCK TABLE clarus.catalog IN SHARE ROW EXCLUSIVE MODE"
	headSQL   = "SELECT coalesce(max(version), 0)::text FROM clarus.catalog"
	existsSQL = "SELECT pg_catalog.to_regclass('clarus.catalog') IS NOT NULL"
	readSQL   = "SELECT version, entry FROM clarus.catalog ORDER BY version"
	addSQL    = "INSERT INTO clarus.catalog (version, entry) VALUES ($1, $2)"
)

// catalogRecord is the attribute number of catalogue entries among Clarus's
// own records.
const catalogRecord = 1

// read opens all entries. They must be the versions from 1 on, each sealed for
// its own number and following the one before.
func (d *Database) read(ctx context.Context, p provider.Session) (*history, error) {
	codec, err := d.Records.Record(ctx, clarus.AttributeID{Dataset: d.base(), Attribute: catalogRecord})
	if err != nil {
		return nil, err
	}
	h := newHistory()
	_, err = p.Run(ctx, provider.Statement{SQL: readSQL, Results: []int16{1}}, nil, func(body []byte) error {
		cells, err := pgwire.Row(body, nil)
		if err != nil {
			return err
		}
		n := h.version() + 1
		if len(cells) != 2 || len(cells[0]) != 8 || int64(binary.BigEndian.Uint64(cells[0])) != n {
			return d.altered("versions are missing or out of order")
		}
		values, err := codec.Open([]clarus.RowID{rowOf(n)}, []clarus.Sealed{cells[1]})
		if err != nil {
			return d.altered("version " + strconv.FormatInt(n, 10) + " does not open")
		}
		if wrong := h.add(values[0].Bytes); wrong != "" {
			return d.altered("version " + strconv.FormatInt(n, 10) + " " + wrong)
		}
		return nil
	})
	return h, err
}

func (d *Database) altered(what string) error {
	return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Integrity, Msg: "the catalogue at the provider was altered: " + what,
		Hint: "Compare with a backup and audit the provider. Check also that the keyring belongs to this database."}
}

// rowOf is the row identity of a version's entry.
func rowOf(n int64) (id clarus.RowID) {
	copy(id[:], "catalog")
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// append stores an entry as version n in the transaction of p.
func (d *Database) append(ctx context.Context, p provider.Session, n int64, text []byte) error {
	codec, err := d.Records.Record(ctx, clarus.AttributeID{Dataset: d.base(), Attribute: catalogRecord})
	if err != nil {
		return err
	}
	sealed, err := codec.Seal([]clarus.RowID{rowOf(n)}, []clarus.Value{{Bytes: text}})
	if err != nil {
		return err
	}
	_, err = p.Run(ctx, provider.Statement{SQL: addSQL, Types: []uint32{20, 17}, Formats: []int16{1},
		Params: [][]byte{binary.BigEndian.AppendUint64(nil, uint64(n)), sealed[0]}}, nil, nil)
	return err
}
