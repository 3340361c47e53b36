package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish/dp"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// purposeSetting is what a private question is asked for, where the user has
// budgets for several purposes.
const purposeSetting = "clarus.purpose"

// private reports whether the user gets differentially private answers only.
func (s *Session) private() bool { return s.host.Private[s.who.User] }

// confine refuses kinds of statement that a private user may not send.
func (s *Session) confine(kind sqlast.Kind) error {
	if !s.private() {
		return nil
	}
	switch kind {
	case sqlast.Query, sqlast.Transaction, sqlast.Set, sqlast.Show, sqlast.Discard, sqlast.Deallocate, sqlast.Prepare, sqlast.Execute, sqlast.Unlisten:
		return nil
	}
	return plan.Confined("this kind of statement is refused", "")
}

// analysePrivately has the twin say what a private user's query means, and plans it.
func (s *Session) analysePrivately(ctx context.Context, p *statement) error {
	c, err := s.twin(ctx)
	if err != nil {
		return err
	}
	a, err := c.Analyze(p.st.Text, p.oids)
	if err != nil {
		return shifted(err, p.st.Offset)
	}
	list, err := analyze.Parse(a.Tree)
	if err != nil {
		return err
	}
	p.params, p.fields, p.made, p.edition = a.Params, a.Fields, s.catalog(), s.settings.edition
	if plan.Idle(list) {
		p.plan, err = plan.Make(s.env(), list)
		return err
	}
	rules := func(t *catalog.Table) *policy.Aggregates { return s.db.Policy.Aggregates(t.Schema, t.Name) }
	if p.plan, err = plan.Privately(s.env(), list, rules); err != nil {
		return err
	}
	if err := s.privileges(c, p); err != nil {
		return err
	}
	// What the twin will be asked names the subject too. It must not fail once it is paid for.
	q := p.plan.Private
	st := twin.Statement{SQL: "EXPLAIN (COSTS OFF) " + q.SQL, Params: make([][]byte, len(q.Params))}
	for _, x := range q.Params {
		st.Types = append(st.Types, x.Type)
	}
	return withoutPosition(c.Run(st, nil, nil))
}

// answer answers a private question: from memory, or else with new noise, once it is
// paid for.
func (s *Session) answer(ctx context.Context, permit gate.Permit, p *portal, row func([]byte) error) (string, error) {
	q := p.st.plan.Private
	account, limit, err := s.account(ctx, q)
	if err != nil {
		return "", err
	}
	if p, err = s.read(ctx, p); err != nil {
		return "", err
	}
	question, err := s.asking(p, q)
	if err != nil {
		return "", err
	}
	told, known := s.host.Ledger.Recall(account.Dataset, question)
	if !known {
		if err := s.feasible(ctx, p, q); err != nil {
			return "", err
		}
		paid, err := s.host.Ledger.Pay(account, question, q.Question.Cost, limit)
		if err != nil {
			return "", ledgerError(err)
		}
		if paid {
			s.notice(&pgwire.ServerError{Severity: "NOTICE", Code: "00000", Message: fmt.Sprintf("this question costs %s of the budget for %s; left: %s",
				q.Question.Cost, account.Purpose, s.host.Ledger.Left(account, limit))})
		}
		started := time.Now()
		fresh, err := s.draw(ctx, permit, p, q)
		if e := evenly(ctx, started); err == nil {
			err = e
		}
		if err != nil {
			return "", err
		}
		if told, err = s.host.Ledger.Answer(account, question, fresh); err != nil {
			return "", ledgerError(err)
		}
	}
	var groups []dp.Group
	if err := json.Unmarshal(told, &groups); err != nil {
		return "", err
	}
	return s.tellGroups(ctx, p, q, groups, row)
}

// read returns the portal with its parameters in binary format. A text may mean
// something else under other settings, or tomorrow: it would be another question.
func (s *Session) read(ctx context.Context, p *portal) (*portal, error) {
	if len(p.bind.Params) == 0 {
		return p, nil
	}
	values, err := s.readByTwin(ctx, p)
	if err != nil {
		return nil, withoutPosition(err)
	}
	out := *p
	out.bind.Formats, out.bind.Params = []int16{1}, values
	return &out, nil
}

