package agent

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ProblemUID is the uid of a rule's match of a record of the kernel's log, made as
// the agent's documentation says, and not by its code: the first 16 bytes of a
// SHA-256 over fields that are each preceded by their length.
func ProblemUID(node, bootID string, sequence uint64, rule string) string {
	return uid("problem", node, bootID, "kmsg", number(0), number(sequence), rule)
}

// FileProblemUID is the uid of a rule's match of a line of a text file: the file is
// known by its path and first line, with its newline; generation counts those before it
// that began likewise.
func FileProblemUID(node, machineID, path, firstLine string, generation, offset uint64, rule string) string {
	sum := sha256.Sum256([]byte(firstLine[:min(len(firstLine), 256)]))
	return uid("problem", node, machineID, "file:"+path+":"+hex.EncodeToString(sum[:8]), number(generation), number(offset), rule)
}

// JournalProblemUID is the uid of a rule's match of an entry of the journal: by the id of
// its series and its number there, as in its cursor (s= and i=).
func JournalProblemUID(node, machineID, series string, sequence uint64, rule string) string {
	return uid("problem", node, machineID, "journal:"+series, number(0), number(sequence), rule)
}

// TransitionUID is the uid of a condition's change to a status by a problem.
func TransitionUID(problem, conditionType, status string) string {
	cause, _ := hex.DecodeString(problem) // one that is no uid makes none that is told
	return uid("transition", conditionType, string(cause), status)
}

func uid(fields ...string) string {
	hash := sha256.New()
	for _, field := range fields {
		hash.Write([]byte(number(uint64(len(field)))))
		hash.Write([]byte(field))
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
