package store

import "testing"

// FuzzEntry adds any bytes to a log: what is taken comes next and has a digest
// of its own, what is not leaves the log as it was.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"Statements": [{"User": "app", "SearchPath": "public", "SQL": "CREATE TABLE t (a int)"}], "Tables": [{"ID": 1, "Name": "t", "Columns": [{"ID": 1, "Num": 1, "Name": "a", "Type": 23}]}], "NextDataset": 2}`))
	f.Add([]byte(`{"Tables": [{"Columns": [{"Carriers": [{"Technique": "toy", "Preserves": ["order"], "Type": 20, "TypeName": "bigint"}]}]}]}`))
	f.Add([]byte(`{"Tables": [null], "Enums": [null], "NextLabel": -1}`))
	f.Add([]byte(`{"Previous": "AAAA"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := newHistory()
		before := h.digest()
		if wrong := h.add(data); wrong != "" {
			if h.version() != 0 || h.digest() != before {
				t.Errorf("%q was refused (%s) and kept", data, wrong)
			}
			return
		}
		if h.version() != 1 || h.digest() == before {
			t.Errorf("%q was taken and is not there", data)
		}
		h.head()
	})
}
