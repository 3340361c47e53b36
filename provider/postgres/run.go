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
	k := p.keep(s)
	unnamed := k == nil && p.parse(s)
	describe := fields != nil && (k == nil || !k.described)
	p.c.Bind("", k.called(), s.Formats, s.Params, s.Results)
	if describe {
		p.c.Describe('P', "")
	}
	p.c.Execute("", 0)
	if p.syncing = s.Ends && alone; p.syncing {
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
	switch {
	case describe:
		err = p.describe(k, fields)
	case fields != nil:
		err = p.described(k, s.Results, fields)
	}
	if err != nil {
		return "", err
	}
	return p.rows(row)
}

// begun reads what answers the messages up to Bind.
func (p *session) begun(s provider.Statement, k *keptStatement, unnamed bool) error {
	if err := p.prepared(k); err != nil {
		return err
	}
	if unnamed {
		if _, err := p.expect("1"); err != nil {
			return err
		}
		p.parsed, p.types = s.SQL, s.Types
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

func (p *session) describe(k *keptStatement, fields func([]pgwire.Field) error) error {
	f, err := p.expect("Tn")
	if err != nil {
		return err
	}
	var list []pgwire.Field
	if f.Type == 'T' {
		if list, err = pgwire.Fields(f.Body); err != nil {
			return p.lost(&pgwire.ProtocolError{Msg: err.Error()})
		}
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
