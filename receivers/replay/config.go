package replay

// Config is the configuration of the replay receiver: there is none, the command
// line says what to read.
type Config struct{}

// Validate finds nothing wrong.
func (*Config) Validate() error { return nil }
