package microagg

// Merge joins classes that are not safe with the class of the nearest mean, until
// all are safe or one is left.
func Merge(d *Data, classes [][]int32, safe func(rows []int32) bool) [][]int32 {
	centers := make([][]float64, len(classes))
	var todo []int
	for i, rows := range classes {
		centers[i] = make([]float64, d.Width)
		d.mean(rows, centers[i])
		if !safe(rows) {
			todo = append(todo, i)
		}
	}
	classes = append([][]int32(nil), classes...)
	for ; len(todo) > 0; todo = todo[1:] {
		c := todo[0]
		if classes[c] == nil {
			continue // another took it in
		}
		best, to := 0.0, -1
		for o := range classes {
			if o != c && classes[o] != nil {
				if x := distance(centers[c], centers[o]); to < 0 || x < best {
					best, to = x, o
				}
			}
		}
		if to < 0 {
			break
		}
		classes[c] = append(append([]int32(nil), classes[c]...), classes[to]...)
		classes[to] = nil
		d.mean(classes[c], centers[c])
		if !safe(classes[c]) {
			todo = append(todo, c)
		}
	}
	out := classes[:0]
	for _, rows := range classes {
		if rows != nil {
			out = append(out, rows)
		}
	}
	return out
}
