package pgserver

import "time"

// WithPause sets the pause before the first restart.
func WithPause(c Config, pause time.Duration) Config {
	c.pause = pause
	return c
}
