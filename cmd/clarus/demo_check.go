package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/sqlast"
)

// A question is a query of the demo.
type question struct {
	name, sql string
	worth     bool // worth trying by hand
}

// showcase reads the queries that the demo suggests and that --check compares.
// In the file each has a comment line with its name; :name is the first
// patient's.
func showcase(h hospital) []question {
	name := ""
	for p := range h.people() {
		name = p.name
		break
	}
	var list []question
	for _, part := range strings.Split(strings.TrimSpace(demoShowcase), "\n\n") {
		head, sql, _ := strings.Cut(part, "\n")
		head, worth := strings.CutSuffix(strings.TrimPrefix(head, "-- "), " (worth trying)")
		sql = strings.ReplaceAll(strings.TrimSuffix(sql, ";"), ":name", sqlast.Literal(name))
		list = append(list, question{head, sql, worth})
	}
	return list
}

// compareAndSearch is --check: a line for each question and for each search of
// the cloud, and their sum. A check that failed is an error.
func (d *demo) compareAndSearch(ctx context.Context, out, progress io.Writer) error {
	if err := d.fill(ctx, d.plainTarget(), "into plain PostgreSQL", progress); err != nil {
		return err
	}
	t := &tally{out: out}
	if err := d.compareAnswers(ctx, t); err != nil {
		return err
	}
	if err := d.searchCloud(t); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", t.passed, t.failed)
	if t.failed > 0 {
		return &clarus.Error{Op: "demo", Kind: clarus.Internal, Msg: fmt.Sprintf("%d checks failed", t.failed)}
	}
	return nil
}

// A tally prints a line for each check and counts.
type tally struct {
	out            io.Writer
	passed, failed int
}

func (t *tally) check(name, fault string) {
	if fault == "" {
		t.passed++
		fmt.Fprintf(t.out, "ok    %s\n", name)
		return
	}
	t.failed++
	fmt.Fprintf(t.out, "FAIL  %s: %s\n", name, fault)
}

func (d *demo) compareAnswers(ctx context.Context, t *tally) error {
	through, err := dialDemo(ctx, d.clarus())
	if err != nil {
		return err
	}
	defer through.Close()
	plain, err := dialDemo(ctx, d.plainTarget())
	if err != nil {
		return err
	}
	defer plain.Close()
	for _, q := range showcase(hospital{d.patients}) {
		want, err := plain.query(q.sql)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		got, err := through.query(q.sql)
		fault := ""
		switch {
		case err != nil:
			fault = err.Error()
		case !slices.EqualFunc(want, got, slices.Equal):
			fault = fmt.Sprintf("%d rows that differ from the %d of plain PostgreSQL", len(got), len(want))
		}
		t.check(fmt.Sprintf("%s: %d rows, as on plain PostgreSQL", q.name, len(want)), fault)
	}
	return nil
}

// searchCloud looks for the patients' insurance numbers in all that the cloud
// has on disk. The log of plain PostgreSQL, which must have them, shows that
// the search finds what is there.
func (d *demo) searchCloud(t *tally) error {
	var secrets [][]byte
	for p := range (hospital{d.patients}).people() {
		s := []byte(p.insurance)
		secrets = append(secrets, s, []byte(hex.EncodeToString(s)), []byte(base64.StdEncoding.EncodeToString(s)))
	}
	type place struct {
		name, path string
		there      bool
	}
	places := []place{
		{"a search of plain PostgreSQL finds insurance numbers", d.path("plain"), true},
		{"the cloud's data directory and write-ahead log have none", d.path("cloud"), false},
		{"the cloud's log of statements has none", d.path("cloud.log"), false},
	}
	if d.registry != nil {
		places = append(places, place{"the second cloud's data directory and write-ahead log have none", d.path("registry"), false},
			place{"the second cloud's log of statements has none", d.path("registry.log"), false})
	}
	for _, place := range places {
		hits, err := search(place.path, secrets)
		if err != nil {
			return err
		}
		fault := ""
		if (len(hits) > 0) != place.there {
			fault = fmt.Sprintf("%d files with one", len(hits))
		}
		t.check(place.name, fault)
	}
	return nil
}

// search returns the files below path that hold one of secrets.
func search(path string, secrets [][]byte) (hits []string, err error) {
	err = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(secrets, func(s []byte) bool { return bytes.Contains(text, s) }) {
			hits = append(hits, name)
		}
		return nil
	})
	return hits, err
}
