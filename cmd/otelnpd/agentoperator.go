package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/exporters/status"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/health"
	"github.com/otelnpd/otelnpd/pipeline/operator"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// startOperator opens the operator socket. Without it the agent works all the
// same, but nobody can ask or clear. It comes first of all, since it finds out
// whether another agent runs here.
func (a *agent) startOperator() error {
	if a.options.socket == "" {
		return nil
	}
	server, err := operator.Listen(operator.ServerConfig{
		Path: a.options.socket, Fallbacks: socketFallbacks(a.options.socket, a.options.stateDir),
		Health: a.health, Views: a.store.Views, Clear: a.clear,
		Rules: a.rules, Silence: a.silence, Unsilence: a.unsilence,
		Reload: func(ctx context.Context, _ string) (operator.Reloaded, error) { return a.reload(ctx, "an operator") },
		Logger: a.logger,
	})
	if errors.Is(err, operator.ErrRunning) {
		return err
	}
	if err != nil {
		a.logger.Warn("no operator socket: `otelnpd conditions`, `otelnpd reload` and `otelnpd healthcheck` cannot reach this agent; "+
			"run as root, or set service.socket to a path that can be written, or to none", "error", err)
		return nil
	}
	a.operator = server
	return nil
}

// stallLimit is how long one batch may be under way before the operator is told
// that the agent makes no progress.
const stallLimit = time.Minute

func (a *agent) health() health.Report {
	return health.Assess(version, a.board.All(), a.running().Stalled(stallLimit))
}

func (a *agent) stalled(limit time.Duration) []string { return a.running().Stalled(limit) }

// clear ends all causes of a condition for the operator.
func (a *agent) clear(ctx context.Context, conditionType, requestID string) (operator.Cleared, error) {
	if err := a.awaitStart(ctx); err != nil {
		return operator.Cleared{}, err
	}
	ended := 0
	for _, view := range a.store.Views() {
		if view.Type == conditionType {
			ended = len(view.Causes)
		}
	}
	err := a.store.Clear(ctx, conditionType, requestID)
	if errors.Is(err, condition.ErrUnknownCondition) {
		return operator.Cleared{}, fmt.Errorf("%w; %s", operator.ErrUnknownCondition, strictyaml.Suggest(conditionType, a.types()))
	}
	if err != nil {
		return operator.Cleared{}, err
	}
	cleared := operator.Cleared{Causes: ended, Note: a.syncOrder(ctx)}
	for _, now := range a.store.Conditions() {
		if now.Type == conditionType {
			cleared.Condition = now
		}
	}
	return cleared, nil
}

// types are the condition types that the agent knows.
func (a *agent) types() []string {
	var types []string
	for _, now := range a.store.Conditions() {
		types = append(types, now.Type)
	}
	return types
}

// rules are the rules and checks as the operator sees them.
func (a *agent) rules() []operator.Rule {
	views := a.store.Rules()
	rules := make([]operator.Rule, 0, len(views))
	for _, view := range views {
		rule := operator.Rule{ID: view.ID, Condition: view.Condition, Reason: view.Reason, Mode: "enforce"}
		if view.Observe {
			rule.Mode = "observe"
		}
		if view.Silence != nil {
			rule.SilencedSince, rule.SilencedUntil = view.Silence.Since, view.Silence.Until
		}
		rules = append(rules, rule)
	}
	return rules
}

func (a *agent) silence(ctx context.Context, rule string, lasting time.Duration, requestID string) (operator.Silenced, error) {
	if err := a.awaitStart(ctx); err != nil {
		return operator.Silenced{}, err
	}
	view, err := a.store.Silence(rule, lasting, requestID)
	if err != nil {
		return operator.Silenced{}, asUnknownRule(err)
	}
	return operator.Silenced{Rule: rule, Until: view.Until, Note: a.syncOrder(ctx)}, nil
}

func (a *agent) unsilence(ctx context.Context, rule, _ string) (operator.Unsilenced, error) {
	if err := a.awaitStart(ctx); err != nil {
		return operator.Unsilenced{}, err
	}
	silenced, err := a.store.Unsilence(rule)
	if err != nil {
		return operator.Unsilenced{}, asUnknownRule(err)
	}
	return operator.Unsilenced{Rule: rule, Silenced: silenced, Note: a.sync(ctx)}, nil
}

// asUnknownRule leaves it to the server to say which rule is meant.
func asUnknownRule(err error) error {
	if errors.Is(err, condition.ErrUnknownRule) {
		return operator.ErrUnknownRule
	}
	return err
}

// silences are what the status page tells of silenced rules.
func (a *agent) silences() []status.Silence {
	var list []status.Silence
	for _, view := range a.store.Silences() {
		list = append(list, status.Silence{Rule: view.Rule, Until: view.Until})
	}
	return list
}
