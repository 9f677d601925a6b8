package feedback

// For the tests of pages.
const (
	PageWeight = pageWeight
	MaxWeight  = maxWeight
)

// Weigh is weigh.
var Weigh = weigh
