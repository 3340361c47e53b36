package publish

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/table"
)

// Files are those that policies name. A hierarchy is read once, and stays what it is.
type Files struct {
	open  Open
	trees map[string]*hierarchy.Hierarchy
}

// NewFiles opens files as it is told.
func NewFiles(open Open) *Files {
	return &Files{open, map[string]*hierarchy.Hierarchy{}}
}

func (f *Files) hierarchy(name string) (*hierarchy.Hierarchy, error) {
	if t := f.trees[name]; t != nil {
		return t, nil
	}
	in, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	t, err := readHierarchy(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.trees[name] = t
	return t, nil
}

// readHierarchy reads a hierarchy in ARX's CSV form: no header, each line a leaf and
// then the label of each level up. The delimiter is found out.
func readHierarchy(r io.Reader) (*hierarchy.Hierarchy, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	first, _, _ := bufio.NewReader(bytes.NewReader(text)).ReadLine()
	delimiter := byte(';') // ARX's own
	for _, d := range []byte(table.Delimiters) {
		if bytes.Count(first, []byte{d}) > bytes.Count(first, []byte{delimiter}) {
			delimiter = d
		}
	}
	// A table has a header: give it one of as many columns.
	var header []string
	for i := range strings.Count(string(first), string(rune(delimiter))) + 1 {
		header = append(header, fmt.Sprintf("level %d", i))
	}
	whole := io.MultiReader(strings.NewReader(strings.Join(header, string(rune(delimiter)))+"\n"), bytes.NewReader(text))
	t, err := table.Read(whole, table.Options{Delimiter: delimiter})
	if err != nil {
		return nil, err
	}
	paths := make([][]string, t.Rows)
	for i := range paths {
		for _, c := range t.Columns {
			paths[i] = append(paths[i], c.At(i))
		}
	}
	return hierarchy.New(paths)
}
