package microagg

import (
	"cmp"
	"slices"
)

// MDAV divides the records by the method of maximum distance to average vector:
// around the record that is farthest from the mean, and around the one that is
// farthest from it, classes of k nearest records are taken, again and again.
func MDAV(d *Data, k int) ([][]int32, error) {
	if k < 1 || d.Len() < k {
		return nil, ErrFew
	}
	return mdav(d, d.all(), k), nil
}

func mdav(d *Data, rows []int32, k int) [][]int32 {
	m := &mdavState{d: d, rest: slices.Clone(rows), center: make([]float64, d.Width)}
	var classes [][]int32
	for len(m.rest) >= 3*k {
		d.mean(m.rest, m.center)
		r := d.Row(m.farthest(m.center))
		s := d.Row(m.farthest(r))
		classes = append(classes, m.take(r, k), m.take(s, k))
	}
	if len(m.rest) >= 2*k {
		d.mean(m.rest, m.center)
		classes = append(classes, m.take(d.Row(m.farthest(m.center)), k))
	}
	return append(classes, m.rest)
}

type mdavState struct {
	d      *Data
	rest   []int32
	center []float64
	near   []measured
}

type measured struct {
	distance float64
	at       int32 // in rest
}

func (m *mdavState) farthest(from []float64) int32 {
	best, at := -1.0, m.rest[0]
	for _, r := range m.rest {
		if x := distance(from, m.d.Row(r)); x > best {
			best, at = x, r
		}
	}
	return at
}

// take takes the k records nearest to a point out of the rest.
func (m *mdavState) take(point []float64, k int) []int32 {
	m.near = m.near[:0]
	for i, r := range m.rest {
		m.near = append(m.near, measured{distance(point, m.d.Row(r)), int32(i)})
	}
	nearest(m.near, k)
	class := make([]int32, 0, k)
	taken := m.near[:k]
	slices.SortFunc(taken, func(a, b measured) int { return cmp.Compare(b.at, a.at) })
	for _, x := range taken { // from the end, so that places stay
		class = append(class, m.rest[x.at])
		m.rest = slices.Delete(m.rest, int(x.at), int(x.at)+1)
	}
	return class
}

func (m measured) before(o measured) bool {
	return m.distance < o.distance || m.distance == o.distance && m.at < o.at
}

// nearest puts the k smallest first, the earlier of equal ones before.
func nearest(list []measured, k int) {
	slices.SortFunc(list[:k], func(a, b measured) int { return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.at, b.at)) })
	for i := k; i < len(list); i++ {
		if !list[i].before(list[k-1]) {
			continue
		}
		x := list[i]
		list[i] = list[k-1]
		j := k - 1
		for ; j > 0 && x.before(list[j-1]); j-- {
			list[j] = list[j-1]
		}
		list[j] = x
	}
}
