package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPublish runs the scripts of testdata/publish.
func TestPublish(t *testing.T) { runScripts(t, "publish", nil) }

// runScripts runs the scripts of a directory in testdata, each what a user would
// type and see; UPDATE=1 rewrites what they compare with.
func runScripts(t *testing.T, dir string, setup func(*testscript.Env)) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", dir),
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			bin := filepath.Join(e.WorkDir, ".bin")
			if err := os.Mkdir(bin, 0o755); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv(asCommand, "1")
			if setup != nil {
				setup(e)
			}
			return os.Symlink(self, filepath.Join(bin, "clarus"))
		},
	})
}
