package oracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
)

// builtins are PostgreSQL's own types, equal on every server.
type builtins struct {
	name map[uint32]string
	oid  map[string]uint32
}

func readTypes(s *Session, where string) (builtins, error) {
	t := builtins{map[uint32]string{}, map[string]uint32{}}
	list, err := Simple(s.Client, "SELECT t.oid, t.typname FROM pg_catalog.pg_type t WHERE "+where)
	if err != nil {
		return t, fmt.Errorf("read types: %w", err)
	}
	for _, row := range list[0].Rows {
		oid, err := strconv.ParseUint(string(row[0]), 10, 32)
		if err != nil {
			return t, err
		}
		t.name[uint32(oid)] = string(row[1])
		t.oid[string(row[1])] = uint32(oid)
	}
	return t, nil
}

// A naming gives names to one server's types. User-defined types, whose OIDs
// differ between servers, are asked for when one is first met.
type naming struct {
	ctx    context.Context
	target *Target
	base   builtins
	user   builtins
	tried  map[string]bool
}

func newNaming(ctx context.Context, t *Target, base builtins) *naming {
	return &naming{ctx: ctx, target: t, base: base, tried: map[string]bool{}}
}

// nameOf names a type; one that cannot be asked for is "user type".
func (n *naming) nameOf(oid uint32) string {
	if oid < firstUserOID {
		if name := n.base.name[oid]; name != "" {
			return name
		}
		return fmt.Sprintf("type %d", oid)
	}
	if n.user.name[oid] == "" {
		n.reload(strconv.Itoa(int(oid)))
	}
	if name := n.user.name[oid]; name != "" {
		return name
	}
	return "user type"
}

// oidOf finds a type by name; 0 if there is none.
func (n *naming) oidOf(name string) uint32 {
	if oid := n.base.oid[name]; oid != 0 || name == "" {
		return oid
	}
	if n.user.oid[name] == 0 {
		n.reload(name)
	}
	return n.user.oid[name]
}

func (n *naming) reload(what string) {
	if n.tried[what] {
		return
	}
	n.tried[what] = true
	s, err := Open(n.ctx, n.target.As("app"))
	if err != nil {
		return
	}
	defer s.Close()
	if user, err := readTypes(s, "t.oid >= 16384"); err == nil {
		n.user = user
	}
}

// mask replaces the OIDs of user-defined types in a binary array or composite
// by their names.
func (n *naming) mask(v []byte) []byte {
	for oid, name := range n.user.name {
		v = bytes.ReplaceAll(v, binary.BigEndian.AppendUint32(nil, oid), []byte("<"+name+">"))
	}
	return v
}

// An encoder turns values from text into binary format by asking plain PostgreSQL.
type encoder struct {
	session *Session
	known   map[string][]byte
}

// encode returns the binary format of a value of a built-in type.
func (e *encoder) encode(oid uint32, text string) ([]byte, error) {
	key := fmt.Sprintf("%d %s", oid, text)
	if b, ok := e.known[key]; ok {
		return b, nil
	}
	list, err := e.session.Extended(Call{SQL: "SELECT $1", Types: []uint32{oid}, Params: [][]byte{[]byte(text)}, Binary: true}, nil)
	switch {
	case err != nil:
		return nil, err
	case len(list) != 1 || list[0].Err != nil || len(list[0].Rows) != 1:
		return nil, fmt.Errorf("%q is not a value of type %d: %v", text, oid, list)
	}
	e.known[key] = list[0].Rows[0][0]
	return e.known[key], nil
}
