package living

// A dict numbers a column's values while rows use them, and forgets them after.
type dict struct {
	values []string
	code   map[string]uint32
	uses   []int32
	free   []uint32
}

func newDict() dict { return dict{code: map[string]uint32{}} }

// use counts one more use of a value.
func (d *dict) use(v string) uint32 {
	x, ok := d.code[v]
	if !ok {
		if n := len(d.free); n > 0 {
			x, d.free = d.free[n-1], d.free[:n-1]
			d.values[x] = v
		} else {
			x = uint32(len(d.values))
			d.values, d.uses = append(d.values, v), append(d.uses, 0)
		}
		d.code[v] = x
	}
	d.uses[x]++
	return x
}

// drop counts one use less.
func (d *dict) drop(x uint32) {
	if d.uses[x]--; d.uses[x] == 0 {
		delete(d.code, d.values[x])
		d.values[x] = ""
		d.free = append(d.free, x)
	}
}
