#!/bin/sh
# Tells whether a service that sets the clock runs under systemd.
# Exit 0: one runs; 1: none does; 2: systemd cannot be asked.
#
# ntp.service is asked first, then the other services that do the same work: a node
# that runs chrony has no problem.

if ! command -v systemctl >/dev/null 2>&1; then
	echo "Could not find 'systemctl' - require systemd"
	exit 2
fi
for service in ntp.service ntpd.service ntpsec.service chrony.service chronyd.service \
	systemd-timesyncd.service; do
	systemctl --quiet is-active "$service" 2>/dev/null
	case $? in
	0)
		echo "$service is running"
		exit 0
		;;
	1) # systemd itself does not answer; what is not active exits with 3, what is unknown with 3 or 4
		echo "systemctl cannot tell whether $service is running"
		exit 2
		;;
	esac
done
echo 'ntp.service is not running'
exit 1
