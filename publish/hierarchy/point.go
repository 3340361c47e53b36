package hierarchy

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Place is a geographic point in degrees (WGS 84).
type Place struct{ Latitude, Longitude float64 }

// Point reads a point: latitude and longitude with a comma or a space between
// them, or POINT(longitude latitude) as in WKT.
func Point(value string) (Place, error) {
	text := strings.TrimSpace(value)
	inner, wkt := strings.CutPrefix(strings.ToUpper(text), "POINT")
	if wkt {
		text = strings.Trim(strings.TrimSpace(inner), "()")
	}
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	if len(fields) == 2 {
		a, err1 := Number(fields[0])
		b, err2 := Number(fields[1])
		if wkt {
			a, b = b, a
		}
		if err1 == nil && err2 == nil && math.Abs(a) <= 90 && math.Abs(b) <= 180 {
			return Place{a, b}, nil
		}
	}
	return Place{}, fmt.Errorf("%q is not a point like 47.37,8.54", value)
}

// String writes a point as Point reads it, to about a metre.
func (p Place) String() string {
	return Format(math.Round(p.Latitude*1e5)/1e5) + "," + Format(math.Round(p.Longitude*1e5)/1e5)
}

const earth = 6_371_000 // metres, its mean radius

// Distance is in metres, on a sphere.
func (p Place) Distance(q Place) float64 {
	rad := math.Pi / 180
	a, b := math.Sin((q.Latitude-p.Latitude)*rad/2), math.Sin((q.Longitude-p.Longitude)*rad/2)
	h := a*a + math.Cos(p.Latitude*rad)*math.Cos(q.Latitude*rad)*b*b
	return 2 * earth * math.Asin(math.Min(1, math.Sqrt(h)))
}

// Move is the point at a distance in metres and a bearing in radians, clockwise
// from north.
func (p Place) Move(metres, bearing float64) Place {
	rad := math.Pi / 180
	d, lat, lon := metres/earth, p.Latitude*rad, p.Longitude*rad
	to := math.Asin(math.Sin(lat)*math.Cos(d) + math.Cos(lat)*math.Sin(d)*math.Cos(bearing))
	east := lon + math.Atan2(math.Sin(bearing)*math.Sin(d)*math.Cos(lat), math.Cos(d)-math.Sin(lat)*math.Sin(to))
	return Place{to / rad, math.Mod(east/rad+540, 360) - 180}
}

// Grid is a hierarchy of points: level i has cells of degrees[i] on a side, each
// a multiple of the one before.
func Grid(values []string, degrees []float64) (*Hierarchy, error) {
	if err := multiples(degrees); err != nil {
		return nil, err
	}
	sorted := slices.Sorted(slices.Values(values))
	paths := make([][]string, len(sorted))
	for i, v := range sorted {
		p, err := Point(v)
		if err != nil {
			return nil, err
		}
		paths[i] = []string{v}
		for _, w := range degrees {
			paths[i] = append(paths[i], interval(p.Latitude, w)+" x "+interval(p.Longitude, w))
		}
		paths[i] = append(paths[i], Root)
	}
	return New(paths)
}
