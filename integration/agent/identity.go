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
	return uid("problem", node, machineID, fileSource(path, firstLine), number(generation), number(offset), rule)
}

// FileLineUID is the uid of a line of a text file as it stands, known as in
// [FileProblemUID].
func FileLineUID(node, machineID, path, firstLine string, generation, offset uint64) string {
	return uid("line", node, machineID, fileSource(path, firstLine), number(generation), number(offset))
}

func fileSource(path, firstLine string) string {
	sum := sha256.Sum256([]byte(firstLine[:min(len(firstLine), 256)]))
	return "file:" + path + ":" + hex.EncodeToString(sum[:8])
}

// JournalProblemUID is the uid of a rule's match of an entry of the journal: by its boot,
// the id of its series and its number there, as in its cursor (s= and i=).
func JournalProblemUID(node, boot, series string, sequence uint64, rule string) string {
	return uid("problem", node, boot, "journal:"+series, number(0), number(sequence), rule)
}

// JournalLossUID is the uid of what tells that entries of a series were removed before
// they were read: by the first and the last number that is missing, 0 where nobody knows.
func JournalLossUID(node, series string, first, last uint64) string {
	return uid("problem", node, series, "journal:removed", number(last), number(first), "otelnpd/journal-entries-lost")
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
