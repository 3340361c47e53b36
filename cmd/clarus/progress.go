package main

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars shows one bar for each step of a long command, on a terminal only.
type bars struct {
	all     *mpb.Progress
	present *mpb.Bar
	name    string
}

func newBars(w io.Writer, shown bool) *bars {
	if !shown {
		return &bars{}
	}
	return &bars{all: mpb.New(mpb.WithOutput(w), mpb.WithWidth(64))}
}

// step says how far a step is.
func (b *bars) step(name string, done, of int) {
	if b.all == nil || of <= 0 {
		return
	}
	if name != b.name {
		b.finish()
		b.name = name
		b.present = b.all.AddBar(int64(of), mpb.PrependDecorators(decor.Name(name, decor.WC{W: 10, C: decor.DindentRight})),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 6})))
	}
	b.present.SetTotal(int64(of), false)
	b.present.SetCurrent(int64(done))
}

// finish completes the bar of the present step.
func (b *bars) finish() {
	if b.present != nil {
		b.present.SetTotal(-1, true)
		b.present = nil
	}
}

// stop ends the showing; the steps that were shown stay on the terminal.
func (b *bars) stop() {
	if b.all == nil {
		return
	}
	b.finish()
	b.all.Wait()
	b.all = nil
}
