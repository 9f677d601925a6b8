package updateapi

import "time"

// SetPatience shortens how long a client may take.
func (s *Server) SetPatience(d time.Duration) { s.patience = d }

// Routes are the patterns of all that is answered.
func (s *Server) Routes() (all []string) {
	for pattern := range s.routes() {
		all = append(all, pattern)
	}
	return all
}
