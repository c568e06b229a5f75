package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// The package on a Debian that runs: systemd starts the agent, confines it, has it
// reload, starts it anew after it was killed, after an upgrade and at a boot, and no
// problem of the kernel is missed or told twice.
func TestUnit(t *testing.T) {
	debian := servers.NewDebianRoot(t)
	deb := debianPackage(t)
	u := &unit{debian: debian, log: kernellog.Open(t), tag: kernellog.Tag(), systemd: debian.Boot(t)}

	u.install(t, deb)
	u.requireRuns(t)
	require.Contains(t, u.run(t, "systemctl", "status", "--no-pager", "otelnpd"), "Active: active (running)")
	u.requireNothingRefused(t)
	oops := "BUG: unable to handle kernel NULL pointer dereference at " + u.tag
	u.log.Write(t, oops)
	u.waitTold(t, "KernelOops", oops)

	u.requireReloads(t)
	u.requireConfined(t)
	u.requireSurvivesKill(t)

	main := u.show(t, "MainPID")
	u.run(t, "touch", "/run/otelnpd/of-this-boot")
	u.install(t, newerPackage(t, debian, deb))
	u.requireRuns(t)
	require.NotEqual(t, main, u.show(t, "MainPID"))
	u.run(t, "ls", "/run/otelnpd/of-this-boot")
	require.Contains(t, u.run(t, "dpkg", "--status", "otelnpd"), "\nVersion: 99\n")
	u.requireGoesOn(t)

	u.systemd.PowerOff(t)
	u.systemd = debian.Boot(t)
	u.requireRuns(t)
	u.requireGoesOn(t)

	u.requireReadsClock(t)
	u.requireTakesFlags(t)
	u.requireTakesOver(t)
	u.requireRemoved(t, deb)
}

// unit is the agent under systemd.
type unit struct {
	debian  *servers.DebianRoot
	systemd *servers.Systemd
	log     *kernellog.Log
	tag     string
	written int
	// broke is when the condition UnitBroken became True.
	broke string
}

func (u *unit) run(t *testing.T, command ...string) string {
	t.Helper()
	return u.systemd.Run(t, command...)
}

func (u *unit) show(t *testing.T, property string) string {
	t.Helper()
	return u.systemd.Show(t, "otelnpd.service", property)
}

// install installs a package as an administrator does.
func (u *unit) install(t *testing.T, deb string) {
	t.Helper()
	content, err := os.ReadFile(deb)
	require.NoError(t, err)
	file := filepath.Join(u.debian.Dir, "otelnpd.deb")
	require.NoError(t, os.WriteFile(file, content, 0o644))
	output := u.run(t, "apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "--option", "Dpkg::Options::=--force-confold", "/otelnpd.deb")
	require.NotContains(t, output, "could not be")
	require.NoError(t, os.Remove(file))
}

// requireRuns requires that systemd has started the agent, and waits until it answers.
func (u *unit) requireRuns(t *testing.T) {
	t.Helper()
	require.Equal(t, []string{"active", "running", "enabled"}, []string{u.show(t, "ActiveState"), u.show(t, "SubState"), u.show(t, "UnitFileState")})
	require.Eventually(t, func() bool {
		_, err := u.systemd.Try(t, "otelnpd", "healthcheck")
		return err == nil
	}, patience, tick)
}

// requireReloads has the administrator change the configuration, rightly and wrongly.
func (u *unit) requireReloads(t *testing.T) {
	t.Helper()
	main := u.show(t, "MainPID")
	u.configure(t, `conditions: {UnitBroken: {healthy: {reason: UnitWorks, message: it works}}}
receivers: {kmsg: {lookback: 0s}, journald/unit: {identifiers: [unit-test]}}
processors:
  rules:
    packs: []
    rules:
      - {id: problem, pattern: '^`+u.tag+` problem \d+', reason: UnitProblem}
      - {id: broken, pattern: '^`+u.tag+` broken', reason: UnitBroke, condition: UnitBroken}
exporters: {console: {}}
service: {pipelines: {logs: {receivers: [kmsg, journald/unit], exporters: [console]}}}
`)
	u.run(t, "systemctl", "reload", "otelnpd")
	u.requireProblem(t)
	u.run(t, "systemd-cat", "--identifier=unit-test", "echo", u.tag+" problem 99 of a service")
	u.waitTold(t, "UnitProblem", u.tag+" problem 99 of a service")
	u.log.Write(t, u.tag+" broken")
	require.Eventually(t, func() bool { return u.condition(t).Status == "True" }, patience, tick)
	u.broke = u.condition(t).LastTransitionTime

	valid := readText(t, filepath.Join(u.debian.Dir, configFile))
	u.configure(t, strings.Replace(valid, "reason: UnitBroke,", "raison: UnitBroke,", 1))
	_, err := u.systemd.Try(t, "systemctl", "reload", "otelnpd")
	require.Error(t, err)
	u.waitJournal(t, "otelnpd", "raison") // what is wrong
	require.Equal(t, main, u.show(t, "MainPID"))
	u.requireProblem(t)
	u.configure(t, valid)
	u.run(t, "systemctl", "reload", "otelnpd")
	require.Equal(t, main, u.show(t, "MainPID"))
	require.Equal(t, "active", u.show(t, "ActiveState"))
}

func (u *unit) configure(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(u.debian.Dir, configFile), []byte(text), 0o644))
}

