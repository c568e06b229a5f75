// Package pipeline holds what everything in otelnpd hangs on: the [Record]
// that flows, the [Problem] a rule or a check sees in it, the [Transition] of a
// node condition, and the graph of receivers, processors and exporters that
// configuration wires.
//
// Data flows by plain synchronous calls of [Consumer.Consume], from a
// receiver's own goroutine through the processors into the exporters, which
// take what they keep into bounded queues of their own. The contracts that
// every component keeps are written at the types; pipelinetest checks them.
package pipeline
