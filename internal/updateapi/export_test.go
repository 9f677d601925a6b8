package updateapi

// How long clients may take.
const (
	Patience     = patience
	BodyPatience = bodyPatience
)

// SetRoom is how many outcomes may wait.
func (s *Server) SetRoom(n int) { s.waiting.most = n }

// Waiting is how many outcomes wait.
func (s *Server) Waiting() int { return s.waiting.len() }

// Routes are the patterns of all that is answered.
func (s *Server) Routes() (all []string) {
	for pattern := range s.routes() {
		all = append(all, pattern)
	}
	return all
}

// BucketOf is what a client's number means.
func BucketOf(text string) (int, bool) { return bucketOf(text) }
