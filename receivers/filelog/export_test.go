package filelog

// DefaultConfigFor is the default configuration, for one path.
func DefaultConfigFor(path string) *Config {
	config := DefaultConfig()
	config.Include = []string{path}
	return config
}
