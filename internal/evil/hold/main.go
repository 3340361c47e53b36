package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
)

func main() {
	ctx := context.Background()
	w, err := oracle.NewWorld(ctx)
	if err != nil {
		panic(err)
	}
	defer w.Close()
	fmt.Println("plain", w.Plain.Port)
	for _, p := range os.Args[1:] {
		i, err := w.Clarus(ctx, p, "/work/main/internal/oracle/testdata/policy-"+p+".yaml")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer i.Stop()
		fmt.Println(p, i.Target.Port, i.Provider.Dir, i.Provider.Port, i.Dir, i.Log)
	}
	os.WriteFile("/tmp/hold", nil, 0o600)
	for {
		if _, err := os.Stat("/tmp/hold"); err != nil {
			return
		}
		time.Sleep(300 * time.Millisecond)
	}
}