// requireConfined requires what the unit leaves the agent: two capabilities, no new
// privileges, filtered calls, nothing to write but its folders, and the kernel's log to
// read, not to write.
func (u *unit) requireConfined(t *testing.T) {
	t.Helper()
	main := u.show(t, "MainPID")
	status := u.run(t, "cat", "/proc/"+main+"/status")
	const rights = "0000000400000004" // CAP_SYSLOG, CAP_DAC_READ_SEARCH
	require.Regexp(t, `(?m)^CapPrm:\s+`+rights+`\nCapEff:\s+`+rights+`\nCapBnd:\s+`+rights+`\nCapAmb:\s+0{16}\nNoNewPrivs:\s+1\nSeccomp:\s+2$`, status)
	inService := func(script string) (string, error) {
		const enter = `echo $$ >/sys/fs/cgroup/system.slice/otelnpd.service/cgroup.procs && exec nsenter --target "$0" --mount sh -c "$1"`
		return u.systemd.Try(t, "sh", "-c", enter, main, script)
	}
	output, err := inService(`touch /etc/x || touch /usr/x || touch /root/x || touch /sys/x`)
	require.Error(t, err)
	require.Equal(t, 4, strings.Count(output, "Read-only file system"), output)
	output, err = inService(`touch /var/lib/otelnpd/x /run/otelnpd/x && rm /var/lib/otelnpd/x /run/otelnpd/x && : </dev/kmsg`)
	require.NoError(t, err, output)
	output, err = inService(`: >/dev/kmsg`)
	require.Error(t, err)
	require.Contains(t, output, "Operation not permitted")
}

// requireSurvivesKill kills the agent while problems come.
func (u *unit) requireSurvivesKill(t *testing.T) {
	t.Helper()
	u.requireProblem(t)
	main := u.show(t, "MainPID")
	before := u.writeProblem(t)
	u.run(t, "systemctl", "kill", "--signal=KILL", "otelnpd")
	after := u.writeProblem(t)
	require.Eventually(t, func() bool { return u.show(t, "NRestarts") == "1" && u.show(t, "ActiveState") == "active" }, patience, 10*tick)
	require.NotEqual(t, main, u.show(t, "MainPID"))
	u.waitTold(t, "UnitProblem", before)
	u.waitTold(t, "UnitProblem", after)
	u.requireGoesOn(t)
}

