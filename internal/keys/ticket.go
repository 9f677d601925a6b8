package keys

// Ticket signs what `friday serve` gives to handsets and reads back.
type Ticket struct{ key [32]byte }

// OpenTicket reads the key at path, and makes it when it is missing.
func OpenTicket(path string) (*Ticket, error) { panic("unwritten") }

// For derives the key of another purpose: what one purpose signed no other
// verifies. OpenTicket's own purpose is "ticket".
func (t *Ticket) For(purpose string) *Ticket { panic("unwritten") }

// Sign returns body with its tag, as text that fits a URL.
func (t *Ticket) Sign(body []byte) string { panic("unwritten") }

// Verify returns the body of what Sign returned.
func (t *Ticket) Verify(text string) ([]byte, error) { panic("unwritten") }
