#!/bin/sh
# Tells whether the name of the Kubernetes service can be looked up.
# Exit 0: it can; 1: it cannot; 2: there is nothing to look it up with.

name='kubernetes.default'

if ! command -v getent >/dev/null 2>&1; then
	echo "Could not find 'getent' - require getent"
	exit 2
fi
if getent hosts "$name" >/dev/null; then
	echo "DNS lookup to $name is working"
	exit 0
fi
echo "DNS lookup to $name is not working"
exit 1
