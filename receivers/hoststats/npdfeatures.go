package hoststats

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// observeFeatures tells system/os_feature.
func observeFeatures(o *observer, r *reading) {
	feature := func(name string, on bool, value string) {
		n := uint64(0)
		if on {
			n = 1
		}
		o.count(n, with(attribute.String(npdFeature, name), attribute.String(npdValue, shown(value))))
	}
	if line := &r.node.CommandLine; line.Err == nil {
		feature("KTD", line.KTD, "")
		feature("UnifiedCgroupHierarchy", line.UnifiedCgroups || line.CgroupV2, "")
		feature("KernelModuleIntegrity", line.ModuleIntegrity, "")
	}
	if modules := &r.node.Modules; modules.Err == nil {
		feature("GPUSupport", modules.GPU, "")
		feature("UnknownModules", len(modules.Unknown) > 0, strings.Join(modules.Unknown, ","))
	}
}