// feasible has the twin plan what it will be asked, over no rows: that computes the
// constants, so a value that cannot be asked about fails before it is paid for.
func (s *Session) feasible(ctx context.Context, p *portal, q *plan.PrivateQuery) error {
	c, err := s.twin(ctx)
	if err != nil {
		return err
	}
	st := run.Measuring(q, p.args())
	st.SQL = "EXPLAIN (COSTS OFF) " + st.SQL
	st.Results = nil
	return withoutPosition(c.Run(st, nil, nil))
}

// evenly waits until an answer has taken 50 ms, or 100, 200 and so on, so that time
// tells little of rows. Nothing is kept before: neither does it tell whether an
// answer was ready when the client gave up.
func evenly(ctx context.Context, started time.Time) error {
	at := 50 * time.Millisecond
	for time.Since(started) > at {
		at *= 2
	}
	select {
	case <-time.After(at - time.Since(started)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// draw fetches the rows that the question is about and makes an answer. Until the
// ledger has it, nobody sees it.
func (s *Session) draw(ctx context.Context, permit gate.Permit, p *portal, q *plan.PrivateQuery) (json.RawMessage, error) {
	j, err := s.job(ctx, permit, p.st.plan)
	if err != nil {
		return nil, err
	}
	rows, err := j.Measured(ctx, q, p.args())
	if err != nil {
		return nil, err
	}
	groups, err := q.Question.Answer(dp.NewSampler(nil), rows)
	if err != nil {
		return nil, err
	}
	return json.Marshal(groups)
}

// account says who pays for a question, and what may be spent.
func (s *Session) account(ctx context.Context, q *plan.PrivateQuery) (a dp.Account, limit dp.Limit, err error) {
	budgets := q.Rules.Budgets[s.who.User]
	if len(budgets) == 0 {
		return a, limit, plan.Confined("you have no budget for "+q.Table.Relation.Qualified(), "The owner may add one to aggregate.budgets in the policy.")
	}
	c, err := s.twin(ctx)
	if err != nil {
		return a, limit, err
	}
	rows, err := c.Rows("SELECT pg_catalog.current_setting('" + purposeSetting + "', true)")
	if err != nil {
		return a, limit, err
	}
	var names []string
	for name := range budgets {
		names = append(names, name)
	}
	slices.Sort(names)
	purpose := ""
	if len(rows) == 1 && len(rows[0]) == 1 {
		purpose = rows[0][0]
	}
	if purpose == "" && len(names) == 1 {
		purpose = names[0]
	}
	budget, ok := budgets[purpose]
	if !ok {
		return a, limit, plan.Confined("there is no budget for this purpose", "SET "+purposeSetting+" to one of: "+strings.Join(names, ", ")+".")
	}
	a = dp.Account{User: s.who.User, Dataset: s.db.Name + "." + sqlast.Qualify(q.Table.Schema, q.Table.Name), Purpose: purpose}
	limit.Account = loss(budget)
	if q.Rules.Total != nil {
		total := loss(*q.Rules.Total)
		limit.Dataset = &total
	}
	return a, limit, nil
}

func loss(s policy.Spend) dp.Loss { return dp.Loss{Rho: dp.Rho(s.Rho), Delta: dp.Delta(s.Delta)} }

// asking writes a question with all that its true answer depends on but the rows.
// They are left out: that an answer changes would tell that they have changed. In
// its place a time that all can know stands, where the policy has one.
func (s *Session) asking(p *portal, q *plan.PrivateQuery) (string, error) {
	type value struct {
		Param  bool
		Type   uint32
		Format int16
		Null   bool
		Value  []byte
	}
	asked := struct {
		Dataset  clarus.DatasetID
		SQL      string
		Columns  []uint32
		Values   []value
		Steps    []string
		Question dp.Question
		Period   int64
	}{Dataset: q.Table.ID, SQL: q.SQL, Columns: q.Columns, Question: q.Question}
	for _, x := range q.Params {
		v := value{Type: x.Type, Format: 1, Value: x.Value}
		if x.Param > 0 {
			v.Format, v.Value = p.bind.Format(x.Param-1), p.bind.Params[x.Param-1]
		}
		v.Null = v.Value == nil
		asked.Values = append(asked.Values, v)
	}
	for _, v := range q.Values {
		step := ""
		if v.Bound != nil {
			step = v.Bound.Step.String()
		}
		asked.Steps = append(asked.Steps, step)
	}
	if r := q.Rules.Refresh; r > 0 {
		asked.Period = time.Now().UnixNano() / int64(r)
	}
	text, err := json.Marshal(asked)
	return string(text), err
}

// ledgerError is what the client is told of the ledger's refusal.
func ledgerError(err error) error {
	e := &pgwire.ServerError{Severity: "ERROR", Code: "53400", Message: err.Error(),
		Hint: "What was asked before is answered again at no cost. The owner may give more in aggregate.budgets of the policy."}
	if !errors.Is(err, dp.ErrSpent) {
		e.Code, e.Message, e.Hint = "58030", "the ledger of privacy budgets cannot be written", "Nothing was answered. The owner must see to the state directory of this Clarus."
		if errors.Is(err, syscall.ENOSPC) {
			e.Code, e.Message = "53100", "the disk of the ledger of privacy budgets is full"
		}
	}
	return e
}

// tellGroups has the twin write what is told as the rows of the result: it knows
// types, formats and order.
func (s *Session) tellGroups(ctx context.Context, p *portal, q *plan.PrivateQuery, groups []dp.Group, row func([]byte) error) (tag string, err error) {
	if len(groups) == 0 {
		return "SELECT 0", nil
	}
	if len(groups)*len(q.Cells) > 65_000 {
		return "", &clarus.Error{Op: "run", Kind: clarus.Limit, Msg: "the answer has too many groups for one result", Hint: "Group by less."}
	}
	st := twin.Statement{Results: p.bind.Results}
	add := func(typ uint32, format int16, value []byte) string {
		st.Types, st.Formats, st.Params = append(st.Types, typ), append(st.Formats, format), append(st.Params, value)
		return "$" + strconv.Itoa(len(st.Params))
	}
	given := func(b plan.Probe) string {
		if b.Param > 0 {
			return add(b.Type, p.bind.Format(b.Param-1), p.bind.Params[b.Param-1])
		}
		return add(b.Type, 1, b.Value)
	}
	for _, b := range q.Given {
		given(b)
	}
	var lines, names []string
	for i := range q.Cells {
		names = append(names, "c"+strconv.Itoa(i))
	}
	for _, g := range groups {
		var cells []string
		for _, o := range q.Cells {
			if o.Key >= 0 {
				cells = append(cells, add(o.Type, 1, g.Keys[o.Key]))
			} else {
				cells = append(cells, add(o.Type, 0, []byte(written(o, o.Estimate.Make(g.Numbers)))))
			}
		}
		lines = append(lines, "("+strings.Join(cells, ", ")+")")
	}
	st.SQL = "SELECT " + strings.Join(q.Outputs, ", ") + " FROM (VALUES " + strings.Join(lines, ", ") + ") v (" + strings.Join(names, ", ") + ")"
	if q.Having != "" {
		st.SQL += " WHERE " + q.Having
	}
	for i, k := range q.Sort {
		st.SQL += []string{" ORDER BY ", ", "}[min(i, 1)] + k.By + " USING OPERATOR(pg_catalog." + k.Operator + ")" +
			map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[k.NullsFirst]
	}
	for i, b := range []*plan.Probe{q.Limit, q.Offset} {
		if b != nil {
			st.SQL += []string{" LIMIT ", " OFFSET "}[i] + given(*b)
		}
	}
	c, err := s.twin(ctx)
	if err != nil {
		return "", err
	}
	stop := c.Watch(ctx)
	defer stop()
	err = c.Run(st, row, func(t string) { tag = t })
	return tag, withoutPosition(err)
}

// written is a number as text of the output's type, into whose range it is brought.
func written(o plan.PrivateCell, x *big.Rat) string {
	bits, whole := map[uint32]int{pgvalue.Int2OID: 15, pgvalue.Int4OID: 31, pgvalue.Int8OID: 63}[o.Type]
	switch {
	case whole:
		most := new(big.Int).Lsh(big.NewInt(1), uint(bits))
		least := new(big.Rat).SetInt(new(big.Int).Neg(most))
		if x.Cmp(least) < 0 {
			x = least
		}
		if above := new(big.Rat).SetInt(most.Sub(most, big.NewInt(1))); x.Cmp(above) > 0 {
			x = above
		}
		return x.FloatString(0)
	case o.Type == pgvalue.NumericOID:
		return x.FloatString(o.Digits)
	}
	f, _ := x.Float64()
	if o.Type == pgvalue.Float4OID {
		return strconv.FormatFloat(f, 'g', -1, 32)
	}
	return fmt.Sprint(f)
}
