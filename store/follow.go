package store

import (
	"context"
	"fmt"

	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/twin"
)

// follow has the twin follow a log that was read and checked.
func (d *Database) follow(ctx context.Context, locale []string, h *history) error {
	if d.adopt(ctx, h) {
		return nil
	}
	s, from, err := d.start(ctx, locale, h)
	if err != nil || s == nil {
		return err
	}
	v, err := d.replay(ctx, s, from, h)
	if err != nil {
		s.Drop()
		return err
	}
	d.enforce(v)
	return nil
}

// adopt puts the version in force that was appended here and whose commit did
// not become known, if it is the log's newest. It gives up all others.
func (d *Database) adopt(ctx context.Context, h *history) (adopted bool) {
	d.mu.Lock()
	pending := d.pending
	d.pending = nil
	d.mu.Unlock()
	for _, n := range pending {
		if !adopted && n.digest == h.digest() && d.promote(ctx, n) == nil {
			adopted = true
			continue
		}
		n.Scratch.Drop()
	}
	return adopted
}

// start gives the database in which the log is replayed from a version on: a
// clone of the one in force, if the log goes on from there, else an empty one.
// It is nil if the one in force is the newest.
func (d *Database) start(ctx context.Context, locale []string, h *history) (s *twin.Scratch, from int64, err error) {
	d.mu.Lock()
	v := d.current
	if v != nil && (v.Twin.Lost() || v.Catalog.Version > h.version() || h.digests[v.Catalog.Version] != v.Digest) {
		v = nil
	}
	if v != nil {
		v.Twin.Hold()
	}
	d.mu.Unlock()
	if v == nil {
		base, err := d.Twin.First(ctx, d.Name, locale[0], locale[1], twin.Kept{Functions: plan.Denied, Relations: plan.Hidden})
		if err != nil {
			return nil, 0, err
		}
		defer base.Retire()
		s, err = base.Lease(ctx, d.Twin.Owner())
		return s, 0, err
	}
	defer v.Twin.Release()
	if v.Catalog.Version < h.version() {
		s, err = v.Twin.Lease(ctx, d.Twin.Owner())
	}
	return s, v.Catalog.Version, err
}

// replay runs the log's statements from a version on and makes a version of
// the result. Where the log says which OIDs there were, they are given again.
func (d *Database) replay(ctx context.Context, s *twin.Scratch, from int64, h *history) (*Version, error) {
	for i, e := range h.entries[from:] {
		for _, st := range e.Statements {
			if err := s.Replay(ctx, st.User, st.SearchPath, st.SQL); err != nil {
				return nil, fmt.Errorf("replay version %d of the schema on the twin: %w", from+int64(i)+1, err)
			}
		}
	}
	head := h.head()
	if err := s.Renumber(head.OIDs); err != nil && d.Warn != nil {
		d.Warn("objects of the schema have other OIDs than before: clients that remember them must connect anew", err)
	}
	if h.version() == 0 {
		head.NextDataset = d.base()
	}
	l, err := s.Introspect()
	if err != nil {
		return nil, err
	}
	made := catalog.Catalog{Version: h.version(), NextDataset: head.NextDataset, Tables: head.Tables, Enums: head.Enums, NextLabel: head.NextLabel}.Bind(l)
	for _, t := range head.Tables {
		if t.Relation == nil {
			return nil, d.altered("table " + t.Schema + "." + t.Name + " is not in the log")
		}
	}
	v, err := s.Promote(ctx, h.version())
	if err != nil {
		return nil, err
	}
	return &Version{Catalog: made, Digest: h.digest(), Twin: v}, nil
}
