package postgres

import (
	"context"
	"unicode/utf8"

	"github.com/clarus-project/clarus/pgwire"
)

// extended carries out one message of the extended protocol other than Sync.
func (c *conn) extended(f pgwire.Frame) error {
	switch f.Type {
	case 'P':
		return c.parse(f.Body)
	case 'B':
		return c.bind(f.Body)
	case 'E':
		return c.execute(f.Body)
	case 'D', 'C':
		return c.object(f)
	}
	if err := pgwire.NewBody(f.Body).Done(); err != nil {
		return malformed(f.Type, err)
	}
	if err := c.call(c.session.Flush); err != nil {
		return err
	}
	return c.flush()
}

func (c *conn) parse(body []byte) error {
	name, sql, oids, err := pgwire.DecodeParse(body)
	if err != nil {
		return malformed('P', err)
	}
	if err := validText(name, sql); err != nil {
		return err
	}
	if err := c.call(func(ctx context.Context) error { return c.session.Parse(ctx, name, sql, oids) }); err != nil {
		return err
	}
	c.w.Empty('1')
	return nil
}

func (c *conn) bind(body []byte) error {
	b, err := pgwire.DecodeBind(body)
	if err != nil {
		return malformed('B', err)
	}
	if err := checkBind(&b); err != nil {
		return err
	}
	if err := c.call(func(ctx context.Context) error { return c.session.Bind(ctx, b) }); err != nil {
		return err
	}
	c.w.Empty('2')
	return nil
}

// checkBind checks what does not depend on the statement.
func checkBind(b *Bind) error {
	if n := len(b.Formats); n > 1 && n != len(b.Params) {
		return errorf("08P01", "bind message has %d parameter formats but %d parameters", n, len(b.Params))
	}
	for _, codes := range [][]int16{b.Formats, b.Results} {
		for _, code := range codes {
			if code != 0 && code != 1 {
				return errorf("22023", "unsupported format code: %d", code)
			}
		}
	}
	for i, v := range b.Params {
		if b.Format(i) == 0 && !utf8.Valid(v) {
			return errorf("22021", "invalid byte sequence for encoding \"UTF8\" in parameter $%d", i+1)
		}
	}
	return validText(b.Portal, b.Statement)
}

func (c *conn) execute(body []byte) error {
	portal, limit, err := pgwire.DecodeExecute(body)
	if err != nil {
		return malformed('E', err)
	}
	if err := validText(portal); err != nil {
		return err
	}
	return c.call(func(ctx context.Context) error { return c.session.Execute(ctx, portal, limit) })
}

// object carries out Describe and Close.
func (c *conn) object(f pgwire.Frame) error {
	kind, name, err := pgwire.DecodeObject(f.Body)
	if err != nil {
		return malformed(f.Type, err)
	}
	if err := validText(name); err != nil {
		return err
	}
	var method func(context.Context, string) error
	switch {
	case f.Type == 'D' && kind == 'S':
		method = c.session.DescribeStatement
	case f.Type == 'D':
		method = c.session.DescribePortal
	case kind == 'S':
		method = c.session.CloseStatement
	default:
		method = c.session.ClosePortal
	}
	if err := c.call(func(ctx context.Context) error { return method(ctx, name) }); err != nil {
		return err
	}
	if f.Type == 'C' {
		c.w.Empty('3')
	}
	return nil
}
