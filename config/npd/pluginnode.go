package npd

import (
	"strconv"
	"time"
)

// pluginReceiver is the configuration of a receiver of commands.
func (c *converter) pluginReceiver(m *monitor) *node {
	checks := make([]*node, len(m.rules.rules))
	for i := range checks {
		checks[i] = c.pluginCheck(m, &m.rules.rules[i])
	}
	return block(
		entry{key: "compatibility", value: plain("npd")},
		entry{key: "interval", value: plain(short(m.plugins.interval))},
		entry{key: "timeout", value: plain(short(m.plugins.timeout))},
		entry{key: "kill_grace", value: plain("0s")},
		entry{key: "concurrency", value: plain(strconv.Itoa(m.plugins.concurrency))},
		entry{key: "spread", value: boolean(false)},
		entry{key: "max_message", value: plain(strconv.Itoa(m.plugins.output))},
		entry{key: "checks", value: list(checks...)},
	)
}

// pluginCheck is a rule. For node-problem-detector a command that cannot tell makes an
// Event where the rule is temporary; where it is permanent, the condition is Unknown
// with its healthy reason.
func (c *converter) pluginCheck(m *monitor, one *rule) *node {
	return block(
		entry{key: "id", value: text(one.id)},
		entry{key: "path", value: text(one.command.path)},
		entry{key: "args", value: optionalWords(one.command.args)},
		entry{key: "interval", value: unlessZero(one.command.interval)},
		entry{key: "timeout", value: unlessZero(one.command.timeout)},
		entry{key: "condition", value: optional(one.condition)},
		entry{key: "reason", value: text(one.reason)},
		entry{key: "unknown_is_problem", value: only(one.condition == "", false)},
		entry{key: "unknown_reason", value: optional(c.healthyReason(one.condition))},
		entry{key: "source", value: optional(m.component)},
		entry{key: "update_message", value: only(m.plugins.updateMessage, false)},
		entry{key: "metrics_reporting", value: only(m.rules.metrics, true)},
	)
}

func unlessZero(d time.Duration) *node {
	if d == 0 {
		return nil
	}
	return plain(short(d))
}

// healthyReason is what a condition says while all is well; empty: there is no such
// condition.
func (c *converter) healthyReason(condition string) string {
	for _, one := range c.declared {
		if one.name == condition {
			return one.reason
		}
	}
	return ""
}

// answers says what a condition shows while commands cannot tell, and before they have
// spoken; nil: no command acts on it.
func (c *converter) answers(condition string) (onUnknown, initial *node) {
	for _, m := range c.running() {
		if m.plugins == nil {
			continue
		}
		for i := range m.rules.rules {
			if m.rules.rules[i].condition != condition {
				continue
			}
			if m.plugins.skipInitial {
				return plain("unknown"), nil
			}
			return plain("unknown"), plain("healthy")
		}
	}
	return nil, nil
}
