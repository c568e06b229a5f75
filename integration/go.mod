// Tests and benchmarks of the built agent against real servers, in a module of
// their own so that their dependencies stay out of the agent's.
module github.com/otelnpd/otelnpd/integration

go 1.26.0

replace github.com/otelnpd/otelnpd => ../

require (
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.49.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