// requireGoesOn requires that a restart has kept the condition with its time, that
// problems are told, and that none was told twice.
func (u *unit) requireGoesOn(t *testing.T) {
	t.Helper()
	u.requireProblem(t)
	require.Equal(t, unitCondition{Type: "UnitBroken", Status: "True", LastTransitionTime: u.broke}, u.condition(t))
	uids := map[string]string{}
	for _, e := range u.events(t) {
		if e.Reason == "UnitProblem" {
			if uid, told := uids[e.Message]; told {
				require.Equal(t, uid, e.UID, e.Message)
			}
			uids[e.Message] = e.UID
		}
	}
}

// requireRemoved stops and removes the agent, first with its state kept, and installs it
// again.
func (u *unit) requireRemoved(t *testing.T, deb string) {
	t.Helper()
	started := time.Now()
	u.run(t, "systemctl", "stop", "otelnpd")
	t.Logf("it stopped within %s", time.Since(started))
	require.Equal(t, []string{"success", "0"}, []string{u.show(t, "Result"), u.show(t, "ExecMainStatus")})
	u.run(t, "systemctl", "start", "otelnpd")
	u.requireRuns(t)
	u.run(t, "apt-get", "remove", "--quiet", "--yes", "otelnpd")
	require.Equal(t, []string{"not-found", "inactive"}, []string{u.show(t, "LoadState"), u.show(t, "ActiveState")})
	kept, err := os.ReadDir(filepath.Join(u.debian.Dir, "var/lib/otelnpd"))
	require.NoError(t, err)
	require.NotEmpty(t, kept)

	u.install(t, deb)
	u.requireRuns(t)
	u.run(t, "systemctl", "disable", "--now", "otelnpd")
	u.run(t, "apt-get", "remove", "--quiet", "--yes", "otelnpd")
	u.install(t, deb)
	require.Equal(t, []string{"inactive", "disabled"}, []string{u.show(t, "ActiveState"), u.show(t, "UnitFileState")}, "as the administrator wanted it")
	u.run(t, "apt-get", "purge", "--quiet", "--yes", "otelnpd")
	require.Empty(t, u.run(t, "find", "/etc", "/run", "/var/lib", "/usr", "-path", "*otelnpd*", "-not", "-path", "/var/lib/dpkg/*"))
}

// writeProblem has the kernel log one more problem and returns the line.
func (u *unit) writeProblem(t *testing.T) (line string) {
	t.Helper()
	u.written++
	line = fmt.Sprintf("%s problem %d", u.tag, u.written)
	u.log.Write(t, line)
	return line
}

func (u *unit) requireProblem(t *testing.T) {
	t.Helper()
	u.waitTold(t, "UnitProblem", u.writeProblem(t))
}

// journal is what a unit has written to the journal.
func (u *unit) journal(t *testing.T, name string) string {
	t.Helper()
	return u.run(t, "journalctl", "--unit="+name, "--output=cat", "--no-pager", "--quiet", "--all")
}

// waitJournal waits until a unit has written a text to the journal, which takes lines
// when it comes to them.
func (u *unit) waitJournal(t *testing.T, name, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(u.journal(t, name), text) }, patience, 10*tick, text)
}

// events are those of the agent's lines in the journal that tell of problems.
func (u *unit) events(t *testing.T) (events []agent.Event) {
	t.Helper()
	for line := range strings.Lines(u.journal(t, "otelnpd")) {
		var e agent.Event
		if err := json.Unmarshal([]byte(line), &e); err == nil && e.Event == agent.EventProblem {
			events = append(events, e)
		}
	}
	return events
}

func (u *unit) waitTold(t *testing.T, reason, message string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, e := range u.events(t) {
			if agent.Problem(reason, message)(e) {
				return true
			}
		}
		return false
	}, patience, 10*tick, message)
}

// unitCondition is what otelnpd conditions list says of one.
type unitCondition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	LastTransitionTime string `json:"last_transition_time"`
}

func (u *unit) condition(t *testing.T) unitCondition {
	t.Helper()
	var all []unitCondition
	text := u.run(t, "otelnpd", "conditions", "list", "--output", "json")
	require.NoError(t, json.Unmarshal([]byte(text), &all), text)
	require.Len(t, all, 1)
	return all[0]
}
