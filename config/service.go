package config

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/capability"
)

// Service is how the agent itself runs: section service, without pipelines.
type Service struct {
	// Host says where the watched host's file systems are.
	Host pipeline.Host `yaml:"host"`
	// Node is the node's name; empty: NODE_NAME of the environment, else the host name.
	Node string `yaml:"node"`
	// Socket is the path of the socket that `otelnpd conditions`, `rules`, `reload` and
	// `healthcheck` speak to; `none`: no socket. OTELNPD_SOCKET of the environment goes
	// before it, and the flag --socket before both. If the default cannot be made (/run
	// is read-only), the socket is otelnpd.sock in state_dir; the commands look there
	// too, and know of another state_dir by OTELNPD_STATE_DIR.
	Socket string `yaml:"socket"`
	// StateDir is the directory in which the agent keeps what must survive a restart,
	// made where permitted; `none`: in memory alone. OTELNPD_STATE_DIR of the
	// environment goes before it, and the flag --state-dir before both.
	StateDir string `yaml:"state_dir"`
	// Capabilities are the rights of root that the agent keeps (`[SYSLOG]` for
	// /dev/kmsg; an empty list: none). At its start it gives up all others for good, for
	// itself and for what it starts: a plugin that runs as another user needs SETUID,
	// SETGID and KILL. Left out: it keeps what it was started with.
	Capabilities []capability.Name `yaml:"capabilities"`
	// Telemetry is what the agent tells of itself.
	Telemetry Telemetry `yaml:"telemetry"`
	// ShutdownTimeout is how long the agent may take to pass on what it has accepted
	// when it is stopped: 1s to 5m.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
}

// Telemetry is what the agent tells of itself.
type Telemetry struct {
	// Logs are the agent's own log.
	Logs Logs `yaml:"logs"`
	// Naming is by whose names the node's metrics are made: semconv (OpenTelemetry's
	// semantic conventions: system.cpu.time), npd (node-problem-detector's:
	// cpu/usage_time) or both. It cannot change while the agent runs.
	Naming pipeline.Naming `yaml:"naming"`
}

// Logs are the agent's own log, on standard error.
type Logs struct {
	// Level is the least severe that is logged.
	Level LogLevel `yaml:"level"`
	// Format of the log; auto: text on a terminal, else JSON.
	Format LogFormat `yaml:"format"`
}

// LogLevel is the least severe that the agent's own log tells.
type LogLevel string

// Words are the levels that there are.
func (LogLevel) Words() []string { return []string{"debug", "info", "warn", "error"} }

// LogFormat is how the agent's own log is written.
type LogFormat string

// The formats of the agent's own log.
const (
	FormatAuto LogFormat = "auto"
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Words are the formats that there are.
func (LogFormat) Words() []string {
	return []string{string(FormatAuto), string(FormatText), string(FormatJSON)}
}

// SocketNone is the path that means: no operator's socket.
const SocketNone = "none"

// StateDirNone is the directory that means: state is kept in memory alone.
const StateDirNone = "none"

// DefaultStateDir is where state is kept unless configured.
const DefaultStateDir = "/var/lib/otelnpd"

const (
	defaultSocket          = "/run/otelnpd/otelnpd.sock"
	defaultShutdownTimeout = 10 * time.Second
	minShutdownTimeout     = time.Second
	maxShutdownTimeout     = 5 * time.Minute
	// maxSocketPath is what sun_path holds beside its closing zero: unix(7).
	maxSocketPath = 107
)

var logLevels = map[LogLevel]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// nodePattern takes what Kubernetes calls a node and what Linux calls a host.
var nodePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

// DefaultService is the service section of an empty file.
func DefaultService() Service {
	return Service{
		Host:   pipeline.DefaultHost(),
		Socket: defaultSocket, StateDir: DefaultStateDir,
		Telemetry: Telemetry{
			Logs: Logs{Level: "info", Format: FormatAuto}, Naming: pipeline.NamingSemConv,
		},
		ShutdownTimeout: defaultShutdownTimeout,
	}
}

// SlogLevel returns the least severe level that is logged.
func (l Logs) SlogLevel() slog.Level { return logLevels[l.Level] }

// Validate reports all that is wrong.
func (s *Service) Validate() error {
	errs := []error{
		pipeline.At("host.root", absolute(s.Host.Root)),
		pipeline.At("host.proc", absolute(s.Host.Proc)),
		pipeline.At("host.sys", absolute(s.Host.Sys)),
		pipeline.At("host.run", absolute(s.Host.Run)),
		pipeline.At("socket", validateSocket(s.Socket)),
		pipeline.At("state_dir", ValidateStateDir(s.StateDir)),
		pipeline.At("telemetry.logs.level", pipeline.CheckWord(s.Telemetry.Logs.Level)),
		pipeline.At("telemetry.logs.format", pipeline.CheckWord(s.Telemetry.Logs.Format)),
		pipeline.At("telemetry.naming", pipeline.CheckWord(s.Telemetry.Naming)),
	}
	for i, name := range s.Capabilities {
		errs = append(errs, pipeline.At(fmt.Sprintf("capabilities[%d]", i), validateCapability(name)))
	}
	if s.Node != "" && !nodePattern.MatchString(s.Node) {
		errs = append(errs, pipeline.At("node", fmt.Errorf(
			"%q is no node name: write letters, digits, '-', '.' and '_', at most 253, or leave it out", s.Node)))
	}
	if s.ShutdownTimeout < minShutdownTimeout || s.ShutdownTimeout > maxShutdownTimeout {
		errs = append(errs, pipeline.At("shutdown_timeout", fmt.Errorf("%s is out of bounds: write a duration from 1s to 5m", s.ShutdownTimeout)))
	}
	return errors.Join(errs...)
}

func validateCapability(name capability.Name) error {
	if slices.Contains(name.Words(), string(name)) {
		return nil
	}
	return fmt.Errorf("%q is no capability: write one of capabilities(7) without CAP_, for example SYSLOG", name)
}

func validateSocket(path string) error {
	if path == SocketNone {
		return nil
	}
	if len(path) > maxSocketPath {
		return fmt.Errorf("%q has %d bytes, a socket's path has at most %d", path, len(path), maxSocketPath)
	}
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no absolute path: write one like %s, or none", path, defaultSocket)
	}
	return nil
}

// ValidateStateDir checks the directory for the agent's state, wherever it was
// given.
func ValidateStateDir(path string) error {
	if path != StateDirNone && !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no absolute path: write one like %s, or none", path, DefaultStateDir)
	}
	return nil
}

func absolute(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no absolute path: write one like /host", path)
	}
	return nil
}
