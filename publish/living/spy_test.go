package living_test

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/publish/model"
)

// A spy keeps every change that was ever prepared, knows whose rows are in which class
// and when rows changed and left, and draws the conclusions as plainly as can be. It
// shares no text with the checker.
type spy struct {
	*world
	changes []*living.Change
	keys    map[uint64][]string // of every class ever: its rows
	rows    map[string]*seen    // of every row that was ever published: what was seen of it
	whole   []map[string]int    // of each change: the table's illnesses
	again   int
}

// A seen row is in the classes and with the values of each change; "" is in none.
type seen struct {
	subject string
	history []string // of each change: the class, and whether other values were shown than before
	ill     []string // of each change: the value, if its class was published then
	beside  string   // what was shown beside the quasi-identifiers
	class   uint64
}

func (s *spy) sees(c *living.Change) {
	s.changes = append(s.changes, c)
	whole := map[string]int{}
	for _, row := range s.table {
		whole[row[3]]++
	}
	s.whole = append(s.whole, whole)
	changed := map[string]bool{}
	for _, id := range c.Withdraw {
		for _, r := range s.rows {
			if r.class == id {
				r.class = 0
			}
		}
	}
	ills := map[string]string{}
	for _, class := range c.Publish {
		s.keys[class.ID] = class.Keys
		for i, key := range class.Keys {
			cells := class.Rows[i]
			r := s.rows[key]
			if r == nil {
				r = &seen{subject: key, history: make([]string, len(s.changes)-1), ill: make([]string, len(s.changes)-1)}
				if s.policy.Subject != "" {
					r.subject = s.table[key][6]
				}
				s.rows[key] = r
			} else {
				s.again++
			}
			beside := strings.Join(cells[2:], "\x00")
			changed[key] = r.beside != "" && r.beside != beside
			r.beside, r.class = beside, class.ID
			ills[key] = cells[2]
			if cells[2] != s.table[key][3] {
				s.Fatalf("class %d shows %q of a row that has %q", class.ID, cells[2], s.table[key][3])
			}
			covers(s.T, cells, s.table[key])
		}
	}
	for key, r := range s.rows {
		r.history = append(r.history, fmt.Sprint(r.class, changed[key]))
		r.ill = append(r.ill, ills[key])
	}
}

// judge looks at every set of rows that all that was seen does not tell apart. The
// first class that a row was in tells it from all rows that were not.
func (s *spy) judge() {
	groups := map[string][]*seen{}
	for _, r := range s.rows {
		groups[strings.Join(r.history, ";")] = append(groups[strings.Join(r.history, ";")], r)
	}
	for history, rows := range groups {
		subjects := map[string]bool{}
		for _, r := range rows {
			subjects[r.subject] = true
		}
		if len(subjects) < s.policy.K {
			s.Fatalf("%d rows of %d subjects are told from all others: %s", len(rows), len(subjects), history)
		}
		for at := range s.changes {
			var ills []string
			for _, r := range rows {
				if r.ill[at] != "" {
					ills = append(ills, r.ill[at])
				}
			}
			if len(ills) == 0 {
				continue
			}
			if len(ills) != len(rows) {
				s.Fatal("rows of one history were not published together")
			}
			for _, want := range s.policy.Attribute("ill").Wants {
				if !holds(want, ills, s.whole[at]) {
					s.Fatalf("of %d rows it is known that they have %v, which is not %s: %s", len(rows), ills, want, history)
				}
			}
		}
	}
}

// holds is the models as they are defined.
func holds(want model.Requirement, values []string, whole map[string]int) bool {
	count, total := map[string]int{}, 0
	for _, v := range values {
		count[v]++
	}
	for _, n := range whole {
		total += n
	}
	var most []int
	entropy := 0.0
	for _, n := range count {
		most = append(most, n)
		entropy -= float64(n) / float64(len(values)) * math.Log(float64(n)/float64(len(values)))
	}
	slices.Sort(most)
	slices.Reverse(most)
	switch want.Kind {
	case model.DistinctL:
		return len(count) >= int(want.L)
	case model.EntropyL:
		return entropy >= math.Log(want.L)-1e-9
	case model.RecursiveL:
		rest := 0
		for _, n := range most[min(len(most), int(want.L)-1):] {
			rest += n
		}
		return float64(most[0]) < want.C*float64(rest)
	}
	more := func(v string) float64 {
		return float64(count[v])/float64(len(values)) - float64(whole[v])/float64(total)
	}
	flu, cold, gout := more("flu"), more("cold"), more("gout")
	distance := (math.Abs(flu) + math.Abs(cold) + math.Abs(gout)) / 2
	switch want.Distance {
	case model.Ordered: // two steps: from flu to cold, from cold to gout
		distance = (math.Abs(flu) + math.Abs(flu+cold)) / 2
	case model.Hierarchical: // half of the way within the lungs
		within := max(0, min(flu, -cold), min(-flu, cold))
		distance = within/2 + math.Abs(gout)
	}
	return distance <= want.T+1e-9
}
