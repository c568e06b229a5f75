#!/bin/sh
# Tells whether the kernel's connection tracking table is full.
# Exit 0: there is room; 1: it is full; 2: the kernel does not say.
#
# PROC_SYS_NET may name another place than /proc/sys/net.

net=${PROC_SYS_NET:-/proc/sys/net}

# read_number FILE: its number, or nothing.
read_number() {
	[ -r "$1" ] && read -r number <"$1" || return 1
	case $number in '' | *[!0-9]*) return 1 ;; esac
	echo "$number"
}

for names in netfilter/nf_conntrack ipv4/netfilter/ip_conntrack; do
	max=$(read_number "$net/${names}_max") || continue
	count=$(read_number "$net/${names}_count") || continue
	if [ "$max" -gt 0 ] && [ "$count" -ge "$max" ]; then # a limit of 0 is none
		echo 'Conntrack table full'
		exit 1
	fi
	echo 'Conntrack table available'
	exit 0
done
exit 2
