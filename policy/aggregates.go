package policy

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"
)

// Aggregates says what users with aggregate: dp may learn of a dataset.
type Aggregates struct {
	Subject  string
	Noise    string // gaussian or laplace
	Question Spend  // what each new answer costs
	Total    *Spend // what all users together may spend; nil: no limit but theirs
	Rows     int    // of one subject, that count in an answer
	Groups   int    // in which rows of one subject count
	Budgets  map[string]map[string]Spend
	Bounds   map[string]Bound
	Keys     map[string][]string // values that are known to all, by attribute
	Refresh  time.Duration       // after which an answer may be drawn anew; 0: never
}

// A Spend is an amount of privacy loss.
type Spend struct {
	Rho   uint64 // in billionths
	Delta uint64 // in units of 10^-18
}

func (s Spend) String() string {
	text := "rho " + strconv.FormatFloat(float64(s.Rho)/1e9, 'g', -1, 64)
	if s.Delta > 0 {
		text += " delta " + strconv.FormatFloat(float64(s.Delta)/1e18, 'g', -1, 64)
	}
	return text
}

// A Bound says which values of an attribute are taken for possible: those
// between, in steps.
type Bound struct {
	Lower, Upper int64
	Step         *big.Rat
}

type aggregates struct {
	Aggregates
	places map[string]position // of the attributes that are named
	users  map[string]position
}

// Aggregates returns what users with aggregate: dp may learn of a table, or nil.
func (p *Policy) Aggregates(schema, table string) *Aggregates {
	d := p.dataset(schema, table)
	if d == nil || d.aggregates == nil {
		return nil
	}
	return &d.aggregates.Aggregates
}

// CheckUsers reports every budget of a user whom the configuration does not have,
// or who needs none.
func (p *Policy) CheckUsers(users map[string]User) error {
	r := &report{file: p.file}
	for _, d := range p.datasets {
		if d.aggregates == nil {
			continue
		}
		for name, at := range d.aggregates.users {
			if u, known := users[name]; !known {
				r.add(at, "there is no user "+name, suggest(name, sortedKeys(users)))
			} else if !u.Private {
				r.add(at, fmt.Sprintf("user %s has a budget, and gets exact answers", name), "add aggregate: dp to the user in the configuration, or remove the budget")
			}
		}
	}
	return r.err()
}

func (r *policyReader) aggregates(n *node, d *dataset) *aggregates {
	a := &aggregates{places: map[string]position{}, users: map[string]position{}}
	a.Subject, a.Noise = d.subject, n.text("noise")
	if a.Noise == "" {
		a.Noise = "gaussian"
	}
	if d.subject == "" {
		r.unless(n, "aggregates are about subjects, and the dataset has none", "add subject: the attribute that says whose data a row is")
	}
	a.Question = spend(n.get("question"))
	if a.Question.Rho > mostQuestion {
		r.unless(n.get("question"), "a question that costs more than rho 100 is hardly protected", "make it cheaper")
	}
	if a.Rows = int(number(n.get("rows"))); a.Rows > 0 {
		a.Groups = a.Rows
	}
	if at := n.get("groups"); at != nil {
		if a.Groups = int(number(at)); a.Groups > a.Rows && !r.told[at.at] {
			r.add(at.at, fmt.Sprintf("a subject with %d rows is not in %d groups", a.Rows, a.Groups), "groups is at most rows")
		}
	}
	if at := n.get("total"); at != nil {
		total := spend(at)
		a.Total = &total
	}
	r.budgets(n.get("budgets"), a)
	r.bounds(n.get("bounds"), a)
	r.keys(n.get("keys"), a)
	if at := n.get("refresh"); at != nil {
		var err error
		if a.Refresh, err = parseDuration(value[string](at)); err != nil {
			r.unless(at, "refresh "+err.Error(), "for example 24h")
		}
	}
	return a
}

// mostQuestion is the most that a question may cost, in billionths.
const mostQuestion = 100_000_000_000

// spend reads an amount; what is less than its smallest part is taken for that.
func spend(n *node) Spend {
	parts := func(name string, one float64) uint64 {
		x := number(n.get(name))
		if x <= 0 || x > 1e6 {
			return 0
		}
		return uint64(max(1, math.Round(x*one)))
	}
	return Spend{Rho: parts("rho", 1e9), Delta: parts("delta", 1e18)}
}

func (r *policyReader) budgets(n *node, a *aggregates) {
	a.Budgets = map[string]map[string]Spend{}
	if n == nil {
		return
	}
	for _, user := range n.fields {
		a.users[user.name] = user.at
		a.Budgets[user.name] = map[string]Spend{}
		for _, purpose := range user.value.fields {
			s := spend(purpose.value)
			if s.Rho < a.Question.Rho && !r.told[purpose.value.at] {
				r.add(purpose.value.at, fmt.Sprintf("the budget of %s does not pay for one question of %s", s, a.Question), "give more, or make questions cheaper")
			}
			a.Budgets[user.name][purpose.name] = s
		}
	}
}

// mostBound bounds bounds.
const mostBound = 1 << 40

func (r *policyReader) bounds(n *node, a *aggregates) {
	a.Bounds = map[string]Bound{}
	if n == nil {
		return
	}
	for _, f := range n.fields {
		a.places[f.name] = f.at
		b := Bound{Step: big.NewRat(1, 1)}
		if at := f.value.get("step"); at != nil {
			b.Step = decimalOf(at)
		}
		if b.Step.Sign() <= 0 {
			r.unless(f.value.get("step"), "step must be more than 0", "")
			continue
		}
		if f.value.get("from") == nil || f.value.get("to") == nil {
			continue // which the schema has complained of
		}
		whole := true
		count := func(name string) int64 {
			x := new(big.Rat).Quo(decimalOf(f.value.get(name)), b.Step)
			whole = whole && x.IsInt() && x.Num().IsInt64() && new(big.Int).Abs(x.Num()).Cmp(big.NewInt(mostBound)) <= 0
			return x.Num().Int64()
		}
		b.Lower, b.Upper = count("from"), count("to")
		switch {
		case !whole:
			r.unless(f.value, "bounds must be multiples of step, and fewer than 2^40 of them", "for example {from: 0, to: 1000, step: 0.01}")
		case b.Lower >= b.Upper:
			r.unless(f.value, "from must be less than to", "")
		}
		a.Bounds[f.name] = b
	}
}

// decimalOf is the number as the file writes it; 0 if there is none.
func decimalOf(n *node) *big.Rat {
	x := new(big.Rat)
	if n == nil {
		return x
	}
	switch v := n.value.(type) {
	case int64:
		x.SetInt64(v)
	case float64:
		if _, ok := x.SetString(strconv.FormatFloat(v, 'f', -1, 64)); !ok {
			return new(big.Rat)
		}
	}
	return x
}

func (r *policyReader) keys(n *node, a *aggregates) {
	a.Keys = map[string][]string{}
	if n == nil {
		return
	}
	for _, f := range n.fields {
		a.places[f.name] = f.at
		var values []string
		for _, item := range f.value.items {
			text := fmt.Sprint(item.value)
			if slices.Contains(values, text) {
				r.unless(item, fmt.Sprintf("%s is named twice", text), "")
			}
			values = append(values, text)
		}
		a.Keys[f.name] = values
	}
}
