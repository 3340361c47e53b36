package microagg

// Merge joins classes that are not safe with the class of the nearest mean, until
// all are safe or one is left. It is linear in classes but for the finding of neighbours,
// which is about logarithmic.
func Merge(d *Data, classes [][]int32, safe func(rows []int32) bool) [][]int32 {
	centers := make([][]float64, len(classes))
	var todo []int32
	for i, rows := range classes {
		centers[i] = make([]float64, d.Width)
		d.mean(rows, centers[i])
		if !safe(rows) {
			todo = append(todo, int32(i))
		}
	}
	classes = append([][]int32(nil), classes...)
	if len(todo) == 0 {
		return classes
	}
	at := newIndex(len(classes), func(i int32) []float64 { return centers[i] })
	for ; len(todo) > 0; todo = todo[1:] {
		c := todo[0]
		if classes[c] == nil {
			continue // another took it in
		}
		at.remove(c)
		to := at.nearest(centers[c])
		if to < 0 {
			break
		}
		at.remove(to)
		n, m := float64(len(classes[c])), float64(len(classes[to]))
		for i, x := range centers[to] {
			centers[c][i] = (n*centers[c][i] + m*x) / (n + m)
		}
		if len(classes[c]) < len(classes[to]) {
			classes[c], classes[to] = classes[to], classes[c]
		}
		classes[c] = append(classes[c][:len(classes[c]):len(classes[c])], classes[to]...)
		classes[to] = nil
		at.insert(c)
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
