package googlecloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelnpd/otelnpd/pipeline"
)

// part is one value that the monitored resource is made of, and where it comes from:
// the configuration, the environment, the metadata server, and what else is known, in
// this order.
type part struct {
	// key is that of the configuration, label that of Cloud Monitoring; of the project
	// the key is its own.
	key, label string
	configured func(*Resource) string
	// attributes are those of OTEL_RESOURCE_ATTRIBUTES.
	attributes []string
	// path is that of the metadata server; empty: it is not asked.
	path string
	// otherwise is what holds where nothing says it; empty with a path: it must be known.
	otherwise string
	// node stands for the node's own name.
	node bool
}

// The labels that are more than those of the resource.
const (
	projectLabel  = "project_id"
	instanceLabel = "instance_name"
)

// partsOf are the parts of a resource, the project excepted. The labels are those of
// https://cloud.google.com/monitoring/api/resources.
func partsOf(kind ResourceType) []part {
	places := []string{"cloud.availability_zone", "cloud.region"}
	switch kind {
	case K8sNode:
		return []part{
			{key: "location", label: "location", configured: func(r *Resource) string { return r.Location }, attributes: places, path: "instance/attributes/cluster-location"},
			{key: "cluster_name", label: "cluster_name", configured: func(r *Resource) string { return r.ClusterName }, attributes: []string{"k8s.cluster.name"}, path: "instance/attributes/cluster-name"},
			{key: "node_name", label: "node_name", configured: func(r *Resource) string { return r.NodeName }, attributes: []string{"k8s.node.name"}, node: true},
		}
	case GCEInstance:
		return []part{
			{key: "zone", label: "zone", configured: func(r *Resource) string { return r.Zone }, attributes: places[:1], path: "instance/zone"},
			{key: "instance_id", label: "instance_id", configured: func(r *Resource) string { return r.InstanceID }, path: "instance/id"},
			{key: "instance_name", label: instanceLabel, configured: func(r *Resource) string { return r.InstanceName }, path: "instance/name"},
		}
	case GenericNode:
		return []part{
			{key: "location", label: "location", configured: func(r *Resource) string { return r.Location }, attributes: places, otherwise: "global"},
			{key: "namespace", label: "namespace", configured: func(r *Resource) string { return r.Namespace }, attributes: []string{"service.namespace"}},
			{key: "node_id", label: "node_id", configured: func(r *Resource) string { return r.NodeID }, node: true},
		}
	default:
		return nil
	}
}

// projectPart is the project, which all resources have.
func projectPart(configured string) part {
	return part{
		key: "project", label: projectLabel, configured: func(*Resource) string { return configured },
		attributes: []string{"cloud.account.id"}, path: "project/project-id",
	}
}

// maxLabel is the length of the longest value of a label that Cloud Monitoring takes.
const maxLabel = 1024

// read checks a value and brings it into form: the metadata server's zone is
// projects/NUMBER/zones/ZONE.
func (p part) read(value string) (string, error) {
	value = strings.TrimSpace(value)
	if p.key == "zone" {
		value = value[strings.LastIndexByte(value, '/')+1:]
	}
	odd := strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>"'{}\`, r) })
	switch {
	case value == "":
		return "", errors.New("it is empty")
	case odd || len(value) > maxLabel:
		return "", fmt.Errorf("%.60q is not what it can be", value)
	case p.key == "project" && !projectPattern.MatchString(value):
		return "", fmt.Errorf("%.60q is no id of a project", value)
	case p.key == "instance_id" && strings.Trim(value, "0123456789") != "":
		return "", fmt.Errorf("%.60q is no number of a machine", value)
	}
	return value, nil
}

// identity is the monitored resource, as far as it is known.
type identity struct {
	kind    ResourceType
	labels  map[string]string // by label, the project's and the instance's name included
	missing []part
}

// identify finds what is known without asking anybody.
func identify(settings pipeline.Settings, config *Config, lookup func(string) (string, bool)) *identity {
	id := &identity{kind: config.Resource.Type, labels: map[string]string{}}
	environment := attributesOf()
	if project, _ := lookup("GOOGLE_CLOUD_PROJECT"); project != "" {
		environment["cloud.account.id"] = project
	}
	for _, part := range append([]part{projectPart(config.Project)}, partsOf(config.Resource.Type)...) {
		value := part.find(&config.Resource, environment, settings.Node)
		if value == "" && part.path != "" {
			id.missing = append(id.missing, part)
			continue
		}
		id.labels[part.label] = value
	}
	return id
}

// find returns the first value that can be read, in the form that it has.
func (p part) find(configured *Resource, environment map[string]string, node string) string {
	values := []string{p.configured(configured)}
	for _, name := range p.attributes {
		values = append(values, environment[name])
	}
	if p.node {
		values = append(values, node)
	}
	for _, value := range append(values, p.otherwise) {
		if form, err := p.read(value); err == nil {
			return form
		}
	}
	return ""
}

// attributesOf reads OTEL_RESOURCE_ATTRIBUTES, which the otlp exporter complains of
// where it is wrong.
func attributesOf() map[string]string {
	found := map[string]string{}
	said, _ := resource.New(context.Background(), resource.WithFromEnv())
	for _, one := range said.Attributes() {
		found[string(one.Key)] = one.Value.String()
	}
	return found
}

// take notes an answer of the metadata server.
func (id *identity) take(part part, value string) error {
	form, err := part.read(value)
	if err != nil {
		return err
	}
	id.labels[part.label] = form
	return nil
}

// inherit takes on what another one has learnt of the same machine.
func (id *identity) inherit(from *identity) {
	if from.kind != id.kind {
		return
	}
	id.missing = slices.DeleteFunc(slices.Clone(id.missing), func(p part) bool {
		value, known := from.labels[p.label]
		if known && value != "" {
			id.labels[p.label] = value
		}
		return known && value != ""
	})
}

func (id *identity) project() string { return id.labels[projectLabel] }

// resource is what the library makes the monitored resource and the label of all
// series from.
func (id *identity) resource() *resource.Resource {
	attributes := []attribute.KeyValue{attribute.String("gcp.resource_type", string(id.kind))}
	for _, label := range slices.Sorted(maps.Keys(id.labels)) {
		attributes = append(attributes, attribute.String(label, id.labels[label]))
	}
	return resource.NewSchemaless(attributes...)
}

// resourceLabels are the labels of the monitored resource itself.
func (id *identity) resourceLabels() []string {
	labels := slices.Sorted(maps.Keys(id.labels))
	return slices.DeleteFunc(labels, func(label string) bool { return label == instanceLabel })
}
