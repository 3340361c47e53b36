package oracle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// A Digest is a table's contents in short.
type Digest struct {
	Columns string // names and types
	Rows    int
	Sum     string // of the rows as a multiset, in text
}

// TableDigest reads a whole table.
func (w *World) TableDigest(ctx context.Context, t *Target, table string) (Digest, error) {
	s, err := Open(ctx, t.As("app"))
	if err != nil {
		return Digest{}, err
	}
	defer s.Close()
	list, err := Simple(s.Client, "SELECT * FROM "+table)
	if err != nil {
		return Digest{}, fmt.Errorf("%s: %w", table, err)
	}
	text := Shape{Types: newNaming(ctx, t, w.types).nameOf}.Text(list)
	head, rest, _ := strings.Cut(text, "\n")
	return Digest{head, len(list[0].Rows), fmt.Sprintf("%x", sha256.Sum256([]byte(rest)))}, nil
}

// Tables lists the tables of the schema public, as the target's catalogue says.
func (w *World) Tables(ctx context.Context, t *Target) ([]string, error) {
	s, err := Open(ctx, t.As("app"))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	list, err := Simple(s.Client, "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'public'")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, row := range list[0].Rows {
		names = append(names, string(row[0]))
	}
	slices.Sort(names)
	return names, nil
}
