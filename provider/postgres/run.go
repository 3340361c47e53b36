package postgres

import (
	"context"

	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
)

func (p *session) Run(ctx context.Context, s provider.Statement, fields func([]pgwire.Field) error, row func([]byte) error) (string, error) {
	alone := !p.dirty || p.syncing
	if err := p.ready(); err != nil {
		return "", err
	}
	if s.Bound != nil {
		return p.inTwo(ctx, s, fields, row)
	}
	k := p.keep(s)
	unnamed := k == nil && p.parse(s)
	describe := fields != nil && (k == nil || !k.described)
	p.c.Bind("", k.called(), s.Formats, s.Params, s.Results)
	if describe {
		p.c.Describe('P', "")
	}
	p.c.Execute("", 0)
	if p.syncing = s.Ends && alone || s.Commit; p.syncing {
		p.c.Sync()
	} else {
		p.c.Flush()
	}
	stop, err := p.transmit(ctx)
	if err != nil {
		return "", err
	}
	defer stop()
	if err := p.begun(s, k, unnamed); err != nil {
		return "", err
	}
	if describe {
		if err := p.describe(k, fields); err != nil {
			return "", err
		}
	} else if fields != nil {
		if err := p.described(k, s.Results, fields); err != nil {
			return "", err
		}
	}
	return p.rows(row)
}

// inTwo binds the statement, says so, and then has it executed.
func (p *session) inTwo(ctx context.Context, s provider.Statement, fields func([]pgwire.Field) error, row func([]byte) error) (string, error) {
	unnamed := p.parse(s)
	p.c.Bind("", "", s.Formats, s.Params, s.Results)
	p.c.Describe('P', "")
	stop, err := p.send(ctx)
	if err != nil {
		return "", err
	}
	var list []pgwire.Field
	if unnamed {
		err = p.parseComplete(s)
	}
	if err == nil {
		_, err = p.expect("2")
	}
	if err == nil {
		list, err = p.columns()
	}
	stop()
	if err != nil {
		return "", err
	}
	if err := fields(list); err != nil {
		if e := p.Fail(ctx); e != nil {
			return "", e
		}
		return "", err
	}
	s.Bound()
	p.c.Execute("", 0)
	if stop, err = p.send(ctx); err != nil {
		return "", err
	}
	defer stop()
	return p.rows(row)
}

// Prepare has the server parse a statement anew: what was parsed in an earlier
// transaction holds no locks now.
func (p *session) Prepare(ctx context.Context, s provider.Statement) error {
	if err := p.ready(); err != nil {
		return err
	}
	p.parsed = ""
	p.parse(s)
	stop, err := p.send(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return p.parseComplete(s)
}

func (p *session) parseComplete(s provider.Statement) error {
	if _, err := p.expect("1"); err != nil {
		return err
	}
	p.parsed, p.types = s.SQL, s.Types
	return nil
}

// begun reads what answers the messages up to Bind.
func (p *session) begun(s provider.Statement, k *keptStatement, unnamed bool) error {
	if err := p.prepared(k); err != nil {
		return err
	}
	if unnamed {
		if err := p.parseComplete(s); err != nil {
			return err
		}
	}
	_, err := p.expect("2")
	if err != nil {
		p.forget(k)
	}
	return err
}

// described shows fields what was described before, in the formats asked for now.
func (p *session) described(k *keptStatement, formats []int16, fields func([]pgwire.Field) error) error {
	for i := range k.fields {
		k.fields[i].Format = 0
		switch {
		case len(formats) == 1:
			k.fields[i].Format = formats[0]
		case i < len(formats):
			k.fields[i].Format = formats[i]
		}
	}
	if err := fields(k.fields); err != nil {
		return p.abandonRows(err)
	}
	return nil
}

// columns reads a description.
func (p *session) columns() ([]pgwire.Field, error) {
	f, err := p.expect("Tn")
	if err != nil || f.Type != 'T' {
		return nil, err
	}
	list, err := pgwire.Fields(f.Body)
	if err != nil {
		return nil, p.lost(&pgwire.ProtocolError{Msg: err.Error()})
	}
	return list, nil
}

func (p *session) describe(k *keptStatement, fields func([]pgwire.Field) error) error {
	list, err := p.columns()
	if err != nil {
		return err
	}
	if k != nil {
		k.fields, k.described = list, true
	}
	if err := fields(list); err != nil {
		return p.abandonRows(err)
	}
	return nil
}

func (p *session) rows(row func([]byte) error) (string, error) {
	var cause error
	for {
		types := "CI"
		if row != nil || cause != nil {
			types = "CDI"
		}
		f, err := p.expect(types)
		switch {
		case err != nil:
			if cause != nil && p.broken == nil {
				return "", cause
			}
			return "", err
		case f.Type == 'D':
			if cause = row(f.Body); cause != nil {
				return "", p.abandonRows(cause)
			}
		case f.Type == 'I':
			return "", nil
		default:
			tag, err := pgwire.Tag(f.Body)
			if err != nil {
				return "", p.lost(&pgwire.ProtocolError{Msg: err.Error()})
			}
			return tag, nil
		}
	}
}

// abandonRows drops the rows that are still to come and fails the transaction.
func (p *session) abandonRows(cause error) error {
	for {
		f, err := p.expect("CD")
		if err != nil {
			if p.broken != nil {
				return err
			}
			return cause
		}
		if f.Type == 'C' {
			if err := p.Fail(context.Background()); err != nil {
				return err
			}
			return cause
		}
	}
}
