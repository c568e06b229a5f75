package kmsg

// Account says what became of the records since the subscription began:
// Received + Lost.Total() = Next − First, unless bytes that were no record had
// no number either.
type Account struct {
	// First is the first sequence number, Next the one behind the last.
	First, Next uint64
	Received    uint64
	Lost        Loss
}

// account is what one subscriber has had.
type account struct {
	Account
	started      bool
	backlogEnded bool

	resumed uint64 // the sequence number that the subscriber goes on from; 0: none
	context uint64 // behind the records that it was given as context
	again   bool   // the log can be read again: what is before that number was there
	// renumbered is to be told: the log does not reach that number.
	renumbered bool
}

// resume makes the account begin at a sequence number.
func (a *account) resume(at uint64) {
	if at > 0 {
		a.resumed, a.started, a.First, a.Next = at, true, at, at
	}
}

// renumber makes the account begin anew: the log is another one.
func (a *account) renumber() {
	*a = account{renumbered: true}
}

// settle takes out of the batch what the subscriber has had already, and enters
// the rest.
func (a *account) settle(batch *Batch) {
	if a.resumed > 0 {
		a.setApart(batch)
	}
	for a.started && len(batch.Records) > 0 && batch.Records[0].Sequence < a.Next {
		batch.Records = batch.Records[1:]
	}
	if !a.started && len(batch.Records) > 0 {
		a.started = true
		a.First, a.Next = batch.Records[0].Sequence, batch.Records[0].Sequence
	}
	received := uint64(len(batch.Records))
	batch.Next = max(batch.Next, a.Next)
	if a.started {
		batch.Lost.fit(batch.Next - a.Next - received)
	}
	batch.BacklogEnd = batch.BacklogEnd && !a.backlogEnded
	a.Next = batch.Next
	a.Received += received
	a.Lost.add(batch.Lost)
	a.backlogEnded = a.backlogEnded || batch.BacklogEnd
	batch.Renumbered, a.renumbered = a.renumbered, false
}

// setApart takes the records before the one to go on from as context, and does
// not count what is missing among them: it was counted before.
func (a *account) setApart(batch *Batch) {
	if !a.again && a.context == 0 && len(batch.Records) > 0 && batch.Records[0].Sequence < a.resumed {
		a.renumber() // what was read once never comes again
		return
	}
	before := 0
	for before < len(batch.Records) && batch.Records[before].Sequence < a.resumed {
		before++
	}
	batch.Context, batch.Records = batch.Records[:before], batch.Records[before:]
	for len(batch.Context) > 0 && batch.Context[0].Sequence < a.context {
		batch.Context = batch.Context[1:]
	}
	if n := len(batch.Context); n > 0 {
		a.context = batch.Context[n-1].Sequence + 1
	}
	if batch.Next < a.resumed || batch.Next == a.resumed && before > 0 {
		batch.Lost = Loss{}
	}
}
