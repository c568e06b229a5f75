// Tests and benchmarks of the built agent against real servers, in a module of
// their own so that their dependencies stay out of the agent's.
module github.com/otelnpd/otelnpd/integration

go 1.26.0

replace github.com/otelnpd/otelnpd => ../

require (
	github.com/prometheus/client_model v0.6.3
	github.com/prometheus/common v0.72.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.49.0
)

require (
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
