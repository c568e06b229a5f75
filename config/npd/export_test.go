package npd

// Kinds is how many kinds of files there are.
const Kinds = 4

// MaxDepth is how deep a file may nest.
const MaxDepth = maxDepth

// ConvertBytes converts the content of one file of a kind, of which 0 are log
// monitors, with no exporter but the console.
func ConvertBytes(kind int, data []byte, form Form) (*Conversion, error) {
	readers := [Kinds]reader{systemLogMonitor, customPluginMonitor, systemStatsMonitor, stackdriverExporter}
	c := converter{options: &Options{}, form: form}
	if errs := c.content(&source{name: "a.json", data: data}, readers[kind]); len(errs) > 0 {
		return nil, errs
	}
	return c.finish()
}
