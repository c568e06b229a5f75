#!/bin/sh
# Tells whether rules of both iptables-legacy and iptables-nft are loaded, which the
# kernel keeps apart: packets then meet rules that nobody sees.
# Exit 0: rules of one kind; 1: of both; 2: none, or none can be read.

# rules KIND: how many there are in both address families.
rules() {
	for save in "iptables-$1-save" "ip6tables-$1-save"; do
		timeout 2 "$save" 2>/dev/null
	done | grep -c '^-'
}

legacy=$(rules legacy)
nft=$(rules nft)
if [ "$legacy" -gt 0 ] && [ "$nft" -gt 0 ]; then
	echo "Found rules from both versions, iptables-legacy: $legacy iptables-nft: $nft"
	exit 1
elif [ "$legacy" -gt 0 ]; then
	echo "Using iptables-legacy: $legacy rules"
	exit 0
elif [ "$nft" -gt 0 ]; then
	echo "Using iptables-nft: $nft rules"
	exit 0
fi
echo 'No iptables rules found'
exit 2
