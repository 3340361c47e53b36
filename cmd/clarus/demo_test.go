package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestShowcase compares the demo's queries with plain PostgreSQL under other
// policies than the demo's own, and with its tables at two clouds, and searches
// what the clouds hold where the policy seals.
func TestShowcase(t *testing.T) {
	for _, name := range []string{"clear", "sealed", "equality", "mixed", "two clouds"} {
		t.Run(name, func(t *testing.T) {
			o := demoOptions{clouds: 1, patients: checkedPatients, check: true, policy: filepath.Join("..", "..", "internal", "oracle", "testdata", "policy-"+name+".yaml")}
			if name == "two clouds" {
				o.clouds, o.policy = 2, ""
			}
			d, err := newDemo(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := d.close(); err != nil {
					t.Error(err)
				}
			}()
			if err := d.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := d.fill(t.Context(), d.clarus(), "through Clarus", io.Discard); err != nil {
				t.Fatal(err)
			}
			if err := d.fill(t.Context(), d.plainTarget(), "into plain PostgreSQL", io.Discard); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			sum := &tally{out: &out}
			if err := d.compareAnswers(t.Context(), sum); err != nil {
				t.Fatal(err)
			}
			if name != "clear" {
				if err := d.searchCloud(sum); err != nil {
					t.Fatal(err)
				}
			}
			if sum.failed > 0 || sum.passed < 20 {
				t.Errorf("%d passed, %d failed\n%s", sum.passed, sum.failed, &out)
			}
		})
	}
}
