package webconfig

// Parse reads a file's content.
func Parse(content []byte, name string) error {
	_, err := parse(content, name)
	return err
}
